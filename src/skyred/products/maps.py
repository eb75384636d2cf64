"""The table and the plot of a result that consists of named maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.products.plotting import (
    SEQUENTIAL,
    draw_map,
    draw_significance_image,
    format_energy_range,
)

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.maps import WcsNDMap
    from matplotlib.axes import Axes

MAIN_MAPS = ("sqrt_ts", "flux", "norm")  # in order of preference; if there is none, the first map
MIN_COLOUR_LIMIT = 5.0  # sigma; the colours cover at least -5 to 5


def maps_table(maps: Mapping[str, Any]) -> Table:
    """Return a table of the planes of maps, with the minimum, mean and maximum of finite values.

    Parameters
    ----------
    maps : mapping of str to Map
        The maps by name.

    Returns
    -------
    Table
        A row for each map and plane.
    """
    from astropy.table import Table

    rows = [
        (name, _format_energies(plane), *_min_mean_max(plane.data), str(plane.unit))
        for name, sky_map in maps.items()
        for plane in sky_map.iter_by_image(keepdims=True)
    ]
    names = ("map", "energy", "min", "mean", "max", "unit")
    return Table(rows=rows, names=names, dtype=("U", "U", float, float, float, "U"))


def draw_main_map(maps: Mapping[str, Any], title: str, ax: Axes | None) -> Axes:
    """Draw the significance, flux or norm map in the energy bin that contains its maximum.

    If there is no such map, the first map is drawn.

    Parameters
    ----------
    maps : mapping of str to Map
        The maps by name.
    title : str
        The title.
    ax : matplotlib axes or None
        The axes to draw on; if None, those of a new figure.

    Returns
    -------
    matplotlib axes
        The axes.
    """
    name = next((name for name in MAIN_MAPS if name in maps), next(iter(maps)))
    plane = max(
        maps[name].iter_by_image(keepdims=True),
        key=lambda plane: np.nan_to_num(_min_mean_max(plane.data)[2], nan=-np.inf),
    )
    label = f"{name} [{plane.unit}]" if str(plane.unit) else name
    image = as_image(plane)
    if name == "sqrt_ts":
        low, _, high = _min_mean_max(image.data)
        ax = draw_significance_image(
            image, ax, "Significance [σ]", max(MIN_COLOUR_LIMIT, -low, high)
        )
    else:
        ax = draw_map(image, ax, label, cmap=SEQUENTIAL)
    ax.set_title(
        ", ".join(label_part for label_part in (title, _format_energies(plane)) if label_part),
        parse_math=False,
    )
    return ax


def as_image(plane: WcsNDMap) -> WcsNDMap:
    """Return a plane without its energy axis; `Map.sum_over_axes` would replace NaN by zero.

    Parameters
    ----------
    plane : WcsNDMap
        A map with one energy bin, or without energy axis.

    Returns
    -------
    WcsNDMap
        The image.
    """
    image = plane.geom.to_image()
    data = plane.data.reshape(image.data_shape)
    return type(plane)(image, data=data.astype(float), unit=plane.unit)


def _format_energies(plane: WcsNDMap) -> str:
    axes = plane.geom.axes
    return format_energy_range(axes["energy"].edges) if "energy" in axes.names else ""


def _min_mean_max(data: Any) -> tuple[float, float, float]:
    finite = data[np.isfinite(data)]
    if not finite.size:
        return np.nan, np.nan, np.nan
    return float(finite.min()), float(finite.mean()), float(finite.max())
