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
_MOST_LISTED = 20


@attrs.frozen(eq=False)
class HduChoice:
    """The rows of an HDU index that are used.

    Parameters
    ----------
    mask : numpy.ndarray of bool
        Whether each row is used, shape (n,).
    findings : mapping of int to list of Finding
        The types of HDUs of which a run has several, or none after the choice, by OBS_ID.
    partial_events : frozenset of int
        The OBS_IDs of the runs of which only some of several lists of events are used.
    """

    mask: NDArray[np.bool_]
    findings: Mapping[int, list[Finding]]
    partial_events: frozenset[int]


def choose_hdus(hdu_table: Any, patterns: Mapping[str, Any]) -> HduChoice:
    """Choose the HDUs of each run, and report the types of which it still has several.

    Parameters
    ----------
    hdu_table : astropy.table.Table
        The HDU index.
    patterns : mapping of str to object
        The choice. A key is a type of HDUs (psf), with a pattern of HDU_NAME; or a column of the
        index, with a pattern of its values for all types of which a run has several HDUs. Patterns
        may contain the wildcards ``*`` and ``?``; upper and lower case are not distinguished.

    Returns
    -------
    HduChoice
        The chosen rows, and findings.

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
    dropped = zip(index.obs_ids, index.kinds, mask.tolist(), strict=True)
    partial = frozenset(run for run, kind, is_used in dropped if kind == "events" and not is_used)
    return HduChoice(mask, index.findings(mask), partial)


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
        """Return the mask of the rows that are kept by one pattern."""
        column = "HDU_NAME" if key in HDU_TYPES else key
        if column not in self.table.colnames:
            raise ArchiveError(
                f"hdus: {key!r} is neither a type of HDUs ({', '.join(HDU_TYPES)}) nor a column of "
                f"the HDU index; its columns are {', '.join(self.table.colnames)}"
            )
        kinds = {key} if key in HDU_TYPES else self._repeated_kinds() - set(patterns)
        is_match = _match(strip_cells(self.table[column]), pattern)
        candidates = np.isin(self.kinds, sorted(kinds or set(self.kinds)))
        if not np.any(is_match & candidates):
            values = _format(np.asarray(strip_cells(self.table[column]))[candidates])
            raise ArchiveError(
                f"hdus: no HDU has {column} {pattern!r}; "
                + (f"expected one of: {values}" if values else f"the index has no {key}")
            )
        return is_match | ~np.isin(self.kinds, sorted(kinds))

    def _repeated_kinds(self) -> set[str]:
        return {kind for (_, kind), rows in self.rows.items() if len(rows) > 1}

    def findings(self, mask: NDArray[np.bool_]) -> dict[int, list[Finding]]:
        by_run: dict[int, list[Finding]] = {}
        is_used = mask.tolist()
        for (obs_id, kind), rows in self.rows.items():
            number = sum(is_used[row] for row in rows)
            if number == 0:
                message = f"hdus matches no HDU with HDU_TYPE {kind} of this run{self._list(rows)}"
                by_run.setdefault(obs_id, []).append(Finding(message, "index-missing-hdu"))
            elif number > 1:
                repeated = [row for row in rows if is_used[row]]
                by_run.setdefault(obs_id, []).append(self._repeated(kind, repeated))
        return by_run

    def _repeated(self, kind: str, rows: list[int]) -> Finding:
        folder, file, hdu = (
            strip_cells(self.table[name][rows[:1]])[0]
            for name in ("FILE_DIR", "FILE_NAME", "HDU_NAME")
        )
        message = f"the index has {len(rows)} rows with HDU_TYPE {kind} for this run"
        return Finding(
            message + self._list(rows), "index-repeated-hdu", file=Path(folder) / file, hdu=hdu
        )

    def _list(self, rows: list[int]) -> str:
        """Return the values by which some rows can be distinguished, in brackets."""
        choices = "; ".join(self._iter_choices(rows))
        return f" ({choices})" if choices else ""

    def _iter_choices(self, rows: list[int]) -> Iterator[str]:
        for name in self.table.colnames:
            values = strip_cells(self.table[name][rows]) if name not in _NOT_A_CHOICE else []
            if len(set(values)) > 1 or (name == "HDU_NAME" and len(rows) == 1):
                yield f"{name}: {_format(values)}"


def _match(values: Sequence[str], pattern: str) -> NDArray[np.bool_]:
    folded = pattern.casefold()
    matches = {
        value: folded == value.casefold()
        or fnmatchcase(value.casefold(), folded)
        or _is_same_number(value, pattern)
        for value in Counter(values)
    }
    return np.array([matches[value] for value in values], dtype=bool)


def _is_same_number(value: str, pattern: str) -> bool:
    try:
        return float(value) == float(pattern)
    except ValueError:
        return False


def _format(values: Iterable[str]) -> str:
    listed = list(dict.fromkeys(values))
    more = f", and {len(listed) - _MOST_LISTED} others" if len(listed) > _MOST_LISTED else ""
    return ", ".join(listed[:_MOST_LISTED]) + more
