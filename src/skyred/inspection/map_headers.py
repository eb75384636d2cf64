"""FITS files of maps and spectra, looked at before gammapy reads them: whole, and without code."""

from __future__ import annotations

import gzip
import os
import re
import warnings
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from skyred.errors import FileError

# gammapy gives this card to Python's eval(): anything but whole numbers could run code
CARD = "WCSSHAPE"
SHAPE = re.compile(r"\(\s*\d{1,9}\s*(,\s*\d{1,9}\s*)*,?\s*\)", re.ASCII)
# gammapy looks this up among all that Python's module `operator` has
OPERATORS = {"add", "sub", "mul", "truediv", "pow"}
_BLOCK = 1 << 20
_GZIP = b"\x1f\x8b"


def look_at_fits(path: Path) -> None:
    """Look at a FITS file, plain or compressed, that gammapy is to read.

    gammapy takes a file that is cut off for one with fewer maps, and runs a card of its headers.

    Raises
    ------
    FileError
        If it is no FITS file, is cut off, or has a header that gammapy would run as code.
    """
    from astropy.io import fits
    from astropy.utils.exceptions import AstropyWarning

    try:
        size = _size(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)  # gammapy's reading tells again
            with fits.open(path, memmap=False) as hdus:
                shapes = [shape for hdu in hdus for shape in _shapes(hdu.header)]
                end = max(_end(hdu) for hdu in hdus)
                rest = _rest(path, end)
    except (OSError, EOFError, zlib.error, ValueError, TypeError, KeyError) as error:
        raise FileError(f"{path} cannot be read as FITS: {error}") from error
    for shape in shapes:
        if _is_code(shape):
            raise FileError(
                f"{path} has the card {CARD} = {shape!r:.60}; expected whole numbers in brackets "
                "(gammapy would run anything else as code)"
            )
    if size < end:
        raise FileError(
            f"{path} is cut off: it has {size} bytes of at least {end}; get it once more"
        )
    if rest:
        raise FileError(
            f"{path} is cut off or damaged: {rest} bytes after its HDUs are none; get it once more"
        )


def bad_shape(header: Any) -> str:
    """Give the card of a header that gammapy would run as code; "" if there is none."""
    return next((shape for shape in _shapes(header) if _is_code(shape)), "")


def _is_code(shape: str) -> bool:
    return not SHAPE.fullmatch(shape.strip())


def look_at_models(data: Any, folder: Path | None = None) -> None:
    """Look at all that gammapy's dictionary of models makes it read or look up.

    Files that are not there are left for gammapy to name.

    Raises
    ------
    FileError
        If something could run code, or a file is damaged.
    """
    if isinstance(data, Mapping):
        if isinstance(name := data.get("filename"), str):
            # beside the models first, as gammapy
            places = (folder or Path()) / name, Path(os.path.expandvars(name)).expanduser()
            if found := [place for place in places if place.is_file()]:
                look_at_fits(found[0])
        if "model1" in data and (operator := str(data.get("operator"))) not in OPERATORS:
            expected = ", ".join(sorted(OPERATORS))
            raise FileError(f"a model has the operator {operator!r:.60}; expected {expected}")
    if isinstance(data, (Mapping, list, tuple)):
        for held in data.values() if isinstance(data, Mapping) else data:
            look_at_models(held, folder)


def beside(index: Path, name: object) -> Path:
    """Give a file that an index names: one beside it, or below.

    Raises
    ------
    FileError
        If the name leads elsewhere, or there is no such file.
    """
    path = Path(str(name))
    # gammapy would fill in variables
    if path.is_absolute() or ".." in path.parts or set("$~%\\") & set(str(name)):
        raise FileError(
            f"{index} names the file {str(name)!r:.100}; expected one beside it, so copy it there"
        )
    if not (index.parent / path).is_file():
        raise FileError(f"{index} names {path}, which is not there: put it beside it")
    return index.parent / path


def _size(path: Path) -> int:
    """Give the bytes of a file, decompressed: gzip's own checks are made on the way."""
    with path.open("rb") as stream:
        if stream.read(2) != _GZIP:
            return path.stat().st_size
    with gzip.open(path) as packed:
        return sum(len(block) for block in iter(lambda: packed.read(_BLOCK), b""))


def _shapes(header: Any) -> Iterator[str]:
    return (str(card.value) for card in header.cards if card.keyword.upper() == CARD)


def _end(hdu: Any) -> int:
    """Give where an HDU ends, with what fills its last block: FITS asks for that."""
    place = hdu.fileinfo()
    return int(place["datLoc"] + place["datSpan"])


def _rest(path: Path, end: int) -> int:
    """Count what follows the last HDU that can be read, in a file that has no checks of its own.

    astropy takes an HDU whose header is cut off for the end of the file.
    """
    with path.open("rb") as stream:
        if stream.read(2) == _GZIP:
            return 0
        stream.seek(end)
        return sum(len(block.strip(b"\0 ")) for block in iter(lambda: stream.read(_BLOCK), b""))
