"""Copies of the input of components; the copies share immutable geometries of maps."""

from __future__ import annotations

import copy
import io
import pickle
import sys
from typing import Any


class Snapshot:
    """The state of an object, from which copies are created.

    Geometries of maps are not copied, because building their WCS takes most of the time of a check.

    Parameters
    ----------
    original : object
        The object; later changes to it do not affect the copies.
    """

    def __init__(self, original: Any) -> None:
        buffer = io.BytesIO()
        pickler = _Pickler(buffer)
        pickler.dump(original)
        self._bytes, self._shared = buffer.getvalue(), pickler.shared

    def copy(self) -> Any:
        """Return a new copy.

        Returns
        -------
        object
            The copy, which shares geometries with the original.
        """
        return _Unpickler(io.BytesIO(self._bytes), self._shared).load()


def duplicate(original: Any) -> Any:
    """Return a copy that shares only geometries with the original.

    Parameters
    ----------
    original : object
        The object.

    Returns
    -------
    object
        The copy.
    """
    try:
        return Snapshot(original).copy()
    except Exception:  # some objects can be copied, but not pickled
        return copy.deepcopy(original)


class _Pickler(pickle.Pickler):
    def __init__(self, buffer: io.BytesIO) -> None:
        super().__init__(buffer, pickle.HIGHEST_PROTOCOL)
        self.shared: dict[int, Any] = {}
        maps = sys.modules.get("gammapy.maps")
        self._geometry: Any = maps.Geom if maps is not None else ()

    def persistent_id(self, item: Any) -> int | None:
        if not isinstance(item, self._geometry):
            return None
        self.shared[id(item)] = item
        return id(item)


class _Unpickler(pickle.Unpickler):
    def __init__(self, buffer: io.BytesIO, shared: dict[int, Any]) -> None:
        super().__init__(buffer)
        self._shared = shared

    def persistent_load(self, geometry_id: int) -> Any:
        return self._shared[geometry_id]
