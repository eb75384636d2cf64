"""The HDUs of a FITS file in memory, and checks of its completeness and checksums."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from astropy.io import fits

BLOCK = 2880
_ALL_BITS = 0xFFFFFFFF


def open_hdus(content: bytes) -> fits.HDUList:
    """Open a FITS file in memory, without the warnings of astropy.

    Faults that astropy would warn about are reported by `check_structure`. Compressed images are
    opened as the tables in which they are stored, because the checksums are those of the tables.

    Parameters
    ----------
    content : bytes
        The uncompressed file.

    Returns
    -------
    astropy.io.fits.HDUList
        All HDUs that astropy can read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fits.open(
            io.BytesIO(content),
            memmap=False,
            lazy_load_hdus=False,
            disable_image_compression=True,
        )


def check_structure(hdus: fits.HDUList, content: bytes) -> Iterator[tuple[str, str]]:
    """Check the length, the checksums and the names of the HDUs of a file.

    Parameters
    ----------
    hdus : astropy.io.fits.HDUList
        The HDUs.
    content : bytes
        The uncompressed file.

    Yields
    ------
    name : str
        The name of the HDU.
    message : str
        The fault.
    """
    end = 0
    names: set[str] = set()
    for hdu in hdus:
        name, layout = hdu.name.upper(), hdu.fileinfo()
        end = layout["datLoc"] + layout["datSpan"]
        if end > len(content):
            missing = end - len(content)
            yield (
                name,
                f"the HDU is truncated: {missing} byte{'s' * (missing > 1)} missing at the end",
            )
        elif message := _describe_checksum_fault(hdu.header, content, layout):
            yield name, message
        if name and name in names:  # an index cannot refer to an HDU without a name
            yield name, "the HDU has the same name as an earlier HDU; readers use the first"
        names.add(name)
    if end < len(content) and content[end:].strip(b"\0"):
        last = hdus[-1].name if len(hdus) else ""
        trailing = len(content) - end
        yield (
            last,
            f"the HDU is followed by {trailing} bytes that are not an HDU; "
            "the next header is probably damaged",
        )


def _describe_checksum_fault(
    header: fits.Header, content: bytes, layout: dict[str, Any]
) -> str | None:
    """Check the cards CHECKSUM and DATASUM, if present (FITS standard 4.0, section 4.4.2.7)."""
    end = layout["datLoc"] + layout["datSpan"]
    data, hdu = content[layout["datLoc"] : end], content[layout["hdrLoc"] : end]
    if "DATASUM" in header and _compute_sum(data) != int(header["DATASUM"]):
        return "the checksum of the data differs from DATASUM"
    if "CHECKSUM" in header and _compute_sum(hdu) not in (0, _ALL_BITS):
        return "the checksum of the HDU differs from CHECKSUM"
    return None


def _compute_sum(content: bytes) -> int:
    """Return the sum of 32-bit words in ones' complement."""
    total = int(np.frombuffer(content, ">u4").sum(dtype=np.uint64))
    while total > _ALL_BITS:
        total = (total & _ALL_BITS) + (total >> 32)
    return total
