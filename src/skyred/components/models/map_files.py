"""Maps in FITS files, checked before gammapy reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from skyred.errors import FileError, ModelError
from skyred.inspection.file_checks import check_fits_file, check_models


def read_map(path: Path) -> Any:
    """Read a map, and check the file and the values.

    Parameters
    ----------
    path : pathlib.Path
        The FITS file.

    Returns
    -------
    gammapy.maps.Map
        The map.

    Raises
    ------
    ModelError
        If the file is missing, is not a map, has a header that could run code, or contains only
        zeros or values that are not finite.
    """
    from gammapy.maps import Map

    if not path.is_file():
        raise ModelError(f"no such file: {path}; check the path")
    try:
        check_fits_file(path)
        skymap = Map.read(path)
    except FileError as error:
        raise ModelError(str(error)) from error
    except Exception as error:  # gammapy and astropy raise various errors for invalid files
        raise ModelError(f"{path} cannot be read as a map: {error}") from error
    data = np.asarray(skymap.data, dtype=float)
    if not np.isfinite(data).all():
        raise ModelError(
            f"{path} contains {int((~np.isfinite(data)).sum())} values that are not finite"
        )
    if not data.any():
        raise ModelError(f"{path} contains only zeros")
    return skymap


def check_map_files(data: Any, folder: Path | None = None) -> None:
    """Check all map files in gammapy's dictionary of a model.

    Parameters
    ----------
    data : dict or list
        The dictionary of a model or a part of one, or a list of such dictionaries.
    folder : pathlib.Path, optional
        The folder of the model file, for relative paths.

    Raises
    ------
    ModelError
        If a file cannot be read, or has a header that could run code.
    """
    try:
        check_models(data, folder)
    except FileError as error:
        raise ModelError(str(error)) from error


def geometries_overlap(first: Any, second: Any) -> bool:
    """Return whether two image geometries overlap.

    Parameters
    ----------
    first : gammapy.maps.Geom
        An image geometry.
    second : gammapy.maps.Geom
        Another image geometry.

    Returns
    -------
    bool
        Whether the centre of any pixel of one geometry is inside the other geometry.
    """
    # in both directions, since one geometry may be smaller than a pixel of the other
    if np.any(first.contains(second.get_coord().skycoord)):
        return True
    return bool(np.any(second.contains(first.get_coord().skycoord)))
