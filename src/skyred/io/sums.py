"""SHA256SUMS: the file that states what a folder's files should be, and the check of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

SUMS = "SHA256SUMS"
_ESCAPES = (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"))


def write_sums(folder: Path, names: Iterable[str]) -> None:
    """Write SHA256SUMS, in the form of the command `sha256sum`, for files of a folder."""
    lines = (_line(name, _digest(folder / name)) for name in sorted(names))
    (folder / SUMS).write_text("".join(lines), encoding="utf-8", newline="\n")


def damage(folder: Path, names: Iterable[str] | None = None) -> str | None:
    """Say what is wrong with a folder that should hold the files whose sums it states.

    Parameters
    ----------
    folder : Path
        The folder.
    names : iterable of str, optional
        The files that should be stated, no more and no less; by default whichever are.

    Returns
    -------
    str or None
        What is missing or different, as the end of a sentence; None if all is well.
    """
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError):
        return f"{SUMS} cannot be read"
    stated = dict(_stated(line) for line in lines if line)
    if names is not None and stated.keys() != set(names):
        return f"{SUMS} does not list the files that belong there"
    for name, digest in stated.items():
        if not (folder / name).is_file():
            return f"{name} is missing"
        try:
            if _digest(folder / name) != digest:
                return f"{name} is not what {SUMS} says: it was changed or damaged"
        except OSError:
            return f"{name} cannot be read"
    return None


def stated_sums(folder: Path) -> dict[str, str]:
    """Give the sums that a folder states of its files, by name; none if they cannot be read."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError):
        return {}
    return dict(_stated(line) for line in lines if line)


def sum_of(path: Path) -> str:
    """Give the sha256 of a file; "" if it cannot be read."""
    try:
        return _digest(path)
    except OSError:
        return ""


def _line(name: str, digest: str) -> str:
    escaped = name
    for character, escape in _ESCAPES:
        escaped = escaped.replace(character, escape)
    return f"{'' if escaped == name else chr(92)}{digest}  {escaped}\n"


def _stated(line: str) -> tuple[str, str]:
    digest, _, name = line.partition("  ")
    if digest.startswith("\\"):
        pieces = name.split("\\\\")
        for character, escape in _ESCAPES[1:]:
            pieces = [piece.replace(escape, character) for piece in pieces]
        name = "\\".join(pieces)
    return name, digest.removeprefix("\\")


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
