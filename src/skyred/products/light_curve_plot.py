"""The plot of a light curve: flux over time in each energy bin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import attrs
import numpy as np
from astropy import units as u

from skyred.products.plotting import (
    bin_style,
    create_axes,
    draw_legend,
    format_power,
    format_unit,
)

if TYPE_CHECKING:
    from gammapy.estimators import FluxPoints
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from skyred.likelihood.flux.variability import Variability

    Array = NDArray[np.float64]

MAX_TS_OF_LIMITS = 4  # upper limits are drawn for test statistics below this value
MIN_LOG_RATIO = 20  # the scale is logarithmic above this ratio of highest to lowest flux


def draw_light_curve(
    flux: FluxPoints,
    variabilities: Sequence[Variability | None],
    title: str,
    ax: Axes | None = None,
) -> Axes:
    """Draw the flux over time, with upper limits where TS is below 4 or the flux is missing.

    Intervals without any flux are hatched.

    Parameters
    ----------
    flux : gammapy.estimators.FluxPoints
        The flux points along energy and time.
    variabilities : sequence of Variability or None
        The variability in each energy bin.
    title : str
        The name of the source.
    ax : matplotlib axes, optional
        The axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib axes
        The axes.
    """
    n_bins = flux.energy_axis.nbin
    if ax is None:
        height = 4.8 + 0.18 * max(0, n_bins - 6)  # for the lines of the legend above the axes
        ax = create_axes(7.2, height, top=3.6 + 1.28 * n_bins)
    light_curves = [BinLightCurve.from_flux_points(flux, index) for index in range(n_bins)]
    log_scale = flux_ratio(light_curves) > MIN_LOG_RATIO
    for index, (light_curve, variability) in enumerate(
        zip(light_curves, variabilities, strict=True)
    ):
        label = light_curve.label
        if variability is not None:
            label += f": {variability}"
        light_curve.draw(ax, index, label, log_scale)
    _hatch_missing_fluxes(ax, flux, light_curves[0])
    unit = format_unit(flux.flux.unit)
    if log_scale:
        ax.set_yscale("log")
    else:
        ax.axhline(0, color="0.5", linewidth=0.8)
        unit = f"{_use_common_power(ax)}{unit}"
    _format_time_axis(ax)
    ax.set_ylabel(f"Flux [{unit}]")
    draw_legend(ax, title=title, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1),
                frameon=False)  # fmt: skip
    return ax


def _hatch_missing_fluxes(ax: Axes, flux: FluxPoints, light_curve: BinLightCurve) -> None:
    """Hatch the time intervals without a flux in any energy bin."""
    is_missing = ~np.isfinite(flux.norm.data).any(axis=(1, 2, 3))
    intervals = zip(light_curve.start[is_missing], light_curve.stop[is_missing], strict=True)
    for start, stop in intervals:
        ax.axvspan(start, stop, facecolor="none", edgecolor="0.7", hatch="///", linewidth=0)


def _format_time_axis(ax: Axes) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator()
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    ax.set_xlabel("Time [UTC]")


def _use_common_power(ax: Axes) -> str:
    """Divide the labels of the flux axis by a power of ten, and return it for the unit.

    Matplotlib's own label for the power is where the legend is.
    """
    power = int(np.floor(np.log10(np.max(np.abs(ax.get_ylim())))))
    if -3 < power < 4:
        return ""
    ax.yaxis.set_major_formatter(
        lambda value, _: f"{value / 10.0**power:.6g}".replace("-", "\N{MINUS SIGN}")
    )
    return f"{format_power(power)} "


@attrs.frozen(eq=False)
class BinLightCurve:
    """The light curve in one energy bin; arrays have shape (times,), times are matplotlib dates.

    Parameters
    ----------
    label : str
        The energy range.
    start, middle, stop : array
        Start, middle and end of the time intervals.
    flux : array
        Fluxes; NaN where a limit is drawn instead.
    errn, errp : array
        Downward and upward errors of the fluxes, or the symmetric error; 0 where both are missing.
    limit : array
        Upper limits; NaN where the flux is drawn.
    """

    label: str
    start: Array
    middle: Array
    stop: Array
    flux: Array
    errn: Array
    errp: Array
    limit: Array

    @classmethod
    def from_flux_points(cls, flux: FluxPoints, index: int) -> Self:
        """Return the light curve in one energy bin of flux points.

        Parameters
        ----------
        flux : gammapy.estimators.FluxPoints
            The flux points along energy and time.
        index : int
            The index of the energy bin.

        Returns
        -------
        BinLightCurve
            The light curve.
        """
        from matplotlib.dates import date2num

        def get_values(name: str) -> Array:
            return np.asarray(getattr(flux, name).data[:, index, 0, 0], dtype=float)

        axis = flux.geom.axes["time"]
        middle = axis.time_min + 0.5 * (axis.time_max - axis.time_min).to(u.s)
        times = (axis.time_min, middle, axis.time_max)
        start, centre, stop = (date2num(time.utc.datetime64) for time in times)
        low, high = flux.energy_axis.edges[[index, index + 1]]
        use_limit = (
            get_values("ts") < MAX_TS_OF_LIMITS
            if flux.has_ul
            else np.zeros(len(middle), dtype=bool)
        )
        error = get_values("flux_err")
        sides = [error, error]
        if "norm_errn" in flux.available_quantities:
            sides = [get_values("flux_errn"), get_values("flux_errp")]
        errn, errp = (np.where(np.isfinite(side) & (side > 0), side, error) for side in sides)
        limit = get_values("flux_ul") if flux.has_ul else np.full(len(middle), np.nan)
        use_limit |= np.isnan(get_values("flux"))  # there can be a limit without a best-fit flux
        return cls(
            f"{low.value:.3g} to {high.value:.3g} {low.unit}",
            start,
            centre,
            stop,
            np.where(use_limit, np.nan, get_values("flux")),
            np.nan_to_num(errn),
            np.nan_to_num(errp),
            np.where(use_limit, limit, np.nan),
        )

    def draw(self, ax: Axes, index: int, label: str, log_scale: bool) -> None:
        """Draw fluxes and upper limits.

        Parameters
        ----------
        ax : matplotlib axes
            The axes to draw on.
        index : int
            The index of the energy bin, for colour and marker.
        label : str
            The entry of the legend.
        log_scale : bool
            Whether the flux axis is logarithmic.
        """
        colour, marker = bin_style(index)
        spans = [self.middle - self.start, self.stop - self.middle]
        ax.errorbar(self.middle, self.flux, yerr=[self.errn, self.errp], xerr=spans, label=label,
                    linestyle="none", markersize=4, color=colour, marker=marker)  # fmt: skip
        has_limit = np.isfinite(self.limit)
        if has_limit.any():
            highest = np.nanmax(np.abs(np.concatenate([self.flux, self.limit])))
            arrows = 0.4 * self.limit if log_scale else np.full(len(self.limit), 0.07 * highest)
            ax.errorbar(self.middle[has_limit], self.limit[has_limit], yerr=arrows[has_limit],
                        uplims=True, xerr=[span[has_limit] for span in spans], linestyle="none",
                        markersize=0, color=colour)  # fmt: skip


def flux_ratio(light_curves: Sequence[BinLightCurve]) -> float:
    """Return the ratio of the highest to the lowest flux or limit that is drawn.

    Parameters
    ----------
    light_curves : sequence of BinLightCurve
        The light curves in the energy bins.

    Returns
    -------
    float
        The ratio; 0 if a value is not positive, or if there are no values.
    """
    fluxes = np.concatenate(
        [np.concatenate([light_curve.flux, light_curve.limit]) for light_curve in light_curves]
    )
    fluxes = fluxes[np.isfinite(fluxes)]
    return float(fluxes.max() / fluxes.min()) if len(fluxes) and fluxes.min() > 0 else 0.0
