"""SHA256SUMS: the file that states what an archive's files should be, and the check of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

SUMS = "SHA256SUMS"


def write_sums(folder: Path, names: Iterable[str]) -> None:
    """Write SHA256SUMS, in the form of the command `sha256sum`, for files of a folder."""
    lines = (f"{_digest(folder / name)}  {name}\n" for name in sorted(names))
    (folder / SUMS).write_text("".join(lines), encoding="utf-8", newline="\n")


def damage(folder: Path, names: Iterable[str]) -> str | None:
    """Say what is wrong with a folder that should hold these files with the sums it states.

    Returns
    -------
    str or None
        What is missing or different, as the end of a sentence; None if all is well.
    """
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return f"{SUMS} cannot be read"
    stated = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    if stated.keys() != set(names):
        return f"{SUMS} does not list the files that belong there"
    for name, digest in stated.items():
        try:
            if _digest(folder / name) != digest:
                return f"{name} is not what {SUMS} says"
        except OSError:
            return f"{name} cannot be read"
    return None


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
