"""The plot of flux points: the spectral energy distribution with the fitted model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.products.flux_band import flux_band
from skyred.products.plotting.figures import LEGEND, TOP, create_axes, format_unit

if TYPE_CHECKING:
    from gammapy.estimators import FluxPoints
    from gammapy.modeling.models import SpectralModel
    from matplotlib.axes import Axes

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
    if ax is None:
        ax = create_axes(6.4, 4.8, top=TOP + LEGEND)
    flux = _with_limits(flux)
    flux.plot(ax=ax, sed_type="e2dnde", color="black", label="flux points")
    if spectral_model is not None:
        _draw_model(spectral_model, ax, flux.energy_axis.bounds)
    _set_scale(ax, flux, spectral_model)
    x_axis: Any = ax.xaxis  # matplotlib has no types for units
    y_axis: Any = ax.yaxis
    ax.set_xlabel(f"Energy [{x_axis.get_units()}]")
    ax.set_ylabel(f"E² dN/dE [{format_unit(u.Unit(y_axis.get_units()))}]")
    # the legend is between title and axes, where it hides no point
    ax.set_title(title, pad=28, parse_math=False)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)
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


def _set_scale(ax: Axes, flux: FluxPoints, spectral_model: SpectralModel | None) -> None:
    """Set the scale of the flux axis so that all fluxes, limits and the model are visible."""
    axis: Any = ax.yaxis  # matplotlib has no types for units
    unit = u.Unit(axis.get_units())
    values = flux.e2dnde.quantity.to_value(unit)
    if flux.has_ul:
        values = np.where(flux.is_ul.data, flux.e2dnde_ul.quantity.to_value(unit), values)
    values = values[np.isfinite(values)]
    is_negative = spectral_model is not None and np.any(
        spectral_model(flux.energy_axis.bounds).value < 0
    )
    if not is_negative and not np.any(values <= 0):
        return
    error = _median_error(flux, unit)
    if error > 0 and np.max(np.abs(values), initial=0) > MIN_SYMLOG_RATIO * error:
        # a power of ten, so that the ticks around zero do not overlap
        ax.set_yscale("symlog", linthresh=10 ** np.ceil(np.log10(error)))
    else:
        ax.set_yscale("linear")
    ax.axhline(0, color="0.5", linewidth=0.8)
    ax.autoscale(axis="y")


def _median_error(flux: FluxPoints, unit: u.UnitBase) -> float:
    """Return the median of the valid flux errors; 0 if there are none."""
    if "norm_err" not in flux.available_quantities:
        return 0.0
    errors = flux.e2dnde_err.quantity.to_value(unit)
    errors = errors[np.isfinite(errors) & (errors > 0)]
    return float(np.median(errors)) if len(errors) else 0.0
