"""Copies of what components are given. They share geometries, which nobody changes."""

from __future__ import annotations

import copy
import io
import pickle
import sys
from typing import Any


class Kept:
    """Something put aside, of which copies are given.

    Geometries of maps are not copied: building a WCS again took most of the time of a check.

    Parameters
    ----------
    held : object
        What is kept, as it is now.
    """

    def __init__(self, held: Any) -> None:
        buffer = io.BytesIO()
        pickler = _Pickler(buffer)
        pickler.dump(held)
        self._bytes, self._shared = buffer.getvalue(), pickler.shared

    def copy(self) -> Any:
        """Give a new copy."""
        return _Unpickler(io.BytesIO(self._bytes), self._shared).load()


def duplicate(held: Any) -> Any:
    """Give a copy that shares nothing but geometries."""
    try:
        return Kept(held).copy()
    except Exception:  # what cannot be pickled may be copied all the same
        return copy.deepcopy(held)


class _Pickler(pickle.Pickler):
    def __init__(self, buffer: io.BytesIO) -> None:
        super().__init__(buffer, pickle.HIGHEST_PROTOCOL)
        self.shared: dict[int, Any] = {}
        maps = sys.modules.get("gammapy.maps")
        self._geometry: Any = maps.Geom if maps is not None else ()

    def persistent_id(self, held: Any) -> int | None:
        if not isinstance(held, self._geometry):
            return None
        self.shared[id(held)] = held
        return id(held)


class _Unpickler(pickle.Unpickler):
    def __init__(self, buffer: io.BytesIO, shared: dict[int, Any]) -> None:
        super().__init__(buffer)
        self._shared = shared

    def persistent_load(self, number: int) -> Any:
        return self._shared[number]
