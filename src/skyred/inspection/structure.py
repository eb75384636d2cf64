"""The HDUs of a FITS file in memory, and checks of its completeness and checksums."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import attrs
import numpy as np
from astropy.io import fits

from skyred.inspection.cards import BLOCK, data_size, read_header

_ALL_BITS = 0xFFFFFFFF


@attrs.define(slots=False, eq=False)
class FitsBytes:
    """A FITS file in memory.

    Parameters
    ----------
    content : bytes
        The uncompressed file.
    """

    content: bytes = attrs.field(repr=False)

    def __deepcopy__(self, memo: dict[int, Any]) -> FitsBytes:
        return self  # the bytes of a file do not change

    @cached_property
    def astropy_hdus(self) -> fits.HDUList:
        """All HDUs that astropy can read, opened without the warnings of astropy.

        Compressed images are opened as the tables in which they are stored, because the checksums
        are those of the tables.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `check_structure` reports the same faults
            return fits.open(
                io.BytesIO(self.content),
                memmap=False,
                lazy_load_hdus=False,
                disable_image_compression=True,
            )


@attrs.frozen(eq=False)
class StoredHdu:
    """An HDU of a file in memory, which astropy opens only if it is needed.

    Parameters
    ----------
    file : FitsBytes
        The file.
    index : int
        The number of the HDU in the file.
    name : str
        The name of the HDU; "" if it has none.
    header : mapping of str to object
        The values of the header.
    header_start, data_start, end : int
        The positions of the header, of the data, and of the next HDU.
    """

    file: FitsBytes
    index: int
    name: str
    header: Mapping[str, Any] = attrs.field(repr=False)
    header_start: int
    data_start: int
    end: int

    def open(self) -> Any:
        """Return the HDU as astropy reads it.

        Returns
        -------
        HDU
            The HDU, such as `astropy.io.fits.BinTableHDU`.
        """
        return self.file.astropy_hdus[self.index]

    def open_copy(self) -> Any:
        """Return the HDU as astropy reads it, with its own memory.

        Returns
        -------
        HDU
            The HDU, which shares nothing with other runs that use the same file.
        """
        return FitsBytes(self.file.content).astropy_hdus[self.index]


def list_hdus(content: bytes) -> tuple[StoredHdu, ...]:
    """Return the HDUs of a file in memory.

    Parameters
    ----------
    content : bytes
        The uncompressed file.

    Returns
    -------
    tuple of StoredHdu
        The HDUs, in order. Headers that are not quite as the FITS standard requires are read by
        astropy; its errors are raised.
    """
    return _scan(content) or _list_with_astropy(content)


def _scan(content: bytes) -> tuple[StoredHdu, ...]:
    """Return the HDUs of a file whose headers are plain and whose size is right, otherwise none."""
    file, start = FitsBytes(content), 0
    hdus: list[StoredHdu] = []
    while start < len(content):
        result = read_header(content, start)
        if result is None:
            return ()
        header, data_start = result
        size = data_size(header)
        if size is None or not _is_plain(header, is_first=not hdus):
            return ()
        end = data_start - (-size // BLOCK) * BLOCK
        if end > len(content):
            return ()
        name = header.get("EXTNAME", "" if hdus else "PRIMARY")
        hdus.append(StoredHdu(file, len(hdus), name, header, start, data_start, end))
        start = end
    return tuple(hdus)


def _is_plain(header: Mapping[str, Any], *, is_first: bool) -> bool:
    first_key = next(iter(header), "")
    if not isinstance(header.get("EXTNAME", ""), str):
        return False
    if is_first:
        return first_key == "SIMPLE" and header["SIMPLE"] is True and "GROUPS" not in header
    if first_key != "XTENSION" or header["XTENSION"] not in ("BINTABLE", "IMAGE"):
        return False
    is_table = header["XTENSION"] == "BINTABLE"
    return not is_table or (header["BITPIX"] == 8 and header["NAXIS"] == 2 and "TFIELDS" in header)


def _list_with_astropy(content: bytes) -> tuple[StoredHdu, ...]:
    file = FitsBytes(content)
    hdus = []
    for index, hdu in enumerate(file.astropy_hdus):
        layout = hdu.fileinfo()
        start, data_start = layout["hdrLoc"], layout["datLoc"]
        end = data_start + layout["datSpan"]
        hdus.append(StoredHdu(file, index, hdu.name, hdu.header, start, data_start, end))
    return tuple(hdus)


def check_structure(hdus: tuple[StoredHdu, ...], content: bytes) -> Iterator[tuple[str, str]]:
    """Check the length, the checksums and the names of the HDUs of a file.

    Parameters
    ----------
    hdus : tuple of StoredHdu
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
        name, end = hdu.name.upper(), hdu.end
        if end > len(content):
            missing = end - len(content)
            yield (
                name,
                f"the HDU is truncated: {missing} byte{'s' * (missing > 1)} missing at the end",
            )
        elif message := _describe_checksum_fault(hdu, content):
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


def _describe_checksum_fault(hdu: StoredHdu, content: bytes) -> str | None:
    """Check the cards CHECKSUM and DATASUM, if present (FITS standard 4.0, section 4.4.2.7)."""
    data, parent = content[hdu.data_start : hdu.end], content[hdu.header_start : hdu.end]
    if "DATASUM" in hdu.header and _compute_sum(data) != int(hdu.header["DATASUM"]):
        return "the checksum of the data differs from DATASUM"
    if "CHECKSUM" in hdu.header and _compute_sum(parent) not in (0, _ALL_BITS):
        return "the checksum of the HDU differs from CHECKSUM"
    return None


def _compute_sum(content: bytes) -> int:
    """Return the sum of 32-bit words in ones' complement."""
    total = int(np.frombuffer(content, ">u4").sum(dtype=np.uint64))
    while total > _ALL_BITS:
        total = (total & _ALL_BITS) + (total >> 32)
    return total
