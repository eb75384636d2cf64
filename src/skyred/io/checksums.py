"""SHA256SUMS files: the checksums of the files of a folder, and their verification."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

SUMS = "SHA256SUMS"
_ESCAPES = (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"))


def write_checksums(folder: Path, names: Iterable[str]) -> None:
    """Write SHA256SUMS, in the format of the command `sha256sum`, for files of a folder.

    Parameters
    ----------
    folder : Path
        The folder.
    names : iterable of str
        The files, relative to the folder.
    """
    lines = (_format_line(name, _compute_digest(folder / name)) for name in sorted(names))
    (folder / SUMS).write_text("".join(lines), encoding="utf-8", newline="\n")


def find_damage(folder: Path, names: Iterable[str] | None = None) -> str | None:
    """Compare the files of a folder with its SHA256SUMS, and describe the first difference.

    Parameters
    ----------
    folder : Path
        The folder.
    names : iterable of str, optional
        The files that SHA256SUMS must list, no more and no fewer; by default, the list is not
        checked.

    Returns
    -------
    str or None
        The difference, without a full stop; None if there is none.
    """
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError):
        return f"{SUMS} cannot be read"
    digests = dict(_parse_line(line) for line in lines if line)
    if names is not None and digests.keys() != set(names):
        return f"{SUMS} does not list the expected files"
    for name, digest in digests.items():
        if not (folder / name).is_file():
            return f"{name} is missing"
        try:
            if _compute_digest(folder / name) != digest:
                return f"{name} does not match {SUMS}: it was changed or damaged"
        except OSError:
            return f"{name} cannot be read"
    return None


def read_checksums(folder: Path) -> dict[str, str]:
    """Return the checksums in the SHA256SUMS of a folder.

    Parameters
    ----------
    folder : Path
        The folder.

    Returns
    -------
    dict of str to str
        The sha256 by file name; empty if SHA256SUMS cannot be read.
    """
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError):
        return {}
    return dict(_parse_line(line) for line in lines if line)


def file_checksum(path: Path) -> str:
    """Return the sha256 of a file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str
        The sha256 in hexadecimal; "" if the file cannot be read, or is not a regular file.
    """
    try:
        return _compute_digest(path) if path.is_file() else ""  # reading from a pipe would block
    except OSError:
        return ""


def _format_line(name: str, digest: str) -> str:
    escaped = name
    for character, escape in _ESCAPES:
        escaped = escaped.replace(character, escape)
    return f"{'' if escaped == name else chr(92)}{digest}  {escaped}\n"


def _parse_line(line: str) -> tuple[str, str]:
    digest, _, name = line.partition("  ")
    if digest.startswith("\\"):
        pieces = name.split("\\\\")
        for character, escape in _ESCAPES[1:]:
            pieces = [piece.replace(escape, character) for piece in pieces]
        name = "\\".join(pieces)
    return name, digest.removeprefix("\\")


def _compute_digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
