"""What is inspected, and what is found: runs with their HDUs, and findings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

LEVELS = ("fault", "note")


@attrs.frozen
class Finding:
    """One thing that an inspection found.

    Parameters
    ----------
    message : str
        What was found, and what was expected, as a sentence.
    level : {"fault", "note"}
        A run with a fault must not be used; a note is to be known.
    obs_id : int, optional
        The run.
    file : Path, optional
        The file.
    hdu : str
        The HDU in it.
    """

    message: str
    level: str = attrs.field(default="fault", validator=attrs.validators.in_(LEVELS))
    obs_id: int | None = None
    file: Path | None = None
    hdu: str = ""

    def __str__(self) -> str:
        place = f"{self.file}[{self.hdu}]" if self.hdu else str(self.file or "")
        return f"{place}: {self.message}" if place else self.message


@attrs.frozen
class HduSource:
    """One row of an HDU index: which HDU of which file holds a part of a run.

    Parameters
    ----------
    kind : str
        What it is: events, gti, aeff, edisp, psf, bkg, rad_max (HDU_TYPE).
    form : str
        In which form: events, aeff_2d, psf_3gauss, ... (HDU_CLASS).
    path : Path
        The file, absolute.
    name : str
        The name of the HDU.
    """

    kind: str
    form: str
    path: Path
    name: str


@attrs.frozen
class RunInput:
    """What an archive says of one run, before any of its files is opened.

    Parameters
    ----------
    obs_id : int
        The run.
    sources : tuple of HduSource
        Its HDUs.
    row : mapping of str to object
        What the observation index says of it, by column (numbers in its units, texts).
    findings : tuple of Finding
        What is wrong with the index: rows twice, files outside the archive.
    sums : mapping of Path to str
        The sha256 that the archive's SHA256SUMS states of its files, if it has one.
    """

    obs_id: int
    sources: tuple[HduSource, ...]
    row: Mapping[str, Any] = attrs.field(factory=dict)
    findings: tuple[Finding, ...] = ()
    sums: Mapping[Path, str] = attrs.field(factory=dict)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that hold it, each once."""
        return tuple(dict.fromkeys(source.path for source in self.sources))
