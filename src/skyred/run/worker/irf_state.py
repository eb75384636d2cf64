"""The state of an IRF, to find out whether a component has changed it."""

from __future__ import annotations

import copy
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
IrfArrays = dict[str, tuple[Any, int | None]]


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
    nodes : list of tuple of numpy.ndarray and int
        The nodes of its axes that are writable, with their checksums.
    """

    irf: Any
    data: Any
    arrays: IrfArrays
    attributes: dict[str, Any]
    nodes: list[tuple[Any, int]]

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
        nodes = [(array, compute_checksum(array)) for array in _list_writable_nodes(irf)]
        return cls(irf, data, arrays, attributes, nodes)

    def find_change(self) -> str:
        """Return the name of what has changed, and undo gammapy's `interp_missing_data`.

        Returns
        -------
        str
            "values", or the name of an attribute; "" if nothing has changed.
        """
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
        is_changed = any(compute_checksum(array) != checksum for array, checksum in self.nodes)
        return "axes" if is_changed else ""


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


def _list_writable_nodes(irf: Any) -> list[Any]:
    """Return the nodes of those axes of an IRF that runs do not share."""
    nodes = [getattr(axis, "_nodes", None) for axis in vars(irf).get("_axes") or ()]
    return [array for array in nodes if isinstance(array, np.ndarray) and array.flags.writeable]


def _fills_missing_values(old: Any, new: Any) -> bool:
    """Return whether two arrays are equal, except where the old one is 0 or not finite."""
    if not (isinstance(old, np.ndarray) and isinstance(new, np.ndarray)) or old.dtype.names:
        return False
    if old.shape != new.shape or old.dtype != new.dtype:
        return False
    is_filled = (old == 0) | ~np.isfinite(old)
    return bool(np.all((old == new) | is_filled))
