"""The structure of a FITS file in memory: its HDUs, that they are whole, and their checksums."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from astropy.io import fits

BLOCK = 2880
_ONES = 0xFFFFFFFF


def open_hdus(content: bytes) -> fits.HDUList:
    """Open a FITS file that is in memory; what astropy warns of, `flaws` says better."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fits.open(io.BytesIO(content), memmap=False, lazy_load_hdus=False)


def flaws(hdus: fits.HDUList, content: bytes) -> Iterator[tuple[str, str]]:
    """Say what is wrong with a file: pairs of the name of an HDU and a sentence."""
    end = 0
    names: set[str] = set()
    for hdu in hdus:
        name, place = hdu.name, hdu.fileinfo()
        end = place["datLoc"] + place["datSpan"]
        if end > len(content):
            yield name, f"is cut short: {end - len(content)} bytes of its data are missing"
        elif text := _wrong_sum(hdu.header, content, place):
            yield name, text
        if name in names:
            yield name, "there are two HDUs of this name, and readers take the first"
        names.add(name)
    if end < len(content) and content[end:].strip(b"\0"):
        last = hdus[-1].name if len(hdus) else ""
        left = len(content) - end
        yield last, f"the {left} bytes after it are no HDU: the header of the next is damaged"


def _wrong_sum(header: fits.Header, content: bytes, place: dict[str, Any]) -> str | None:
    """Check the cards CHECKSUM and DATASUM, where there are any (FITS standard 4.0, 4.4.2.7)."""
    end = place["datLoc"] + place["datSpan"]
    if "DATASUM" in header and _sum(content[place["datLoc"] : end]) != int(header["DATASUM"]):
        return "its data do not have the sum that its card DATASUM states"
    if "CHECKSUM" in header and _sum(content[place["hdrLoc"] : end]) not in (0, _ONES):
        return "it does not have the sum that its card CHECKSUM states"
    return None


def _sum(content: bytes) -> int:
    """Add 32-bit words in ones' complement."""
    total = int(np.frombuffer(content, ">u4").sum(dtype=np.uint64))
    while total > _ONES:
        total = (total & _ONES) + (total >> 32)
    return total
