"""The choice between several HDUs of one type for a run, such as the IRFs of event classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from skyred.errors import ArchiveError
from skyred.inspection.records import Finding

HDU_TYPES = ("events", "gti", "aeff", "edisp", "psf", "bkg", "rad_max", "pointing")
_NOT_A_CHOICE = ("OBS_ID", "HDU_TYPE", "SIZE", "MTIME", "MD5")
_MAX_LISTED = 20


@attrs.frozen(eq=False)
class HduChoice:
    """The rows of an HDU index that are used.

    Parameters
    ----------
    mask : numpy.ndarray of bool
        Whether each row is used, shape (n,).
    findings : mapping of int to list of Finding
        The faults by OBS_ID. A run has a fault if it has several HDUs of one type, or no HDU of a
        type is left after the choice.
    partial_events : frozenset of int
        The OBS_IDs of the runs with several lists of events of which only some are used.
    """

    mask: NDArray[np.bool_]
    findings: Mapping[int, list[Finding]]
    partial_events: frozenset[int]


def choose_hdus(hdu_table: Any, patterns: Mapping[str, Any]) -> HduChoice:
    """Choose the HDUs of each run, and report the types of which a run still has several.

    Parameters
    ----------
    hdu_table : astropy.table.Table
        The HDU index.
    patterns : mapping of str to object
        The choice. If a key is a type of HDUs (psf), the value is a pattern of HDU_NAME. If a key
        is a column of the index, the value is a pattern of its values, for all types of which a run
        has several HDUs. Patterns may contain the wildcards ``*`` and ``?``; upper and lower case
        are not distinguished.

    Returns
    -------
    HduChoice
        The chosen rows, and the findings.

    Raises
    ------
    ArchiveError
        If a key is neither a type nor a column, or a pattern matches no row.
    """
    if len(hdu_table) == 0 and patterns:
        raise ArchiveError("hdus has no effect: the archive has no HDU index; remove hdus")
    index = _Index(hdu_table)
    mask = np.ones(len(hdu_table), dtype=bool)
    for key, pattern in patterns.items():
        mask &= index.matches(str(key), str(pattern).strip(), patterns)
    rows = zip(index.obs_ids, index.kinds, mask.tolist(), strict=True)
    partial_events = frozenset(
        obs_id for obs_id, kind, is_used in rows if kind == "events" and not is_used
    )
    return HduChoice(mask, index.find_faults(mask), partial_events)


def strip_cells(column: Any) -> list[str]:
    """Return the values of a column as strings without surrounding blanks.

    Parameters
    ----------
    column : astropy.table.Column
        The column, shape (n,).

    Returns
    -------
    list of str
        The values.
    """
    return [str(cell) for cell in np.char.strip(np.asarray(column).astype(str)).tolist()]


class _Index:
    """The rows of an HDU index, by run and type."""

    def __init__(self, hdu_table: Any) -> None:
        self.table = hdu_table
        self.kinds = [kind.lower() for kind in strip_cells(hdu_table["HDU_TYPE"])]
        self.obs_ids = np.asarray(hdu_table["OBS_ID"]).tolist()
        self.rows: dict[tuple[int, str], list[int]] = {}
        for row, key in enumerate(zip(self.obs_ids, self.kinds, strict=True)):
            self.rows.setdefault(key, []).append(row)

    def matches(self, key: str, pattern: str, patterns: Iterable[str]) -> NDArray[np.bool_]:
        """Return whether one pattern keeps each row."""
        column = "HDU_NAME" if key in HDU_TYPES else key
        if column not in self.table.colnames:
            raise ArchiveError(
                f"hdus: {key!r} is neither a type of HDUs ({', '.join(HDU_TYPES)}) nor a column of "
                f"the HDU index; its columns are {', '.join(self.table.colnames)}"
            )
        kinds = {key} if key in HDU_TYPES else self._repeated_kinds() - set(patterns)
        is_match = _match_values(strip_cells(self.table[column]), pattern)
        is_candidate = np.isin(self.kinds, sorted(kinds or set(self.kinds)))
        if not np.any(is_match & is_candidate):
            values = _format_values(np.asarray(strip_cells(self.table[column]))[is_candidate])
            raise ArchiveError(
                f"hdus: no HDU has {column} {pattern!r}; "
                + (f"expected one of: {values}" if values else f"the index has no {key}")
            )
        return is_match | ~np.isin(self.kinds, sorted(kinds))

    def _repeated_kinds(self) -> set[str]:
        return {kind for (_, kind), rows in self.rows.items() if len(rows) > 1}

    def find_faults(self, mask: NDArray[np.bool_]) -> dict[int, list[Finding]]:
        faults: dict[int, list[Finding]] = {}
        is_used = mask.tolist()
        for (obs_id, kind), rows in self.rows.items():
            used_rows = [row for row in rows if is_used[row]]
            if not used_rows:
                choices = self._format_choices(rows)
                message = f"hdus matches no HDU with HDU_TYPE {kind} of this run{choices}"
                faults.setdefault(obs_id, []).append(Finding(message, "index-missing-hdu"))
            elif len(used_rows) > 1:
                faults.setdefault(obs_id, []).append(self._report_repeated(kind, used_rows))
        return faults

    def _report_repeated(self, kind: str, rows: list[int]) -> Finding:
        folder, file, hdu = (
            strip_cells(self.table[name][rows[:1]])[0]
            for name in ("FILE_DIR", "FILE_NAME", "HDU_NAME")
        )
        message = (
            f"the index has {len(rows)} rows with HDU_TYPE {kind} for this run"
            f"{self._format_choices(rows)}"
        )
        return Finding(message, "index-repeated-hdu", file=Path(folder) / file, hdu=hdu)

    def _format_choices(self, rows: list[int]) -> str:
        """Return the values by which some rows can be distinguished, in brackets."""
        choices = "; ".join(self._iter_choices(rows))
        return f" ({choices})" if choices else ""

    def _iter_choices(self, rows: list[int]) -> Iterator[str]:
        for name in self.table.colnames:
            values = strip_cells(self.table[name][rows]) if name not in _NOT_A_CHOICE else []
            if len(set(values)) > 1 or (name == "HDU_NAME" and len(rows) == 1):
                yield f"{name}: {_format_values(values)}"


def _match_values(values: Sequence[str], pattern: str) -> NDArray[np.bool_]:
    folded_pattern = pattern.casefold()
    is_match = {
        value: folded_pattern == value.casefold()
        or fnmatchcase(value.casefold(), folded_pattern)
        or _is_same_number(value, pattern)
        for value in Counter(values)
    }
    return np.array([is_match[value] for value in values], dtype=bool)


def _is_same_number(value: str, pattern: str) -> bool:
    try:
        return float(value) == float(pattern)
    except ValueError:
        return False


def _format_values(values: Iterable[str]) -> str:
    unique_values = list(dict.fromkeys(values))
    number = len(unique_values) - _MAX_LISTED
    others = f", and {number} others" if number > 0 else ""
    return ", ".join(unique_values[:_MAX_LISTED]) + others
