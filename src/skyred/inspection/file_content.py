"""The content of a file, with its sha256, its HDUs, and faults such as truncation.

The file is read only once, because gammapy uses the HDUs that are checked here.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable, Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from skyred.inspection.file_checks import describe_code, find_code
from skyred.inspection.records import Finding
from skyred.inspection.structure import StoredHdu, check_structure, list_hdus
from skyred.inspection.tables import Table

_GZIP, _FITS = b"\x1f\x8b", b"SIMPLE  ="


@attrs.frozen(eq=False)
class FileContent:
    """The content of a file, and its faults.

    Parameters
    ----------
    path : Path
        The file.
    sha256 : str
        The digest of the stored bytes; "" if the file cannot be read.
    content : bytes
        The uncompressed bytes; empty if they are not a readable FITS file.
    hdus : mapping of str to StoredHdu
        The HDUs by name (upper case); the first of several HDUs with the same name.
    findings : tuple of Finding
        The faults in the file itself, not those in the values of its tables.

    Attributes
    ----------
    results : dict
        The results of checks that do not depend on the run, by check and HDU.
    """

    path: Path
    sha256: str = ""
    content: bytes = attrs.field(default=b"", repr=False)
    hdus: Mapping[str, StoredHdu] = attrs.field(factory=dict, repr=False)
    findings: tuple[Finding, ...] = ()
    results: dict[Hashable, Any] = attrs.field(factory=dict, init=False, repr=False)
    _tables: dict[str, Table] = attrs.field(factory=dict, init=False, repr=False)

    def table(self, name: str) -> Table:
        """Return the table of an HDU.

        Parameters
        ----------
        name : str
            The name of the HDU, in upper case.

        Returns
        -------
        Table
            The header and the rows.
        """
        if name not in self._tables:
            hdu = self.hdus[name]
            size = hdu.header["NAXIS1"] * hdu.header["NAXIS2"]
            rows = memoryview(self.content)[hdu.data_start : hdu.data_start + size]
            self._tables[name] = Table(hdu.header, rows)
        return self._tables[name]


def read_file(
    path: Path, find: Callable[[Path, str], FileContent | None] = lambda path, sha256: None
) -> FileContent:
    """Read a file and verify the CRC of gzip data, the FITS structure and checksum cards.

    No error is raised for a faulty file; the faults are in `findings`.

    Parameters
    ----------
    path : Path
        The file.
    find : callable, optional
        Returns the file that was read before from the same path with the same sha256, or None.

    Returns
    -------
    FileContent
        The content and the faults.
    """
    try:
        stored_bytes = _read_bytes(path)
    except OSError as error:
        return FileContent(path, findings=_create_findings(path, [("", _describe_os_error(error))]))
    sha256 = hashlib.sha256(stored_bytes).hexdigest()
    if (file := find(path, sha256)) is not None:
        return file
    try:
        is_compressed = stored_bytes.startswith(_GZIP)
        content = gzip.decompress(stored_bytes) if is_compressed else stored_bytes
    except (OSError, EOFError, zlib.error) as error:
        message = f"the gzip data are damaged: {_describe(error)}"
        return FileContent(path, sha256, findings=_create_findings(path, [("", message)]))
    return _parse(path, sha256, content)


def _parse(path: Path, sha256: str, content: bytes) -> FileContent:
    if not content.startswith(_FITS):
        message = "the file is not a FITS file" if content else "the file is empty"
        return FileContent(path, sha256, findings=_create_findings(path, [("", message)]))
    try:
        hdus = list_hdus(content)
        findings = _create_findings(path, list(check_structure(hdus, content)))
        findings += _create_findings(path, list(_find_code(hdus)), "header-with-code")
    except Exception as error:  # astropy may raise anything for a damaged header
        message = f"the file cannot be read as FITS: {_describe(error)}"
        return FileContent(path, sha256, findings=_create_findings(path, [("", message)]))
    hdus_by_name = {hdu.name.upper(): hdu for hdu in reversed(hdus)}
    return FileContent(path, sha256, content, hdus_by_name, findings)


def _find_code(hdus: tuple[StoredHdu, ...]) -> Iterator[tuple[str, str]]:
    # reported without an HDU, so that `on_fault: note` does not accept the file
    for hdu in hdus:
        if code := find_code(hdu.header):
            yield "", f"{hdu.name} {describe_code(code)}"


def _read_bytes(path: Path) -> bytes:
    if path.exists() and not path.is_file():
        raise OSError("it is not a regular file")  # reading from a pipe would block
    return path.read_bytes()


def _create_findings(
    path: Path, messages: list[tuple[str, str]], rule: str = "file-damaged"
) -> tuple[Finding, ...]:
    return tuple(Finding(message, rule, file=path, hdu=hdu) for hdu, message in messages)


def _describe_os_error(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file is missing"
    return f"the file cannot be read: {error.strerror or error}"


def _describe(error: Exception) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__
