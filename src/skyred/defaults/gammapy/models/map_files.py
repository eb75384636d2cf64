"""Maps in FITS files that others have written, looked at before gammapy reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from skyred.errors import ModelError
from skyred.fields import Location

# gammapy gives this card to Python's eval(): anything but whole numbers could run code
SHAPE = re.compile(r"\(\s*\d+\s*(,\s*\d+\s*)*,?\s*\)")


def read_map(path: Path) -> Any:
    """Read a map.

    Raises
    ------
    ModelError
        If it is not there, is no map, has a header that could run code, or holds nothing.
    """
    from gammapy.maps import Map

    if not path.is_file():
        raise ModelError(f"there is no file {path}")
    look_at_headers(path)
    try:
        found = Map.read(path)
    except Exception as error:  # gammapy and astropy raise whatever the file leads them to
        raise ModelError(f"{path} cannot be read as a map: {error}") from error
    data = np.asarray(found.data, dtype=float)
    if not np.isfinite(data).all():
        raise ModelError(
            f"{path} holds {int((~np.isfinite(data)).sum())} values that are not finite"
        )
    if not data.any():
        raise ModelError(f"{path} holds nothing but zeros")
    return found


def look_at_all(data: Any, folder: Path | None = None) -> None:
    """Look at the headers of all maps that gammapy's dictionary of models names.

    Files that are not there, and that are no FITS, are left for gammapy to name.

    Raises
    ------
    ModelError
        If one could run code.
    """
    if isinstance(data, Mapping):
        if isinstance(name := data.get("filename"), str):
            # beside the models first, as gammapy
            places = [(folder or Path()) / name, Location(name).path()]
            if found := [place for place in places if place.is_file()]:
                look_at_headers(found[0])
        for held in data.values():
            look_at_all(held, folder)
    elif isinstance(data, (list, tuple)):
        for held in data:
            look_at_all(held, folder)


def look_at_headers(path: Path) -> None:
    """Raise `ModelError` for a header that gammapy would run as code."""
    from astropy.io import fits

    try:
        with fits.open(path) as hdus:
            shapes = [str(hdu.header["WCSSHAPE"]) for hdu in hdus if "WCSSHAPE" in hdu.header]
    except OSError as error:
        raise ModelError(f"{path} cannot be read as FITS: {error}") from error
    for shape in shapes:
        if not SHAPE.fullmatch(shape.strip()):
            raise ModelError(
                f"{path} has the card WCSSHAPE = {shape!r:.60}; expected whole numbers in brackets "
                "(gammapy would run anything else as code)"
            )


def overlap(one: Any, other: Any) -> bool:
    """Tell whether two image geometries share a part of the sky."""
    # of two rectangles one may lie inside the other
    centre = other.get_coord().skycoord
    inside = one.contains(centre)
    return bool(np.any(inside)) or bool(np.any(other.contains(one.get_coord().skycoord)))
