"""What gammapy's estimators give, by class: its files, its table and its picture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from numbers import Number
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.inspection.map_headers import check_fits_file
from skyred.products.flux_io import read_maps, read_points, write_maps, write_points
from skyred.products.maps import draw_clearest, maps_table
from skyred.products.table import TableProduct
from skyred.products.values import read_values, values_table, write_values

if TYPE_CHECKING:
    from astropy.table import Table
    from matplotlib.axes import Axes

ONE = "value"  # what a number without a name is called


class ProductFormat(ABC):
    """How results of some class are written, read, listed and drawn.

    Parameters
    ----------
    drawable : bool
        Whether there is a picture.
    """

    drawable: bool = True

    @abstractmethod
    def holds(self, value: Any) -> bool:
        """Tell whether a result is of its class."""

    @abstractmethod
    def write(self, value: Any, path: Path) -> list[Path]:
        """Write it to a path without ending; gives the files."""

    @abstractmethod
    def read(self, path: Path) -> Any:
        """Read what `write` wrote there; None if that was another form."""

    @abstractmethod
    def table(self, value: Any) -> Table:
        """Give it as a table."""

    @abstractmethod
    def draw(self, value: Any, name: str, ax: Axes | None) -> Axes:
        """Draw it."""


class _Points(ProductFormat):
    """Flux points, light curves and profiles."""

    def holds(self, value: Any) -> bool:
        from gammapy.estimators import FluxPoints

        return isinstance(value, FluxPoints)

    def write(self, value: Any, path: Path) -> list[Path]:
        return write_points(value, _with(path, "fits"))

    def read(self, path: Path) -> Any:
        return read_points(_with(path, "fits")) if _fits_form(path) == "points" else None

    def table(self, value: Any) -> Table:
        return value.to_table()

    def draw(self, value: Any, name: str, ax: Axes | None) -> Axes:
        import matplotlib.pyplot as plt

        from skyred.products.plotting.flux_points import draw_flux_points

        along = next((axis for axis in value.geom.axes if axis.name != "energy"), None)
        if along is None:
            return draw_flux_points(value, None, name, ax)
        if ax is None:
            _, ax = plt.subplots(figsize=(6.4, 4.8), layout="constrained")
        value.plot(ax=ax, sed_type="flux", axis_name=along.name)
        ax.set_yscale("linear")  # a flux may be negative
        ax.autoscale()
        ax.set_title(name)
        return ax


class _FluxMaps(ProductFormat):
    """Maps of flux and significance."""

    def holds(self, value: Any) -> bool:
        from gammapy.estimators import FluxMaps

        return isinstance(value, FluxMaps)

    def write(self, value: Any, path: Path) -> list[Path]:
        return write_maps(value, _with(path, "fits"))

    def read(self, path: Path) -> Any:
        return read_maps(_with(path, "fits")) if _fits_form(path) == "flux-maps" else None

    def table(self, value: Any) -> Table:
        return maps_table(_quantities(value))

    def draw(self, value: Any, name: str, ax: Axes | None) -> Axes:
        return draw_clearest(_quantities(value), name, ax)


class _Maps(ProductFormat):
    """One map, or maps by name."""

    def holds(self, value: Any) -> bool:
        from gammapy.maps import Map, Maps

        return isinstance(value, Map | Maps)

    def write(self, value: Any, path: Path) -> list[Path]:
        value.write(_with(path, "fits"), overwrite=True)
        return [_with(path, "fits")]

    def read(self, path: Path) -> Any:
        from gammapy.maps import Map, Maps

        kinds = {"map": Map, "maps": Maps}
        form = _fits_form(path)
        return kinds[form].read(_with(path, "fits")) if form in kinds else None

    def table(self, value: Any) -> Table:
        return maps_table(_by_name(value))

    def draw(self, value: Any, name: str, ax: Axes | None) -> Axes:
        return draw_clearest(_by_name(value), name, ax)


class _Tables(ProductFormat):
    """Tables, and what keeps all that it has in its `table`, as image profiles do."""

    def holds(self, value: Any) -> bool:
        from astropy.table import Table

        return isinstance(getattr(value, "table", value), Table)

    def write(self, value: Any, path: Path) -> list[Path]:
        return TableProduct(path.name, self.table(value)).write(path.parent)

    def read(self, path: Path) -> Any:
        written = _with(path, "ecsv").is_file()
        return TableProduct.read(path.parent, path.name, None).value if written else None

    def table(self, value: Any) -> Table:
        return getattr(value, "table", value)

    def draw(self, value: Any, name: str, ax: Axes | None) -> Axes:
        table = self.table(value)
        spectrum = [column for column in ("e_ref", "e2dnde") if column in table.colnames]
        if len(spectrum) < 2:
            return TableProduct(name, table).plot(ax)
        ax = TableProduct(name, table[spectrum]).plot(ax)
        ax.loglog()
        return ax


class _Values(ProductFormat):
    """Numbers, and mappings of them."""

    drawable = False

    def holds(self, value: Any) -> bool:
        return isinstance(value, Mapping | Number | np.ndarray)

    def write(self, value: Any, path: Path) -> list[Path]:
        return write_values(_named(value), _with(path, "yaml"))

    def read(self, path: Path) -> Any:
        if not _with(path, "yaml").is_file() or _with(path, "fits").is_file():
            return None
        values = read_values(_with(path, "yaml"))
        return values[ONE] if set(values) == {ONE} else values

    def table(self, value: Any) -> Table:
        return values_table(_named(value))

    def draw(self, value: Any, name: str, ax: Axes | None) -> Axes:
        raise TypeError(f"{name}: numbers by name have no picture; look at `value`")


# most particular first
FORMS: tuple[ProductFormat, ...] = (_Points(), _FluxMaps(), _Maps(), _Tables(), _Values())


def _with(path: Path, ending: str) -> Path:
    # not `with_suffix`: a name may have a point in it
    return path.with_name(f"{path.name}.{ending}")


def _fits_form(path: Path) -> str:
    """Tell what a FITS file holds, by its headers alone; "" if there is none."""
    from astropy.io import fits

    path = _with(path, "fits")
    if not path.is_file():
        return ""
    check_fits_file(path)
    with fits.open(path) as hdus:
        if "FLUXPOINTS" in hdus:
            return "points"
        if "SED_TYPE" in hdus[0].header:
            return "flux-maps"
        return "map" if hdus[0].header["NAXIS"] else "maps"


def _quantities(value: Any) -> dict[str, Any]:
    names = dict.fromkeys(value.available_quantities)
    if "ts" in names:  # gammapy makes it of ts, and names it only where it was written
        names["sqrt_ts"] = None
    return {name: getattr(value, name) for name in names}


def _by_name(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {"": value}


def _named(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {ONE: value}
