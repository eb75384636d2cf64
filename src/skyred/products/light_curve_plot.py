"""The picture of a light curve: flux over time, each bin of energy by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import attrs
import numpy as np
from astropy import units as u

from skyred.products.plotting import bin_style

if TYPE_CHECKING:
    from gammapy.estimators import FluxPoints
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from skyred.likelihood.flux.variability import Variability

    Array = NDArray[np.float64]

TS_OF_LIMITS = 4  # below, upper limits are drawn
RANGE_OF_LOG = 20  # from the lowest to the highest flux, above which the scale is logarithmic


def draw_light_curve(
    flux: FluxPoints, found: Sequence[Variability | None], title: str, ax: Axes | None = None
) -> Axes:
    """Draw the flux over time: upper limits where TS is below 4, hatched where there is none.

    Parameters
    ----------
    flux : gammapy.estimators.FluxPoints
        Along energy and time.
    found : sequence of Variability or None
        Of each bin of energy.
    title : str
        The source.
    ax : matplotlib axes, optional
        Where to draw; a new figure by default.
    """
    import matplotlib.pyplot as plt
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    if ax is None:
        _, ax = plt.subplots(figsize=(7.2, 4.8), layout="constrained")
    bins = [Bin.of(flux, number) for number in range(flux.energy_axis.nbin)]
    logarithmic = spread(bins) > RANGE_OF_LOG
    for number, (each, variability) in enumerate(zip(bins, found, strict=True)):
        label = each.label if variability is None else f"{each.label}: {variability}"
        each.draw(ax, number, label, logarithmic)
    known = np.isfinite(flux.norm.data).any(axis=(1, 2, 3))
    for low, high in zip(bins[0].start[~known], bins[0].stop[~known], strict=True):
        ax.axvspan(low, high, facecolor="none", edgecolor="0.7", hatch="///", linewidth=0)
    if logarithmic:
        ax.set_yscale("log")
    else:
        ax.axhline(0, color="0.5", linewidth=0.8)
    locator = AutoDateLocator()
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    ax.set_xlabel("Time [UTC]")
    ax.set_ylabel(f"Flux [{flux.flux.unit:latex_inline}]")
    ax.legend(
        title=title, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False
    )
    return ax


@attrs.frozen(eq=False)
class Bin:
    """One bin of energy: times as matplotlib's dates, arrays of shape (times,).

    Parameters
    ----------
    label : str
        Its energies.
    start, middle, stop : array
        The intervals.
    flux, errn, errp : array
        Fluxes and errors; NaN where a limit is drawn instead.
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
    def of(cls, flux: FluxPoints, number: int) -> Self:
        """Take a bin out of flux points."""
        from matplotlib.dates import date2num

        def take(name: str) -> Array:
            return np.asarray(getattr(flux, name).data[:, number, 0, 0], dtype=float)

        axis = flux.geom.axes["time"]
        middle = axis.time_min + 0.5 * (axis.time_max - axis.time_min).to(u.s)
        moments = (axis.time_min, middle, axis.time_max)
        start, centre, stop = (date2num(each.utc.datetime64) for each in moments)
        low, high = flux.energy_axis.edges[[number, number + 1]]
        weak = take("ts") < TS_OF_LIMITS if flux.has_ul else np.zeros(len(middle), dtype=bool)
        error = take("flux_err")
        sides = [error, error]
        if "norm_errn" in flux.available_quantities:
            sides = [take("flux_errn"), take("flux_errp")]
        errn, errp = (np.where(np.isfinite(each) & (each > 0), each, error) for each in sides)
        limit = take("flux_ul") if flux.has_ul else np.full(len(middle), np.nan)
        weak |= np.isnan(take("flux"))  # without a best flux there can be a limit
        return cls(
            f"{low.value:.3g} to {high.value:.3g} {low.unit}",
            start,
            centre,
            stop,
            np.where(weak, np.nan, take("flux")),
            np.nan_to_num(errn),
            np.nan_to_num(errp),
            np.where(weak, limit, np.nan),
        )

    def draw(self, ax: Axes, number: int, label: str, logarithmic: bool) -> None:
        """Draw it."""
        colour, marker = bin_style(number)
        spans = [self.middle - self.start, self.stop - self.middle]
        ax.errorbar(self.middle, self.flux, yerr=[self.errn, self.errp], xerr=spans, label=label,
                    linestyle="none", markersize=4, color=colour, marker=marker)  # fmt: skip
        known = np.isfinite(self.limit)
        if known.any():
            highest = np.nanmax(np.abs(np.concatenate([self.flux, self.limit])))
            arrows = 0.4 * self.limit if logarithmic else np.full(len(self.limit), 0.07 * highest)
            ax.errorbar(self.middle[known], self.limit[known], yerr=arrows[known], uplims=True,
                        xerr=[side[known] for side in spans], linestyle="none", markersize=0,
                        color=colour)  # fmt: skip


def spread(bins: Sequence[Bin]) -> float:
    """Give the ratio of the highest to the lowest value that is drawn; 0 if one is not positive."""
    drawn = np.concatenate([np.concatenate([each.flux, each.limit]) for each in bins])
    drawn = drawn[np.isfinite(drawn)]
    return float(drawn.max() / drawn.min()) if len(drawn) and drawn.min() > 0 else 0.0
