"""Names of things that become files: refused where they are given, made safe where they are not."""

from __future__ import annotations

import hashlib
import re

from skyred.errors import FieldError

LONGEST = 80
_SAFE = re.compile(rf"\w[\w.+-]{{0,{LONGEST - 1}}}", re.ASCII)  # FITS headers hold no more
_EXPECTED = f"expected letters, digits and . + - _, at most {LONGEST}, and no . + - first"


def checked_name(name: object) -> str:
    """Give a name that can be a file's; raises `FieldError` otherwise."""
    if not isinstance(name, str) or not _SAFE.fullmatch(name):
        raise FieldError(f"has the name {str(name)[:40]!r}", _EXPECTED)
    return name


def file_name(name: str) -> str:
    """Make any name safe for a file, bounded, and unlike that of any other name."""
    if _SAFE.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return "_" + re.sub(r"[^\w+-]", "_", name)[: LONGEST - 10] + "-" + digest
