"""The plot of the on and off regions of spectrum datasets, and of their pointings, on the sky."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.products.plotting.figures import LEGEND, TOP, create_axes, draw_legend
from skyred.products.plotting.panels import PanelGrid, limit_panels, short_name
from skyred.products.plotting.region_shapes import BIN_SIZE, draw_pointings, draw_shapes
from skyred.products.plotting.sky import label_sky

if TYPE_CHECKING:
    from gammapy.maps import WcsGeom
    from matplotlib.axes import Axes
    from matplotlib.transforms import Transform
    from numpy.typing import NDArray
    from regions import SkyRegion

ON_COLOR = "tab:red"
OFF_COLORS = ("tab:blue", "tab:orange", "tab:green", "tab:purple", "tab:brown", "tab:cyan")
BY_DATASET = "off regions (by dataset)"
MIN_WIDTH = 0.5  # smallest width of a field, in deg
MARGIN = 1.1  # ratio of the width of a field to that of the regions
MAX_SEPARATION = 5.0  # between the on regions of a field and its first on region, in deg
PITCH = (1.08, 1.3)  # of panels, in units of their size
PANEL_SIZE = 2.2  # in inches


def draw_regions(datasets: Sequence[Any], ax: Axes | None = None) -> Axes:
    """Draw the on regions, the off regions and the pointings of datasets on the sky.

    Off regions of several datasets have several colours. If on regions are more than 5 deg apart,
    each field has a panel.

    Parameters
    ----------
    datasets : sequence of SpectrumDatasetOnOff
        The datasets.
    ax : matplotlib axes, optional
        The axes to draw on, a `WCSAxes` if there is one field; those of a new figure by default.

    Returns
    -------
    matplotlib axes
        The axes.
    """
    datasets, title = limit_panels(datasets)
    fields = _group_by_position(datasets)
    if len(fields) == 1:
        return _draw_single_field(datasets, title, ax)
    return _draw_panels(fields, title, ax)


def off_regions(dataset: Any) -> list[SkyRegion]:
    """Return the off regions of a dataset that differ from its on region.

    Parameters
    ----------
    dataset : SpectrumDataset
        The dataset.

    Returns
    -------
    list of SkyRegion
        The regions; datasets that were stacked have none.
    """
    counts_off = getattr(dataset, "counts_off", None)
    if counts_off is None or counts_off.geom.region is None:
        return []
    regions = _split(counts_off.geom.region)
    return [] if repr(regions) == repr(on_regions(dataset)) else regions


def on_regions(dataset: Any) -> list[SkyRegion]:
    """Return the on regions of a dataset.

    Parameters
    ----------
    dataset : SpectrumDataset
        The dataset.

    Returns
    -------
    list of SkyRegion
        The regions.
    """
    return _split(dataset.counts.geom.region)


def _split(region: Any) -> list[SkyRegion]:
    """Return the regions of which a region is the union."""
    is_union = getattr(region, "operator", None) is operator.or_
    parts = (region.region1, region.region2) if is_union else ()
    return [single for part in parts for single in _split(part)] or [region]


def _group_by_position(datasets: Sequence[Any]) -> list[list[Any]]:
    """Return the datasets by field, in the order of the first dataset of each field."""
    fields: list[tuple[Any, list[Any]]] = []
    for dataset in datasets:
        centre = dataset.counts.geom.center_skydir
        for first_centre, field in fields:
            if centre.separation(first_centre).deg <= MAX_SEPARATION:
                field.append(dataset)
                break
        else:
            fields.append((centre, [dataset]))
    return [field for _, field in fields]


def _draw_single_field(datasets: Sequence[Any], title: str, ax: Axes | None) -> Axes:
    geom = _create_projection(datasets)
    if ax is None:
        ax = create_axes(5.6, 5.6, top=TOP + LEGEND, projection=geom.wcs)
    off_label = BY_DATASET if len(datasets) > 1 else "off regions"
    edges = _draw_field(datasets, geom, ax, ax.transData, off_label)
    label_sky(ax, geom.frame)
    (x, y), half_width = _square(edges)
    ax.set_xlim(x - half_width, x + half_width)
    ax.set_ylim(y - half_width, y + half_width)
    ax.set_aspect("equal")
    ax.set_title(title, pad=28, parse_math=False)
    draw_legend(ax, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False)
    return ax


def _draw_panels(fields: Sequence[Sequence[Any]], title: str, ax: Axes | None) -> Axes:
    from matplotlib.transforms import Affine2D

    grid = PanelGrid.create(len(fields), PITCH)
    if ax is None:
        ax = grid.create_axes(PANEL_SIZE, (2, 1.6), top=TOP + 2.5 * LEGEND)
    for index, datasets in enumerate(fields):
        geom, pixels_to_panel = _create_projection(datasets), Affine2D()
        edges = _draw_field(datasets, geom, ax, pixels_to_panel + ax.transData, BY_DATASET)
        centre, half_width = _square(edges)
        pixels_to_panel.translate(*(half_width - centre)).scale(0.5 / half_width)
        pixels_to_panel.translate(*grid.origin(index))
        grid.draw_title(ax, index, _panel_title(datasets, geom, centre, half_width))
    grid.draw_square_frames(ax)
    draw_legend(ax, title=title, title_fontsize="large", loc="lower center", ncols=3,
                frameon=False, bbox_to_anchor=(0.5, 1 + 0.2 / grid.size[1]))  # fmt: skip
    return ax


def _create_projection(datasets: Sequence[Any]) -> WcsGeom:
    """Return a geometry that defines the projection around the first on region."""
    from gammapy.maps import WcsGeom

    geom = datasets[0].counts.geom
    return WcsGeom.create(
        skydir=geom.center_skydir, width=1, binsz=BIN_SIZE, proj="TAN", frame=geom.frame
    )


def _draw_field(
    datasets: Sequence[Any], geom: WcsGeom, ax: Axes, transform: Transform, off_label: str
) -> NDArray[np.float64]:
    """Draw the regions of a field, and return pixel coordinates of their edges, shape (n, 2)."""
    on_regions = {repr(region): region for dataset in datasets
                  for region in _split(dataset.counts.geom.region)}  # fmt: skip
    on = [(region, ON_COLOR) for region in on_regions.values()]
    off = [
        (region, OFF_COLORS[index % len(OFF_COLORS)])
        for index, dataset in enumerate(datasets)
        for region in off_regions(dataset)
    ]
    edges = [
        draw_shapes(on, ax, geom.wcs, transform, "on region", True),
        draw_shapes(off, ax, geom.wcs, transform, off_label, False),
        draw_pointings(datasets, ax, geom.wcs, transform),
    ]
    return np.concatenate(edges)


def _square(edges: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return the centre and half the width of a square that contains all finite edges.

    The coordinates of the edges have the shape (n, 2).
    """
    edges = edges[np.isfinite(edges).all(axis=1)]
    low, high = edges.min(axis=0), edges.max(axis=0)
    half_width = max(MARGIN * float((high - low).max()), MIN_WIDTH / BIN_SIZE) / 2
    return (low + high) / 2, half_width


def _panel_title(
    datasets: Sequence[Any], geom: WcsGeom, centre: NDArray[np.float64], half_width: float
) -> str:
    """Return the name or the number of the datasets, and the centre and width of the panel."""
    name = short_name(datasets[0].name) if len(datasets) == 1 else f"{len(datasets)} datasets"
    longitude, latitude = geom.wcs.wcs_pix2world([centre], 0)[0]
    axes = ("l", "b") if geom.frame == "galactic" else ("RA", "Dec")
    position = f"{axes[0]} {longitude:.1f}°, {axes[1]} {latitude:.1f}°"
    return f"{name}\n{position}, {2 * half_width * BIN_SIZE:.2g}° wide"
