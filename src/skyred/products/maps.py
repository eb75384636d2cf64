"""Results that are maps by name: their table, and the picture of the clearest of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.products.plotting import SEQUENTIAL, draw_map, draw_signed, energy_text

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.maps import WcsNDMap
    from matplotlib.axes import Axes

CLEAREST = ("sqrt_ts", "flux", "norm")  # which of several is drawn, if it is there
SIGNIFICANT = 5.0  # sigma, up to which the colours reach at least


def maps_table(maps: Mapping[str, Any]) -> Table:
    """Give a row for each map and plane: its energies, least, mean and largest finite value."""
    from astropy.table import Table

    rows = [
        (name, _energies(plane), *_extent(plane.data), str(plane.unit))
        for name, held in maps.items()
        for plane in held.iter_by_image(keepdims=True)
    ]
    names = ("map", "energy", "min", "mean", "max", "unit")
    return Table(rows=rows, names=names, dtype=("U", "U", float, float, float, "U"))


def draw_clearest(maps: Mapping[str, Any], title: str, ax: Axes | None) -> Axes:
    """Draw the significance, else the flux, else the first map, in the bin where it is highest."""
    name = next((name for name in CLEAREST if name in maps), next(iter(maps)))
    plane = max(maps[name].iter_by_image(keepdims=True), key=lambda plane: _extent(plane.data)[2])
    label = f"{name} [{plane.unit}]" if str(plane.unit) else name
    image = _image(plane)
    if name == "sqrt_ts":
        low, _, high = _extent(image.data)
        ax = draw_signed(image, ax, r"Significance [$\sigma$]", max(SIGNIFICANT, -low, high))
    else:
        ax = draw_map(image, ax, label, cmap=SEQUENTIAL)
    ax.set_title(", ".join(part for part in (title, _energies(plane)) if part))
    return ax


def _image(plane: WcsNDMap) -> WcsNDMap:
    """Give a plane without its energy axis: not a sum over it, which would make numbers of NaN."""
    image = plane.geom.to_image()
    data = plane.data.reshape(image.data_shape)
    return type(plane)(image, data=data.astype(float), unit=plane.unit)


def _energies(plane: WcsNDMap) -> str:
    axes = plane.geom.axes
    return energy_text(axes["energy"].edges) if "energy" in axes.names else ""


def _extent(data: Any) -> tuple[float, float, float]:
    known = data[np.isfinite(data)]
    if not known.size:
        return np.nan, np.nan, np.nan
    return float(known.min()), float(known.mean()), float(known.max())
