"""The state of an IRF, to find out whether a component has changed it."""

from __future__ import annotations

import copy
import operator
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import numpy as np

# smaller arrays, and those of two dimensions, are compared: scipy interpolates them differently if
# they are read-only
MIN_READ_ONLY_BYTES = 16_384
MIN_READ_ONLY_DIMENSIONS = 3
IRF_ATTRIBUTES = {
    "_unit": "unit",
    "_axes": "axes",
    "_geom": "geometry",
    "_is_pointlike": "point-like flag",
    "_fov_alignment": "alignment of the field of view",
    "meta": "metadata",
    "interp_kwargs": "options of the interpolation",
}
PLOT_ATTRIBUTES = ("_use_center_as_plot_labels", "_time_format")
IrfArrays = dict[str, tuple[Any, int | None]]


@attrs.frozen(eq=False)
class GridState:
    """The state of an axis or a geometry, which the IRFs of several runs may share.

    Parameters
    ----------
    grid : gammapy.maps.MapAxis or gammapy.maps.Geom
        The axis or geometry.
    attributes : dict of str to object
        Its attributes, except for those of plots.
    arrays : list of tuple of numpy.ndarray and int
        Those that are writable arrays, with their checksums.
    """

    grid: Any
    attributes: dict[str, Any]
    arrays: list[tuple[Any, int]]

    @classmethod
    def read(cls, grid: Any) -> GridState:
        """Return the state of an axis or a geometry.

        Parameters
        ----------
        grid : gammapy.maps.MapAxis or gammapy.maps.Geom
            The axis or geometry.

        Returns
        -------
        GridState
            The state.
        """
        for name in ("edges", "center"):  # stored by gammapy once they are computed
            getattr(grid, name, None)
        attributes = {name: vars(grid)[name] for name in vars(grid) if name not in PLOT_ATTRIBUTES}
        arrays = [
            np.asarray(array)  # without the unit
            for array in attributes.values()
            if isinstance(array, np.ndarray) and array.flags.writeable
        ]
        return cls(grid, attributes, [(array, compute_checksum(array)) for array in arrays])

    def undo_change(self) -> bool:
        """Set attributes that have been replaced, for other runs, and return whether any changed.

        Returns
        -------
        bool
            Whether an attribute or an array has changed; new attributes are ignored.
        """
        attributes = vars(self.grid)
        new_values = [attributes.get(name) for name in self.attributes]
        is_changed = any(compute_checksum(array) != checksum for array, checksum in self.arrays)
        if not all(map(operator.is_, new_values, self.attributes.values())):
            is_changed |= not all(map(is_same, self.attributes.values(), new_values))
            attributes.update(self.attributes)
        return is_changed


@attrs.frozen(eq=False)
class IrfState:
    """The state of an IRF: its arrays, checksums of those that are writable, and its attributes.

    Parameters
    ----------
    irf : gammapy.irf.IRF or gammapy.maps.Map
        The IRF.
    data : object
        Its values, an array or a mapping of arrays.
    arrays : dict of str to tuple of numpy.ndarray and int
        The arrays by name, each with its checksum; without one if it is read-only.
    attributes : dict of str to object
        Its attributes; dictionaries are copied.
    grids : list of GridState
        The states of its axes or geometry.
    """

    irf: Any
    data: Any
    arrays: IrfArrays
    attributes: dict[str, Any]
    grids: list[GridState]

    @classmethod
    def read(cls, irf: Any) -> IrfState:
        """Make the large arrays of an IRF read-only, and return its state.

        Parameters
        ----------
        irf : gammapy.irf.IRF or gammapy.maps.Map
            The IRF.

        Returns
        -------
        IrfState
            The state.
        """
        data = _find_data(irf)
        arrays: IrfArrays = {}
        for name, array in iter_arrays(data):
            if is_large(array):
                array.flags.writeable = False
            arrays[name] = array, compute_checksum(array) if array.flags.writeable else None
        attributes = {
            name: copy_container(value)
            for name, value in vars(irf).items()
            if name in IRF_ATTRIBUTES
        }
        grids = [GridState.read(grid) for grid in _iter_grids(irf)]
        return cls(irf, data, arrays, attributes, grids)

    def find_change(self) -> str:
        """Return the name of what has changed, and undo changes of axes and missing values.

        Runs share the axes, and gammapy's `interp_missing_data` replaces the values.

        Returns
        -------
        str
            "values", or the name of an attribute; "" if nothing has changed.
        """
        if sum(grid.undo_change() for grid in self.grids):  # of all
            return "axes"
        data = _find_data(self.irf)
        if data is not self.data:
            if not _fills_missing_values(self.data, data):
                return "values"
            self.irf.data = self.data  # as in a file, for the next maker
        if isinstance(self.data, Mapping) and any(
            self.data.get(name) is not array for name, (array, _) in self.arrays.items()
        ):
            return "values"
        for array, checksum in self.arrays.values():
            if checksum is None:
                is_changed = array.flags.writeable
            else:
                is_changed = compute_checksum(array) != checksum
            if is_changed:
                return "values"
        attributes = vars(self.irf)
        for name, value in self.attributes.items():
            new_value = attributes.get(name)
            is_exchanged = value is not new_value
            # gammapy compares axes with a tolerance
            if is_exchanged and (name in ("_axes", "_geom") or not is_same(value, new_value)):
                return IRF_ATTRIBUTES[name]
        return ""


def is_large(array: Any) -> bool:
    """Return whether an array is made read-only instead of being compared.

    Parameters
    ----------
    array : numpy.ndarray
        The array.

    Returns
    -------
    bool
        Whether it is large, and not interpolated by the code of scipy for two dimensions.
    """
    return bool(array.ndim >= MIN_READ_ONLY_DIMENSIONS and array.nbytes >= MIN_READ_ONLY_BYTES)


def iter_arrays(data: Any) -> Iterator[tuple[str, Any]]:
    """Yield the arrays of an IRF.

    Parameters
    ----------
    data : numpy.ndarray or mapping of str to numpy.ndarray
        The values of the IRF.

    Yields
    ------
    tuple of str and numpy.ndarray
        The names, "" for a single array, and the arrays.
    """
    parts = data.items() if isinstance(data, Mapping) else (("", data),)
    for name, array in parts:
        if isinstance(array, np.ndarray):
            yield str(name), array


def compute_checksum(array: Any) -> int:
    """Return a checksum of the values of an array.

    Parameters
    ----------
    array : numpy.ndarray
        The array.

    Returns
    -------
    int
        The checksum.
    """
    return zlib.crc32(array.tobytes())


def copy_container(value: Any) -> Any:
    """Return a copy of a dictionary or list, which keeps its type.

    Parameters
    ----------
    value : object
        The value.

    Returns
    -------
    object
        The copy, not of the elements; the value itself if it is something else.
    """
    return copy.copy(value) if isinstance(value, dict | list) else value


def is_same(old: Any, new: Any) -> bool:
    """Return whether an attribute has kept its value.

    Parameters
    ----------
    old, new : object
        The values.

    Returns
    -------
    bool
        Whether they are the same object, or equal and of the same type.
    """
    if old is new:
        return True
    try:
        return bool(type(old) is type(new) and old == new)
    except Exception:  # objects that cannot be compared
        return False


def _find_data(irf: Any) -> Any:
    return vars(irf).get("_data") if "_data" in vars(irf) else getattr(irf, "data", None)


def _iter_grids(irf: Any) -> Iterator[Any]:
    """Yield the axes of an IRF, or the geometry of a map and its axes."""
    attributes = vars(irf)
    if (geom := attributes.get("_geom")) is not None:
        yield geom
    yield from attributes.get("_axes") or getattr(geom, "axes", None) or ()


def _fills_missing_values(old: Any, new: Any) -> bool:
    """Return whether two arrays are equal, except where the old one is 0 or not finite."""
    if not (isinstance(old, np.ndarray) and isinstance(new, np.ndarray)) or old.dtype.names:
        return False
    if old.shape != new.shape or old.dtype != new.dtype:
        return False
    is_filled = (old == 0) | ~np.isfinite(old)
    return bool(np.all((old == new) | is_filled))
