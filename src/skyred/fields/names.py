"""Validation of names that are used in file names."""

from __future__ import annotations

import hashlib
import re

from skyred.errors import FieldError, format_value

MAX_LENGTH = 80  # the length of a FITS header card
_SAFE_NAME = re.compile(rf"\w[\w.+-]{{0,{MAX_LENGTH - 1}}}", re.ASCII)
_EXPECTED = f"expected at most {MAX_LENGTH} letters, digits or . + - _, not starting with . + -"


def check_name(name: object) -> str:
    """Return a name after checking that it can be part of a file name.

    Parameters
    ----------
    name : object
        The name.

    Returns
    -------
    str
        The name.

    Raises
    ------
    FieldError
        If the name is not a string, is empty or too long, or contains unsafe characters.
    """
    if not isinstance(name, str) or not _SAFE_NAME.fullmatch(name):
        raise FieldError(f"invalid value {format_value(name)}", _EXPECTED)
    return name


def file_name(name: str) -> str:
    """Convert any name to a unique file name.

    Parameters
    ----------
    name : str
        The name.

    Returns
    -------
    str
        The name itself if it is safe; otherwise a name of bounded length with a digest.
    """
    if _SAFE_NAME.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return "_" + re.sub(r"[^\w+-]", "_", name)[: MAX_LENGTH - 10] + "-" + digest
