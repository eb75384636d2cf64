"""Maps of flux and significance: what the estimators of them share, and their products."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import attrs
import numpy as np
from astropy import units as u

from skyred.components.estimators.checks import (
    edge_problems,
    map_problems,
    rising_problems,
)
from skyred.components.estimators.flux_options import energy_bins
from skyred.errors import Problem
from skyred.fields import option
from skyred.interfaces import Chain, Estimator, Product, value
from skyred.products.flux_io import read_maps, write_maps
from skyred.products.plotting import draw_signed, energy_text

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.estimators import FluxMaps
    from gammapy.maps import WcsNDMap
    from gammapy.modeling.models import Models
    from matplotlib.axes import Axes

COLUMNS = {
    "e_min": "Lower edge of the energy bin",
    "e_max": "Upper edge of the energy bin",
    "sqrt_ts_max": "Highest significance, in sigma",
    "lon": "Longitude of that pixel, in the frame of the map",
    "lat": "Latitude of that pixel, in the frame of the map",
    "flux": "Integral flux there",
    "flux_err": "Its error",
}


@attrs.define(eq=False)
class FluxMapsProduct(Product):
    """Maps of flux, its errors and its significance, with the source that they are of.

    Parameters
    ----------
    maps : gammapy.estimators.FluxMaps
        What gammapy's estimator gives, or would give.
    """

    maps: FluxMaps
    meaning: ClassVar[str] = r"Significance [$\sigma$]"

    def write(self, folder: Path) -> list[Path]:
        """Write ``NAME.fits``, for gammapy's `FluxMaps.read`, and the source as ``NAME.yaml``."""
        return write_maps(self.maps, folder / f"{self.name}.fits")

    @classmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read the maps and the source."""
        return cls(name, read_maps(folder / f"{name}.fits"))

    def table(self) -> Table:
        """Give a row for each energy bin: the highest significance, where it is, the flux there."""
        from astropy.table import QTable, Table

        rows = [_peak(self.maps, plane) for plane in self.planes]
        table = Table(QTable(rows=rows, names=list(COLUMNS)))
        for column, description in COLUMNS.items():
            table[column].description = description
        table.meta["frame"] = self.maps.geom.frame
        return table

    @property
    def planes(self) -> list[WcsNDMap]:
        """The significance, one map for each energy bin."""
        return list(self.maps.sqrt_ts.iter_by_image(keepdims=True))

    @property
    def strongest(self) -> WcsNDMap:
        """The significance in the energy bin where it is highest."""
        return max(self.planes, key=_highest)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the significance, of the energy bin where it is highest."""
        return draw_significance(self.strongest, ax, self.meaning)


@value
class MapEstimator(Estimator):
    """Something of map datasets, in bins of energy: what estimators of maps share."""

    energy_edges: u.Quantity | None = energy_bins("one bin of the whole energy axis")
    datasets: tuple[str, ...] = option(
        (), type=str, many=True, doc="Names of the datasets (with wildcards); all maps if left out."
    )

    def validate(self) -> Iterable[Problem]:
        """Edges rise."""
        yield from rising_problems(self.energy_edges)

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """There must be a map, and the edges lie on the energy axes."""
        yield from map_problems(pipeline)
        if self.energy_edges is not None:
            yield from edge_problems(self.energy_edges, pipeline)


def draw_significance(plane: WcsNDMap, ax: Axes | None, label: str) -> Axes:
    """Draw a map of significances, symmetric about zero, of one energy bin."""
    image = plane.sum_over_axes(keepdims=False)
    known = np.where(np.isfinite(image.data), np.abs(image.data), 0)
    limit = max(5.0, float(known.max()))
    ax = draw_signed(image, ax, label, limit)
    ax.set_title(energy_text(plane.geom.axes["energy"].edges))
    return ax


def _known(plane: WcsNDMap) -> Any:
    return np.isfinite(plane.data)


def _highest(plane: WcsNDMap) -> float:
    return float(np.max(plane.data, where=_known(plane), initial=-np.inf))


def _peak(maps: FluxMaps, plane: WcsNDMap) -> tuple[Any, ...]:
    axis = plane.geom.axes["energy"]
    edges = axis.edges.to("TeV")
    unit = maps.flux.unit
    if not _known(plane).any():
        return (*edges, np.nan, *[np.nan * u.deg] * 2, *[np.nan * unit] * 2)
    data = np.where(_known(plane), plane.data, -np.inf)[0]
    place = np.unravel_index(np.argmax(data), data.shape)
    lon, lat = (each.to("deg") for each in plane.geom.to_image().pix_to_coord(place[::-1]))
    row = maps.geom.axes["energy"].coord_to_idx(axis.center)[0]
    fluxes = (getattr(maps, name).data[(row, *place)] * unit for name in ("flux", "flux_err"))
    return (*edges, data[place], lon, lat, *fluxes)
