"""A file read once: its sha256, its bytes unpacked and verified, its HDUs.

What is checked is what is used: the HDUs found here go on to gammapy, the file is not read again.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from skyred.inspection.map_headers import bad_shape
from skyred.inspection.records import Finding
from skyred.inspection.structure import flaws, open_hdus
from skyred.inspection.tables import Table

_GZIP, _FITS = b"\x1f\x8b", b"SIMPLE  ="


@attrs.frozen(eq=False)
class FileContent:
    """What a file holds, and what is wrong with it.

    Parameters
    ----------
    path : Path
        The file.
    sha256 : str
        Of its bytes as they lie there; "" if it cannot be read.
    content : bytes
        Its bytes, unpacked.
    hdus : mapping of str to HDU
        Its HDUs by name (upper case), the first of each name.
    findings : tuple of Finding
        What is wrong with it, before anyone asks what it means.
    """

    path: Path
    sha256: str = ""
    content: bytes = attrs.field(default=b"", repr=False)
    hdus: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    findings: tuple[Finding, ...] = ()

    def table(self, name: str) -> Table:
        """Give the table of an HDU."""
        hdu = self.hdus[name]
        start = hdu.fileinfo()["datLoc"]
        size = hdu.header["NAXIS1"] * hdu.header["NAXIS2"]
        return Table(hdu.header, memoryview(self.content)[start : start + size])


def read_file(path: Path) -> FileContent:
    """Read a file and verify it: gzip's CRC and length, FITS structure, checksum cards.

    Never raises for what is wrong with a file: it is in `findings`.
    """
    try:
        stored = _bytes_of(path)
    except OSError as error:
        return FileContent(path, findings=_faults(path, [("", _cannot(error))]))
    sha256 = hashlib.sha256(stored).hexdigest()
    try:
        content = gzip.decompress(stored) if stored.startswith(_GZIP) else stored
    except (OSError, EOFError, zlib.error) as error:
        said = f"its gzip is damaged: {_sentence(error)}; fetch the file again"
        return FileContent(path, sha256, findings=_faults(path, [("", said)]))
    return _parsed(path, sha256, content)


def _parsed(path: Path, sha256: str, content: bytes) -> FileContent:
    if not content.startswith(_FITS):
        said = "is no FITS file" if content else "is empty"
        return FileContent(path, sha256, findings=_faults(path, [("", said)]))
    try:
        opened = open_hdus(content)
        wrong = [*flaws(opened, content), *_code(opened)]
    except Exception as error:  # astropy raises anything for a damaged header
        said = f"cannot be read as FITS: {_sentence(error)}"
        return FileContent(path, sha256, findings=_faults(path, [("", said)]))
    hdus = {hdu.name: hdu for hdu in reversed(opened)}
    return FileContent(path, sha256, content, hdus, _faults(path, wrong))


def _code(hdus: Any) -> Iterator[tuple[str, str]]:
    # of the file as a whole: no option lets such a file through
    for hdu in hdus:
        if shape := bad_shape(hdu.header):
            yield "", f"{hdu.name} has the card WCSSHAPE = {shape!r:.60}, which gammapy would run"


def _bytes_of(path: Path) -> bytes:
    if path.exists() and not path.is_file():
        raise OSError("is no file")  # a pipe would wait for ever
    return path.read_bytes()


def _faults(path: Path, wrong: list[tuple[str, str]]) -> tuple[Finding, ...]:
    def each() -> Iterator[Finding]:
        for hdu, message in wrong:
            yield Finding(message, file=path, hdu=hdu)

    return tuple(each())


def _cannot(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file is missing"
    return f"cannot be read: {error.strerror or error}"


def _sentence(error: Exception) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__
