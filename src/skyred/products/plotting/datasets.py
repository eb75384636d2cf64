"""The plots of datasets: counts maps and spectra."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from skyred.products.plotting.sky import SEQUENTIAL, draw_map, format_energy_range
from skyred.products.plotting.spectra import spectrum_plot_functions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMOOTHING = "0.05 deg"


def dataset_plot_functions(dataset: Any) -> dict[str, Callable[..., Axes]]:
    """Return the functions that draw a dataset.

    Parameters
    ----------
    dataset : Dataset
        The dataset.

    Returns
    -------
    dict of str to callable
        Plot functions; the keys are prefixes of the names of the plots. The argument `ax` of each
        function is the axes to draw on; by default those of a new figure.
    """
    geom = getattr(getattr(dataset, "counts", None), "geom", None)
    if geom is None:
        return {}
    if geom.is_region:
        return spectrum_plot_functions(dataset)
    return {"counts": partial(draw_counts, dataset)}


def draw_counts(dataset: Any, ax: Axes | None = None) -> Axes:
    """Draw the counts of a map dataset inside its mask, smoothed with a Gaussian.

    Parameters
    ----------
    dataset : MapDataset
        The dataset.
    ax : matplotlib axes, optional
        The axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib axes
        The axes.
    """
    counts = dataset.counts if dataset.mask is None else dataset.counts * dataset.mask
    image = counts.sum_over_axes(keepdims=False).smooth(SMOOTHING)
    ax = draw_map(image, ax, f"Counts per pixel (smoothed, {SMOOTHING})", cmap=SEQUENTIAL, vmin=0)
    ax.set_title(f"{dataset.name}, {format_energy_range(dataset.counts.geom.axes['energy'].edges)}")
    return ax
