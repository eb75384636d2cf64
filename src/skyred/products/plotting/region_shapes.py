"""Circles, points and other regions, and pointings, in the pixels of a projection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from astropy.wcs import WCS
    from matplotlib.axes import Axes
    from matplotlib.transforms import Transform
    from numpy.typing import NDArray
    from regions import SkyRegion

BIN_SIZE = 0.01  # size of a pixel, in deg
N_VERTICES = 48  # of a circle
MAX_OFFSET = 10.0  # in deg; pointings farther away from the centre of the projection are not drawn


def draw_shapes(
    regions_and_colours: Sequence[tuple[SkyRegion, str]],
    ax: Axes,
    wcs: WCS,
    transform: Transform,
    label: str,
    fill: bool,
) -> NDArray[np.float64]:
    """Draw regions.

    Parameters
    ----------
    regions_and_colours : sequence of tuple
        The regions and their colours.
    ax : matplotlib axes
        The axes.
    wcs : astropy.wcs.WCS
        The projection, with pixels of `BIN_SIZE`.
    transform : matplotlib.transforms.Transform
        The transform from pixels to the display.
    label : str
        The label in the legend.
    fill : bool
        Whether the regions are filled.

    Returns
    -------
    array
        Pixel coordinates of their edges, shape (n, 2).
    """
    from regions import CircleSkyRegion, PointSkyRegion

    edges = [np.empty((0, 2))]
    by_type: dict[str, list[tuple[Any, str]]] = {"circle": [], "point": [], "": []}
    for region, colour in regions_and_colours:
        is_point = isinstance(region, PointSkyRegion)
        kind = "circle" if isinstance(region, CircleSkyRegion) else "point" if is_point else ""
        by_type[kind].append((region, colour))
    style: dict[str, Any] = {"label": label, "transform": transform}
    for kind, draw in (("circle", _draw_circles), ("point", _draw_points), ("", _draw_others)):
        if by_type[kind]:
            regions, colours = zip(*by_type[kind], strict=True)
            edges.append(draw(regions, colours, ax, wcs, fill, style))
    return np.concatenate(edges)


def _draw_circles(
    circles: Sequence[Any], colours: Sequence[str], ax: Axes, wcs: WCS, fill: bool,
    style: dict[str, Any],
) -> NDArray[np.float64]:  # fmt: skip
    from matplotlib.collections import PolyCollection

    vertices = _circle_vertices(circles, wcs)
    ax.add_collection(
        PolyCollection(list(vertices), facecolor=colours if fill else "none", edgecolor=colours,
                       alpha=0.6 if fill else 1, **style),
        autolim=False,
    )  # fmt: skip
    return vertices.reshape(-1, 2)


def _draw_points(
    points: Sequence[Any], colours: Sequence[str], ax: Axes, wcs: WCS, fill: bool,
    style: dict[str, Any],
) -> NDArray[np.float64]:  # fmt: skip
    """Draw points, whose radius (RAD_MAX) depends on energy, as markers."""
    centres = pixel_centres(points, wcs)
    ax.scatter(*centres.T, marker="*" if fill else "o", color=colours, **style)
    return centres


def _draw_others(
    regions: Sequence[Any], colours: Sequence[str], ax: Axes, wcs: WCS, fill: bool,
    style: dict[str, Any],
) -> NDArray[np.float64]:  # fmt: skip
    edges = []
    for region, colour in zip(regions, colours, strict=True):
        pixel_region = region.to_pixel(wcs)
        pixel_region.plot(ax=ax, facecolor=colour, edgecolor=colour, fill=fill,
                          alpha=0.6 if fill else 1, **style)  # fmt: skip
        box = pixel_region.bounding_box
        edges += [[box.ixmin, box.iymin], [box.ixmax, box.iymax]]
    return np.array(edges, dtype=float)


def _circle_vertices(circles: Sequence[Any], wcs: WCS) -> NDArray[np.float64]:
    """Return pixel coordinates of the vertices of circles, shape (n, vertices, 2)."""
    radii = np.array([circle.radius.to_value("deg") for circle in circles]) / BIN_SIZE
    angles = np.linspace(0, 2 * np.pi, N_VERTICES, endpoint=False)
    offsets = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    vertices: NDArray[np.float64] = radii[:, None, None] * offsets
    return vertices + pixel_centres(circles, wcs)[:, None]


def pixel_centres(regions: Sequence[Any], wcs: WCS) -> NDArray[np.float64]:
    """Return pixel coordinates of the centres of regions.

    Parameters
    ----------
    regions : sequence of SkyRegion
        The regions, which have a centre.
    wcs : astropy.wcs.WCS
        The projection.

    Returns
    -------
    array
        The coordinates, shape (n, 2).
    """
    from astropy.coordinates import SkyCoord

    centres = np.empty((len(regions), 2))
    groups: list[tuple[Any, list[int]]] = []  # frames, and indices of regions
    for index, region in enumerate(regions):
        frame = region.center.frame
        for group_frame, indices in groups:
            if frame.is_equivalent_frame(group_frame):
                indices.append(index)
                break
        else:
            groups.append((frame.replicate_without_data(), [index]))
    for frame, indices in groups:  # converted together, because one by one is slow
        longitudes, latitudes = (
            [getattr(regions[index].center.data, axis).to_value("deg") for index in indices]
            for axis in ("lon", "lat")
        )
        coordinates = SkyCoord(longitudes, latitudes, unit="deg", frame=frame)
        centres[indices] = np.transpose(wcs.world_to_pixel(coordinates))
    return centres


def draw_pointings(
    datasets: Sequence[Any], ax: Axes, wcs: WCS, transform: Transform
) -> NDArray[np.float64]:
    """Draw the pointings of datasets that are valid and close to the centre of the projection.

    Parameters
    ----------
    datasets : sequence of SpectrumDataset
        The datasets.
    ax : matplotlib axes
        The axes.
    wcs : astropy.wcs.WCS
        The projection, with pixels of `BIN_SIZE`.
    transform : matplotlib.transforms.Transform
        The transform from pixels to the display.

    Returns
    -------
    array
        Pixel coordinates of the pointings, shape (n, 2).
    """
    from astropy.coordinates import SkyCoord

    names = ("RA_PNT", "DEC_PNT")
    tables = [dataset.meta_table for dataset in datasets if dataset.meta_table is not None]
    tables = [table for table in tables if set(names) <= set(table.colnames)]
    columns = [np.array([], dtype=float)] if not tables else []
    ra, dec = (
        np.concatenate([*columns, *(_finite_or_nan(table[name].data) for table in tables)])
        for name in names
    )
    is_valid = np.isfinite(ra) & (np.abs(dec) <= 90)
    positions = SkyCoord(ra[is_valid], dec[is_valid], unit="deg")
    centre = wcs.pixel_to_world(*(wcs.wcs.crpix - 1))
    positions = positions[positions.separation(centre).deg <= MAX_OFFSET]
    centres: NDArray[np.float64] = np.transpose(wcs.world_to_pixel(positions)).reshape(-1, 2)
    if len(centres):
        ax.plot(*centres.T, "+", color="black", markersize=10, label="pointing",
                transform=transform)  # fmt: skip
    return centres


def _finite_or_nan(column: Any) -> NDArray[np.float64]:
    """Return the values of a column as an array, with NaN where they are masked."""
    filled: NDArray[np.float64] = np.ma.filled(np.ma.ravel(column).astype(float), np.nan)
    return filled
