"""The plot of the on and off regions of spectrum datasets, and of their pointings, on the sky."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.products.plotting.figures import LEGEND, TOP, create_axes
from skyred.products.plotting.panels import limit_panels
from skyred.products.plotting.sky import label_sky

if TYPE_CHECKING:
    from astropy.wcs import WCS
    from matplotlib.axes import Axes
    from numpy.typing import NDArray
    from regions import SkyRegion

ON_COLOR = "tab:red"
OFF_COLORS = ("tab:blue", "tab:orange", "tab:green", "tab:purple", "tab:brown", "tab:cyan")
BIN_SIZE = 0.01  # size of a pixel, in deg
MIN_WIDTH = 0.5  # smallest width of the plot, in deg
MARGIN = 1.1  # ratio of the width of the plot to that of the regions
N_VERTICES = 48  # of a circle


def draw_regions(datasets: Sequence[Any], ax: Axes | None = None) -> Axes:
    """Draw the on regions, the off regions and the pointings of datasets on the sky.

    Off regions of several datasets have several colours.

    Parameters
    ----------
    datasets : sequence of SpectrumDatasetOnOff
        The datasets.
    ax : matplotlib axes, optional
        The axes to draw on; those of a new figure by default.

    Returns
    -------
    matplotlib axes
        The axes.
    """
    from gammapy.maps import WcsGeom

    datasets, title = limit_panels(datasets)
    center = datasets[0].counts.geom.center_skydir
    geom = WcsGeom.create(skydir=center, width=1, binsz=BIN_SIZE, proj="TAN",
                          frame=datasets[0].counts.geom.frame)  # fmt: skip
    if ax is None:
        ax = create_axes(5.6, 5.6, top=TOP + LEGEND, projection=geom.wcs)
    on_regions = {repr(dataset.counts.geom.region): dataset.counts.geom.region
                  for dataset in datasets}  # fmt: skip
    off = [
        (region, OFF_COLORS[index % len(OFF_COLORS)])
        for index, dataset in enumerate(datasets)
        for region in off_regions(dataset)
    ]
    label = "off regions (by dataset)" if len(datasets) > 1 else "off regions"
    limits = [
        _draw_regions([(region, ON_COLOR) for region in on_regions.values()], ax, geom.wcs,
                      "on region", True),
        _draw_regions(off, ax, geom.wcs, label, False),
        _draw_pointings(datasets, ax, geom.wcs),
    ]  # fmt: skip
    label_sky(ax, geom.frame)
    _set_limits(ax, np.concatenate(limits))
    ax.set_title(title, pad=28)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False)
    return ax


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
    from gammapy.utils.regions import compound_region_to_regions

    counts_off = getattr(dataset, "counts_off", None)
    if counts_off is None or counts_off.geom.region is None:
        return []
    regions = list(compound_region_to_regions(counts_off.geom.region))
    is_on_region = len(regions) == 1 and repr(regions[0]) == repr(dataset.counts.geom.region)
    return [] if is_on_region else regions


def _draw_regions(
    regions_and_colours: Sequence[tuple[SkyRegion, str]],
    ax: Axes,
    wcs: WCS,
    label: str,
    fill: bool,
) -> NDArray[np.float64]:
    """Draw regions, and return pixel coordinates of their edges, shape (n, 2)."""
    from regions import CircleSkyRegion, PointSkyRegion

    edges = [np.empty((0, 2))]
    by_type: dict[str, list[tuple[Any, str]]] = {"circle": [], "point": [], "": []}
    for region, colour in regions_and_colours:
        is_point = isinstance(region, PointSkyRegion)
        kind = "circle" if isinstance(region, CircleSkyRegion) else "point" if is_point else ""
        by_type[kind].append((region, colour))
    for kind, draw in (("circle", _draw_circles), ("point", _draw_points), ("", _draw_others)):
        if by_type[kind]:
            regions, colours = zip(*by_type[kind], strict=True)
            edges.append(draw(regions, colours, ax, wcs, label, fill))
            label = "_"  # only one entry in the legend
    return np.concatenate(edges)


def _draw_circles(
    circles: Sequence[Any], colours: Sequence[str], ax: Axes, wcs: WCS, label: str, fill: bool
) -> NDArray[np.float64]:
    from matplotlib.collections import PolyCollection

    vertices = _circle_vertices(circles, wcs)
    ax.add_collection(
        PolyCollection(list(vertices), facecolor=colours if fill else "none", edgecolor=colours,
                       label=label, alpha=0.6 if fill else 1),
        autolim=False,
    )  # fmt: skip
    return vertices.reshape(-1, 2)


def _draw_points(
    points: Sequence[Any], colours: Sequence[str], ax: Axes, wcs: WCS, label: str, fill: bool
) -> NDArray[np.float64]:
    """Draw points, whose radius (RAD_MAX) depends on energy, as markers."""
    centres = _pixel_centres(points, wcs)
    ax.scatter(*centres.T, marker="*" if fill else "o", color=colours, label=label)
    return centres


def _draw_others(
    regions: Sequence[Any], colours: Sequence[str], ax: Axes, wcs: WCS, label: str, fill: bool
) -> NDArray[np.float64]:
    edges = []
    for region, colour in zip(regions, colours, strict=True):
        pixel_region = region.to_pixel(wcs)
        pixel_region.plot(ax=ax, facecolor=colour, edgecolor=colour, label=label, fill=fill,
                          alpha=0.6 if fill else 1)  # fmt: skip
        box = pixel_region.bounding_box
        edges += [[box.ixmin, box.iymin], [box.ixmax, box.iymax]]
        label = "_"
    return np.array(edges, dtype=float)


def _circle_vertices(circles: Sequence[Any], wcs: WCS) -> NDArray[np.float64]:
    """Return pixel coordinates of the vertices of circles, shape (n, vertices, 2)."""
    radii = np.array([circle.radius.to_value("deg") for circle in circles]) / BIN_SIZE
    angles = np.linspace(0, 2 * np.pi, N_VERTICES, endpoint=False)
    offsets = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    vertices: NDArray[np.float64] = radii[:, None, None] * offsets
    return vertices + _pixel_centres(circles, wcs)[:, None]


def _pixel_centres(regions: Sequence[Any], wcs: WCS) -> NDArray[np.float64]:
    """Return pixel coordinates of the centres of regions, shape (n, 2)."""
    from astropy.coordinates import SkyCoord

    centres = np.empty((len(regions), 2))
    frames = [region.center.frame.name for region in regions]
    for name in set(frames):  # coordinates are converted together, because one by one is slow
        indices = [index for index, frame in enumerate(frames) if frame == name]
        longitudes, latitudes = (
            [getattr(regions[index].center.data, axis).to_value("deg") for index in indices]
            for axis in ("lon", "lat")
        )
        coordinates = SkyCoord(longitudes, latitudes, unit="deg", frame=name)
        centres[indices] = np.transpose(wcs.world_to_pixel(coordinates))
    return centres


def _draw_pointings(datasets: Sequence[Any], ax: Axes, wcs: WCS) -> NDArray[np.float64]:
    """Draw the pointings of datasets, and return their pixel coordinates, shape (n, 2)."""
    from astropy.coordinates import SkyCoord

    tables = [dataset.meta_table for dataset in datasets]
    tables = [table for table in tables if table is not None and "RA_PNT" in table.colnames]
    if not tables:
        return np.empty((0, 2))
    positions = (np.concatenate([np.ravel(table[name].data) for table in tables])
                 for name in ("RA_PNT", "DEC_PNT"))  # fmt: skip
    centres: NDArray[np.float64] = np.transpose(
        wcs.world_to_pixel(SkyCoord(*positions, unit="deg"))
    )
    ax.plot(*centres.T, "+", color="black", markersize=10, label="pointing")
    return centres


def _set_limits(ax: Axes, edges: NDArray[np.float64]) -> None:
    """Set the limits of the axes to a square that contains all edges, shape (n, 2)."""
    low, high = edges.min(axis=0), edges.max(axis=0)
    half_width = max(MARGIN * float((high - low).max()), MIN_WIDTH / BIN_SIZE) / 2
    centre = (low + high) / 2
    ax.set_xlim(centre[0] - half_width, centre[0] + half_width)
    ax.set_ylim(centre[1] - half_width, centre[1] + half_width)
    ax.set_aspect("equal")
