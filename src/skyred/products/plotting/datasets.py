"""The plots of datasets: of each dataset, and of all datasets of a type in one figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from skyred.products.plotting.count_maps import draw_count_maps, draw_counts
from skyred.products.plotting.regions import draw_regions, off_regions
from skyred.products.plotting.spectra import draw_counts_spectrum
from skyred.products.plotting.spectra_overview import draw_spectra

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
    kind = dataset_type(dataset)
    if kind == "spectrum":
        plots: dict[str, Callable[..., Axes]] = {"counts": partial(draw_counts_spectrum, dataset)}
        if off_regions(dataset):
            plots["regions"] = partial(draw_regions, [dataset])
        return plots
    return {"counts": partial(draw_counts, dataset)} if kind == "map" else {}


def overview_plot_functions(datasets: Sequence[Any], kind: str) -> dict[str, Callable[..., Axes]]:
    """Return the functions that draw several datasets of a type in one figure.

    Parameters
    ----------
    datasets : sequence of Dataset
        The datasets.
    kind : {"map", "spectrum"}
        Their type, as `dataset_type` returns it.

    Returns
    -------
    dict of str to callable
        Plot functions by the name of the plot, with the argument `ax` as those of single datasets.
    """
    if kind == "map":
        return {"datasets-maps": partial(draw_count_maps, datasets)}
    plots: dict[str, Callable[..., Axes]] = {"datasets-spectra": partial(draw_spectra, datasets)}
    with_regions = [dataset for dataset in datasets if off_regions(dataset)]
    if with_regions:
        plots["datasets-regions"] = partial(draw_regions, with_regions)
    return plots


def dataset_type(dataset: Any) -> str:
    """Return whether a dataset has a counts map or a counts spectrum.

    Parameters
    ----------
    dataset : Dataset
        The dataset.

    Returns
    -------
    {"map", "spectrum", ""}
        The type; "" if the dataset has no counts.
    """
    geom = getattr(getattr(dataset, "counts", None), "geom", None)
    if geom is None:
        return ""
    return "spectrum" if geom.is_region else "map"


def dataset_type_or_none(dataset: Any) -> str | None:
    """Return the type of a dataset; None if it raises an error, which its plots report.

    Parameters
    ----------
    dataset : Dataset
        The dataset.

    Returns
    -------
    {"map", "spectrum", "", None}
        The type, as `dataset_type` returns it.
    """
    try:
        return dataset_type(dataset)
    except Exception:
        return None
