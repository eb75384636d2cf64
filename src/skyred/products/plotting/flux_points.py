"""The plot of flux points: the spectral energy distribution with the fitted model."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.products.flux_band import flux_band
from skyred.products.plotting.figures import LEGEND, TOP, create_axes, format_unit

if TYPE_CHECKING:
    from gammapy.estimators import FluxPoints
    from gammapy.modeling.models import SpectralModel
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

N_NODES = 50  # energies at which the model is evaluated
MIN_SYMLOG_RATIO = 20  # the scale is symlog above this ratio of highest flux to median error


def draw_flux_points(
    flux: FluxPoints, spectral_model: SpectralModel | None, title: str, ax: Axes | None = None
) -> Axes:
    """Draw the spectral energy distribution: butterfly, model and flux points.

    Parameters
    ----------
    flux : gammapy.estimators.FluxPoints
        Flux points along energy. Fluxes of less than 2 sigma are replaced by their upper limits, if
        there are any.
    spectral_model : gammapy.modeling.models.SpectralModel or None
        The fitted spectrum, with its covariance.
    title : str
        The name of the source.
    ax : matplotlib axes, optional
        The axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib axes
        The axes. The flux axis is logarithmic, unless a flux, a limit or the model is not positive:
        then it is linear, or symlog if the fluxes are large compared with their errors.
    """
    return _draw({"flux points": flux}, ["black"], spectral_model, title, ax)


def draw_flux_points_by_dataset(
    fluxes: Mapping[str, FluxPoints],
    spectral_model: SpectralModel | None,
    title: str,
    ax: Axes | None = None,
) -> Axes:
    """Draw flux points of several datasets, as `draw_flux_points` does for one.

    Parameters
    ----------
    fluxes : mapping of str to gammapy.estimators.FluxPoints
        Flux points by name of the dataset.
    spectral_model : gammapy.modeling.models.SpectralModel or None
        The fitted spectrum, with its covariance.
    title : str
        The name of the source.
    ax : matplotlib axes, optional
        The axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib axes
        The axes.
    """
    colors = [f"C{(number % 9) + 1}" for number in range(len(fluxes))]  # C0 is the model
    return _draw(fluxes, colors, spectral_model, title, ax)


def _draw(
    fluxes: Mapping[str, FluxPoints],
    colors: Sequence[str],
    spectral_model: SpectralModel | None,
    title: str,
    ax: Axes | None,
) -> Axes:
    if ax is None:
        ax = create_axes(6.4, 4.8, top=TOP + LEGEND)
    all_fluxes = {label: _with_limits(flux) for label, flux in fluxes.items()}
    for (label, flux), color in zip(all_fluxes.items(), colors, strict=True):
        with warnings.catch_warnings():  # gammapy sets the units of the axes for all flux points
            warnings.filterwarnings("ignore", "This axis already has a converter")
            flux.plot(ax=ax, sed_type="e2dnde", color=color, label=label)
    bounds = u.Quantity([flux.energy_axis.bounds for flux in all_fluxes.values()])
    bounds = u.Quantity([bounds.min(), bounds.max()])
    if spectral_model is not None:
        _draw_model(spectral_model, ax, bounds)
    _set_scale(ax, list(all_fluxes.values()), spectral_model, bounds)
    x_axis: Any = ax.xaxis  # matplotlib has no types for units
    y_axis: Any = ax.yaxis
    ax.set_xlabel(f"Energy [{x_axis.get_units()}]")
    ax.set_ylabel(f"E² dN/dE [{format_unit(u.Unit(y_axis.get_units()))}]")
    # the legend is between title and axes, where it hides no point
    ax.set_title(title, pad=28, parse_math=False)
    if len(fluxes) < 3:
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(fluxes) + 1, frameon=False)
    else:
        ax.legend(loc="best", frameon=False)
    return ax


def _with_limits(flux: FluxPoints) -> FluxPoints:
    """Return a copy of flux points, with `is_ul` also for bins without a best-fit flux."""
    flux_copy = flux.copy()
    if flux.has_ul:
        has_only_limit = np.isnan(flux.norm.data) & np.isfinite(flux.norm_ul.data)
        flux_copy.is_ul = flux.is_ul.data.astype(bool) | has_only_limit
    return flux_copy


def _draw_model(spectral_model: SpectralModel, ax: Axes, bounds: u.Quantity) -> None:
    low, high = bounds.value
    band = flux_band(spectral_model, np.geomspace(low, high, N_NODES) * bounds.unit)
    axes: Any = ax  # matplotlib has no types for units
    energy = band.energy.to_value(axes.xaxis.get_units())
    unit = u.Unit(axes.yaxis.get_units())
    flux, lower, upper = (
        (band.energy**2 * dnde).to_value(unit) for dnde in (band.dnde, band.lower, band.upper)
    )
    ax.plot(energy, flux, color="tab:blue", label="fitted model")
    ax.fill_between(energy, lower, upper, facecolor="tab:blue", alpha=0.25)


def _set_scale(
    ax: Axes, fluxes: Sequence[FluxPoints], spectral_model: SpectralModel | None, bounds: u.Quantity
) -> None:
    """Set the scale of the flux axis so that all fluxes, limits and the model are visible."""
    axis: Any = ax.yaxis  # matplotlib has no types for units
    unit = u.Unit(axis.get_units())
    values = np.concatenate([_drawn_values(flux, unit) for flux in fluxes])
    is_negative = spectral_model is not None and np.any(spectral_model(bounds).value < 0)
    if not is_negative and not np.any(values <= 0):
        return
    error = max(_median_error(flux, unit) for flux in fluxes)
    if error > 0 and np.max(np.abs(values), initial=0) > MIN_SYMLOG_RATIO * error:
        # a power of ten, so that the ticks around zero do not overlap
        ax.set_yscale("symlog", linthresh=10 ** np.ceil(np.log10(error)))
    else:
        ax.set_yscale("linear")
    ax.axhline(0, color="0.5", linewidth=0.8)
    ax.autoscale(axis="y")


def _drawn_values(flux: FluxPoints, unit: u.UnitBase) -> NDArray[np.float64]:
    """Return the finite fluxes, or the upper limits that replace them."""
    values = flux.e2dnde.quantity.to_value(unit)
    if flux.has_ul:
        values = np.where(flux.is_ul.data, flux.e2dnde_ul.quantity.to_value(unit), values)
    return np.asarray(values[np.isfinite(values)])


def _median_error(flux: FluxPoints, unit: u.UnitBase) -> float:
    """Return the median of the valid flux errors; 0 if there are none."""
    if "norm_err" not in flux.available_quantities:
        return 0.0
    errors = flux.e2dnde_err.quantity.to_value(unit)
    errors = errors[np.isfinite(errors) & (errors > 0)]
    return float(np.median(errors)) if len(errors) else 0.0
