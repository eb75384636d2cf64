"""Maps in FITS files that others have written, looked at before gammapy reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from skyred.errors import FileError, ModelError
from skyred.inspection.map_headers import check_fits_file, check_models


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
    try:
        check_fits_file(path)
        found = Map.read(path)
    except FileError as error:
        raise ModelError(str(error)) from error
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
    """Look at all maps that gammapy's dictionary of models names; raises `ModelError`."""
    try:
        check_models(data, folder)
    except FileError as error:
        raise ModelError(str(error)) from error


def overlap(one: Any, other: Any) -> bool:
    """Tell whether two image geometries share a part of the sky."""
    # of two rectangles one may lie inside the other
    centre = other.get_coord().skycoord
    inside = one.contains(centre)
    return bool(np.any(inside)) or bool(np.any(other.contains(one.get_coord().skycoord)))
