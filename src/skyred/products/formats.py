"""File formats, tables and plots of the results of gammapy's estimators, by class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from numbers import Number
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.inspection.file_checks import check_fits_file
from skyred.products.flux_io import read_maps, read_points, write_maps, write_points
from skyred.products.maps import draw_main_map, maps_table
from skyred.products.plotting import create_axes
from skyred.products.table import TableProduct
from skyred.products.values import read_values, values_table, write_values

if TYPE_CHECKING:
    from astropy.table import Table
    from matplotlib.axes import Axes

SINGLE = "value"  # the name under which a single number is written


class ProductFormat(ABC):
    """The files, table and plot of the results that one format supports.

    Attributes
    ----------
    drawable : bool
        Whether there is a plot.
    """

    drawable: bool = True

    @abstractmethod
    def handles(self, value: Any) -> bool:
        """Return whether this format applies to a result.

        Parameters
        ----------
        value : object
            The result of an estimator.

        Returns
        -------
        bool
            Whether the format applies.
        """

    @abstractmethod
    def write(self, value: Any, path: Path) -> list[Path]:
        """Write a result.

        Parameters
        ----------
        value : object
            The result.
        path : Path
            The path of the files without extension.

        Returns
        -------
        list of Path
            The files.
        """

    @abstractmethod
    def read(self, path: Path) -> Any:
        """Read a result written by `write`.

        Parameters
        ----------
        path : Path
            The path of the files without extension.

        Returns
        -------
        object
            The result; None if the files are of another format.
        """

    @abstractmethod
    def table(self, value: Any) -> Table:
        """Return a result as a table.

        Parameters
        ----------
        value : object
            The result.

        Returns
        -------
        Table
            The table.
        """

    @abstractmethod
    def draw(self, value: Any, name: str, ax: Axes | None) -> Axes:
        """Draw a result.

        Parameters
        ----------
        value : object
            The result.
        name : str
            The title.
        ax : matplotlib axes or None
            The axes to draw on; if None, those of a new figure.

        Returns
        -------
        matplotlib axes
            The axes.
        """


class _Points(ProductFormat):
    """Flux points, light curves and profiles."""

    def handles(self, value: Any) -> bool:
        from gammapy.estimators import FluxPoints

        return isinstance(value, FluxPoints)

    def write(self, value: Any, path: Path) -> list[Path]:
        return write_points(value, _with_extension(path, "fits"))

    def read(self, path: Path) -> Any:
        return (
            read_points(_with_extension(path, "fits")) if _fits_content(path) == "points" else None
        )

    def table(self, value: Any) -> Table:
        return value.to_table()

    def draw(self, value: Any, name: str, ax: Axes | None) -> Axes:
        from skyred.products.plotting.flux_points import draw_flux_points

        second_axis = next((axis for axis in value.geom.axes if axis.name != "energy"), None)
        if second_axis is None:
            return draw_flux_points(value, None, name, ax)
        if ax is None:
            ax = create_axes(6.4, 4.8)
        value.plot(ax=ax, sed_type="flux", axis_name=second_axis.name)
        ax.set_yscale("linear")  # a flux may be negative
        ax.autoscale()
        ax.set_title(name, parse_math=False)
        return ax


class _FluxMaps(ProductFormat):
    """Maps of flux and significance."""

    def handles(self, value: Any) -> bool:
        from gammapy.estimators import FluxMaps

        return isinstance(value, FluxMaps)

    def write(self, value: Any, path: Path) -> list[Path]:
        return write_maps(value, _with_extension(path, "fits"))

    def read(self, path: Path) -> Any:
        return (
            read_maps(_with_extension(path, "fits")) if _fits_content(path) == "flux-maps" else None
        )

    def table(self, value: Any) -> Table:
        return maps_table(_quantities(value))

    def draw(self, value: Any, name: str, ax: Axes | None) -> Axes:
        return draw_main_map(_quantities(value), name, ax)


class _Maps(ProductFormat):
    """A single map, or several maps by name."""

    def handles(self, value: Any) -> bool:
        from gammapy.maps import Map, Maps

        return isinstance(value, Map | Maps)

    def write(self, value: Any, path: Path) -> list[Path]:
        value.write(_with_extension(path, "fits"), overwrite=True)
        return [_with_extension(path, "fits")]

    def read(self, path: Path) -> Any:
        from gammapy.maps import Map, Maps

        classes = {"map": Map, "maps": Maps}
        content = _fits_content(path)
        return classes[content].read(_with_extension(path, "fits")) if content in classes else None

    def table(self, value: Any) -> Table:
        return maps_table(_maps_by_name(value))

    def draw(self, value: Any, name: str, ax: Axes | None) -> Axes:
        return draw_main_map(_maps_by_name(value), name, ax)


class _Tables(ProductFormat):
    """Tables, and objects with a `table` attribute, such as image profiles."""

    def handles(self, value: Any) -> bool:
        from astropy.table import Table

        return isinstance(getattr(value, "table", value), Table)

    def write(self, value: Any, path: Path) -> list[Path]:
        return TableProduct(path.name, self.table(value)).write(path.parent)

    def read(self, path: Path) -> Any:
        exists = _with_extension(path, "ecsv").is_file()
        return TableProduct.read(path.parent, path.name, None).value if exists else None

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

    def handles(self, value: Any) -> bool:
        return isinstance(value, Mapping | Number | np.ndarray)

    def write(self, value: Any, path: Path) -> list[Path]:
        return write_values(_values_by_name(value), _with_extension(path, "yaml"))

    def read(self, path: Path) -> Any:
        if not _with_extension(path, "yaml").is_file() or _with_extension(path, "fits").is_file():
            return None
        values = read_values(_with_extension(path, "yaml"))
        return values[SINGLE] if set(values) == {SINGLE} else values

    def table(self, value: Any) -> Table:
        return values_table(_values_by_name(value))

    def draw(self, value: Any, name: str, ax: Axes | None) -> Axes:
        raise TypeError(f"{name}: numbers have no plot; use the attribute `value`")


# the most specific format first
FORMATS: tuple[ProductFormat, ...] = (_Points(), _FluxMaps(), _Maps(), _Tables(), _Values())


def _with_extension(path: Path, extension: str) -> Path:
    # not `with_suffix`: a name may contain a dot
    return path.with_name(f"{path.name}.{extension}")


def _fits_content(path: Path) -> str:
    """Return the type of content of a FITS file, from its headers; "" if there is no file."""
    from astropy.io import fits

    path = _with_extension(path, "fits")
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
    if "ts" in names:  # gammapy computes sqrt_ts from ts, but lists it only if it was written
        names["sqrt_ts"] = None
    return {name: getattr(value, name) for name in names}


def _maps_by_name(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {"": value}


def _values_by_name(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {SINGLE: value}
