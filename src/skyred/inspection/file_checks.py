"""Checks that FITS files and models are complete and contain no code, before gammapy reads them."""

from __future__ import annotations

import gzip
import os
import re
import warnings
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from skyred.errors import FileError, format_value

# gammapy evaluates this card with Python's eval(), so values other than integers could run code
SHAPE_CARD = "WCSSHAPE"
SHAPE_PATTERN = re.compile(r"\(\s*\d{1,9}\s*(,\s*\d{1,9}\s*)*,?\s*\)", re.ASCII)
# gammapy looks up the name among all functions of Python's module `operator`
OPERATORS = {"add", "sub", "mul", "truediv", "pow"}
_BLOCK = 1 << 20
_GZIP = b"\x1f\x8b"


def check_regular_file(path: Path) -> None:
    """Check that a path is not a pipe, a device or a folder, before it is opened.

    Reading from a pipe or a device could block, or never end.

    Parameters
    ----------
    path : Path
        The file; a missing file is not an error here.

    Raises
    ------
    FileError
        If the path exists and is not a regular file.
    """
    if path.exists() and not path.is_file():
        raise FileError(f"{path} is a pipe, a device or a folder; expected a regular file")


def check_fits_file(path: Path) -> None:
    """Check a plain or compressed FITS file before gammapy reads it.

    gammapy reads a truncated file as a file with fewer maps, and evaluates one card of its headers.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    FileError
        If the file is not a FITS file, is truncated, or has a card that gammapy would run as code.
    """
    from astropy.io import fits
    from astropy.utils.exceptions import AstropyWarning

    check_regular_file(path)
    try:
        size = _uncompressed_size(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)  # repeated when gammapy reads the file
            with fits.open(path, memmap=False) as hdus:
                shapes = [shape for hdu in hdus for shape in _shapes(hdu.header)]
                end = max(_end(hdu) for hdu in hdus)
                trailing = _count_trailing_bytes(path, end)
    except FileNotFoundError as error:
        raise FileError(f"no such file: {path}") from error
    except (OSError, EOFError, zlib.error, ValueError, TypeError, KeyError) as error:
        raise FileError(f"{path} cannot be read as FITS: {error}") from error
    for shape in shapes:
        if _is_code(shape):
            raise FileError(f"{path} {describe_code(shape)}")
    if size < end:
        raise FileError(
            f"{path} is truncated: it has {size} bytes, but at least {end} are expected; "
            "copy or download it again"
        )
    if trailing:
        raise FileError(
            f"{path} is truncated or damaged: the last {trailing} bytes are not part of an HDU; "
            "copy or download it again"
        )


def find_code(header: Any) -> str:
    """Return the value of the card that gammapy would run as code.

    Parameters
    ----------
    header : astropy.io.fits.Header or mapping of str to object
        The header of an HDU, or its values.

    Returns
    -------
    str
        The value of the card; "" if the header has no such card.
    """
    return next((shape for shape in _shapes(header) if _is_code(shape)), "")


def describe_code(code: str) -> str:
    """Return the error message for a card that gammapy would run as code.

    Parameters
    ----------
    code : str
        The value of the card.

    Returns
    -------
    str
        The message, without the name of the file or HDU.
    """
    return (
        f"has the card {SHAPE_CARD} = {format_value(code)}, which gammapy would execute as code; "
        "expected integers in brackets"
    )


def _is_code(shape: str) -> bool:
    return not SHAPE_PATTERN.fullmatch(shape.strip())


def check_models(data: Any, folder: Path | None = None) -> None:
    """Check the files and operators in a dictionary of gammapy models.

    Missing files are not checked, because gammapy reports them.

    Parameters
    ----------
    data : mapping, list or plain value
        The dictionary of models, or a part of it.
    folder : Path, optional
        The folder of the models file; files are searched relative to this folder first.

    Raises
    ------
    FileError
        If an operator could run code, or a file is damaged.
    """
    if isinstance(data, Mapping):
        if isinstance(name := data.get("filename"), str):
            # relative to the models file first, as gammapy does
            candidates = (folder or Path()) / name, Path(os.path.expandvars(name)).expanduser()
            if existing := [candidate for candidate in candidates if candidate.is_file()]:
                check_fits_file(existing[0])
        if "model1" in data and (operator := str(data.get("operator"))) not in OPERATORS:
            expected = ", ".join(sorted(OPERATORS))
            raise FileError(
                f"a model has the operator {format_value(operator)}; expected one of {expected}"
            )
    if isinstance(data, (Mapping, list, tuple)):
        for item in data.values() if isinstance(data, Mapping) else data:
            check_models(item, folder)


def resolve_indexed_file(index: Path, name: object, *, allow_outside: bool = False) -> Path:
    """Return the path of a file that an index refers to.

    Parameters
    ----------
    index : Path
        The index file.
    name : object
        The name of the file in the index, relative to the folder of the index.
    allow_outside : bool, optional
        Whether the file may be outside the folder of the index. If so, variables and ``~`` in its
        name are expanded; otherwise they are rejected.

    Returns
    -------
    Path
        The path of the existing file.

    Raises
    ------
    FileError
        If the name refers to a file outside the folder although this is not allowed, or the file
        does not exist.
    """
    path = Path(str(name))
    if allow_outside:
        path = Path(os.path.expandvars(path)).expanduser()
    # variables and ~ are rejected because gammapy would expand them
    elif path.is_absolute() or ".." in path.parts or set("$~%\\") & set(str(name)):
        raise FileError(
            f"{index} refers to {str(name)!r:.100}; expected a file in the same folder or below; "
            "copy it there, or set allow_outside: true"
        )
    if not (index.parent / path).is_file():
        raise FileError(
            f"{index} refers to {path}, which does not exist; copy it to {index.parent}"
        )
    return index.parent / path


def _uncompressed_size(path: Path) -> int:
    """Return the uncompressed size of a file in bytes; gzip verifies its checksums on reading."""
    with path.open("rb") as stream:
        if stream.read(2) != _GZIP:
            return path.stat().st_size
    with gzip.open(path) as unpacked:
        return sum(len(block) for block in iter(lambda: unpacked.read(_BLOCK), b""))


def _shapes(header: Any) -> Iterator[str]:
    items = header.cards if hasattr(header, "cards") else header.items()
    return (str(item[1]) for item in items if item[0].upper() == SHAPE_CARD)


def _end(hdu: Any) -> int:
    """Return the end of an HDU in bytes, with the padding that the FITS standard requires."""
    layout = hdu.fileinfo()
    return int(layout["datLoc"] + layout["datSpan"])


def _count_trailing_bytes(path: Path, end: int) -> int:
    """Return the number of bytes after the last readable HDU of an uncompressed file, less padding.

    astropy regards an HDU with a truncated header as the end of the file.
    """
    with path.open("rb") as stream:
        if stream.read(2) == _GZIP:
            return 0
        stream.seek(end)
        return sum(len(block.strip(b"\0 ")) for block in iter(lambda: stream.read(_BLOCK), b""))
