"""Input and results of the inspection: runs with their HDUs, and findings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from skyred.inspection.rules import RULES


@attrs.frozen
class Finding:
    """One result of an inspection.

    Parameters
    ----------
    message : str
        A sentence with the actual and the expected value.
    rule : str
        The name of the violated rule; "" for a fault from elsewhere, such as the selection.
    obs_id : int, optional
        The identifier of the run.
    file : Path, optional
        The file.
    hdu : str
        The name of the HDU in the file.
    """

    message: str
    rule: str = attrs.field(default="", validator=attrs.validators.in_(("", *RULES)))
    obs_id: int | None = None
    file: Path | None = None
    hdu: str = ""

    @property
    def level(self) -> str:
        """The severity of the rule: fault, warning or note."""
        return RULES[self.rule].severity if self.rule else "fault"

    @property
    def remedy(self) -> str:
        """Advice on the finding."""
        return RULES[self.rule].remedy if self.rule else ""

    @property
    def is_tolerable(self) -> bool:
        """Whether the run can be used nevertheless: False for faults in the index and in files."""
        return self.level != "fault" or bool(self.hdu and not self.rule.startswith("index-"))

    @property
    def advice(self) -> str:
        """The finding with the remedy and the name of the rule."""
        return f"{self}; {self.remedy} [{self.rule}]" if self.rule else str(self)

    def __str__(self) -> str:
        location = f"{self.file}[{self.hdu}]" if self.hdu else str(self.file or "")
        return f"{location}: {self.message}" if location else self.message


@attrs.frozen
class IndexedHdu:
    """One row of an HDU index: the file and the HDU that contain part of a run.

    Parameters
    ----------
    hdu_type : str
        HDU_TYPE: events, gti, aeff, edisp, psf, bkg, rad_max or pointing.
    hdu_class : str
        HDU_CLASS: events, aeff_2d, psf_3gauss, ...
    path : Path
        The absolute path of the file.
    name : str
        The name of the HDU.
    """

    hdu_type: str
    hdu_class: str
    path: Path
    name: str


@attrs.frozen
class RunInput:
    """The entries of one run in an archive's index, before any of its files is opened.

    Parameters
    ----------
    obs_id : int
        The identifier of the run.
    indexed_hdus : tuple of IndexedHdu
        The HDUs of the run.
    row : mapping of str to object
        The row of the observation index by column: numbers in s and deg, and strings.
    findings : tuple of Finding
        The findings on the index, such as repeated rows or files outside the archive.
    checksums : mapping of Path to str
        The expected SHA-256 digests of those files that the SHA256SUMS of the archive lists.
    """

    obs_id: int
    indexed_hdus: tuple[IndexedHdu, ...]
    row: Mapping[str, Any] = attrs.field(factory=dict)
    findings: tuple[Finding, ...] = ()
    checksums: Mapping[Path, str] = attrs.field(factory=dict)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of the run, without duplicates."""
        return tuple(dict.fromkeys(hdu.path for hdu in self.indexed_hdus))
