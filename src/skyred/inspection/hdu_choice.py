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

from skyred.errors import ArchiveError, format_list
from skyred.inspection.records import Finding

HDU_TYPES = ("events", "gti", "aeff", "edisp", "psf", "bkg", "rad_max", "pointing")  # of gammapy
DATA_TYPES = ("events", "aeff", "edisp", "psf", "bkg", "rad_max")  # with one HDU per event class
_IGNORED_COLUMNS = ("OBS_ID", "HDU_TYPE", "SIZE", "MTIME", "MD5")
TEXT_COLUMNS = ("HDU_TYPE", "HDU_CLASS", "FILE_DIR", "FILE_NAME", "HDU_NAME")
_MAX_LISTED = 20


@attrs.frozen(eq=False)
class HduChoice:
    """The rows of an HDU index that are used.

    Parameters
    ----------
    mask : numpy.ndarray of bool
        Whether each row is used, shape (n,).
    index : HduIndex, optional
        The rows by run; None if there are none.
    """

    mask: NDArray[np.bool_]
    index: HduIndex | None = None

    def check_run(self, obs_id: int) -> list[Finding]:
        """Report HDU types for which not exactly one HDU of a run is left after the choice.

        Parameters
        ----------
        obs_id : int
            The OBS_ID of the run.

        Returns
        -------
        list of Finding
            The findings, one for each type.
        """
        return [] if self.index is None else list(self.index.check_run(obs_id, self.mask))

    def has_all_events(self, obs_id: int) -> bool:
        """Return whether all events HDUs of a run are used.

        Parameters
        ----------
        obs_id : int
            The OBS_ID of the run.

        Returns
        -------
        bool
            False if at least one is not used.
        """
        rows = [] if self.index is None else self.index.rows_of(obs_id).get("events", [])
        return all(self.mask[row] for row in rows)


def choose_hdus(hdu_table: Any, patterns: Mapping[str, Any]) -> HduChoice:
    """Choose the HDUs of each run.

    Parameters
    ----------
    hdu_table : astropy.table.Table
        The HDU index.
    patterns : mapping of str to object
        Patterns that select HDUs. The pattern of an HDU type (psf) is compared with HDU_NAME. The
        pattern of a column of the index is compared with its values; it applies to the types with
        several HDUs in any run, except for types with a pattern of their own. Events and IRFs of
        the other types are rejected too if a rejected HDU has the same value, such as the
        background of another event class. Patterns may contain the wildcards of `fnmatch`, such as
        ``*`` and ``?``; matching is case-insensitive, and numbers are compared by value.

    Returns
    -------
    HduChoice
        The chosen rows.

    Raises
    ------
    ArchiveError
        If a column of the HDU index is missing; if a key is neither a type nor a column, or a
        pattern matches no row; if patterns are set for an archive without an HDU index; or if no
        run has several HDUs of a type, and a pattern of a column does not match all events and
        IRFs.
    """
    mask = np.ones(len(hdu_table), dtype=bool)
    if len(hdu_table) == 0:
        if patterns:
            raise ArchiveError(
                "the option 'hdus' has no effect: the archive has no HDU index; remove the option"
            )
        return HduChoice(mask)
    if missing := {"OBS_ID", *TEXT_COLUMNS} - set(hdu_table.colnames):
        raise ArchiveError(f"the HDU index has no column {', '.join(sorted(missing))}")
    index = HduIndex(hdu_table)
    for key, pattern in patterns.items():
        mask &= index.matches(str(key), str(pattern).strip(), patterns)
    return HduChoice(mask, index)


def strip_cells(column: Any) -> list[str]:
    """Return the values of a column as strings without surrounding whitespace.

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


class HduIndex:
    """The rows of an HDU index, by run and type.

    Parameters
    ----------
    hdu_table : astropy.table.Table
        The HDU index.
    """

    def __init__(self, hdu_table: Any) -> None:
        self.table = hdu_table
        self.hdu_types = [name.lower() for name in strip_cells(hdu_table["HDU_TYPE"])]
        obs_ids = np.asarray(hdu_table["OBS_ID"]).tolist()
        self.rows: dict[int, dict[str, list[int]]] = {}
        for row, (obs_id, hdu_type) in enumerate(zip(obs_ids, self.hdu_types, strict=True)):
            self.rows.setdefault(obs_id, {}).setdefault(hdu_type, []).append(row)

    def rows_of(self, obs_id: int) -> dict[str, list[int]]:
        """Return the rows of a run.

        Parameters
        ----------
        obs_id : int
            The OBS_ID of the run.

        Returns
        -------
        dict of str to list of int
            The indices of its rows, by type; empty if it has none.
        """
        return self.rows.get(obs_id, {})

    def matches(self, key: str, pattern: str, patterns: Iterable[str]) -> NDArray[np.bool_]:
        """Return a mask of the rows that remain after applying a pattern.

        Parameters
        ----------
        key : str
            The HDU type or the column of the pattern.
        pattern : str
            The pattern.
        patterns : iterable of str
            The keys of all patterns.

        Returns
        -------
        numpy.ndarray of bool
            The mask, shape (n,).

        Raises
        ------
        ArchiveError
            If the key is neither a type nor a column, the pattern matches no row, or the pattern of
            a column is not needed but does not match all events and IRFs.
        """
        column = "HDU_NAME" if key in HDU_TYPES else key
        if column not in self.table.colnames:
            raise ArchiveError(
                f"hdus: {key!r} is neither an HDU type ({', '.join(HDU_TYPES)}) nor a column of "
                f"the HDU index; its columns are {', '.join(self.table.colnames)}"
            )
        hdu_types = {key} if key in HDU_TYPES else self._repeated_types() - set(patterns)
        is_match = _match_values(strip_cells(self.table[column]), pattern)
        is_candidate = np.isin(self.hdu_types, sorted(hdu_types or set(self.hdu_types)))
        if not np.any(is_match & is_candidate):
            values = _format_values(np.asarray(strip_cells(self.table[column]))[is_candidate])
            missing = f"HDU_TYPE {key}" if key in HDU_TYPES else key
            raise ArchiveError(
                f"hdus: no HDU has {column} {pattern!r}; "
                + (f"expected one of: {values}" if values else f"no row of the index has {missing}")
            )
        is_limited = np.isin(self.hdu_types, sorted(hdu_types))
        if key in HDU_TYPES or key == "HDU_NAME":
            return is_match | ~is_limited
        return self._match_column(key, pattern, is_match, is_limited, set(patterns))

    def _match_column(
        self,
        column: str,
        pattern: str,
        is_match: NDArray[np.bool_],
        is_limited: NDArray[np.bool_],
        own_types: set[str],
    ) -> NDArray[np.bool_]:
        """Return a mask of the rows that are not in a rejected class, shape (n,)."""
        values = np.asarray(strip_cells(self.table[column]))
        is_data = np.isin(self.hdu_types, sorted({*DATA_TYPES} - own_types))
        if is_limited.any():
            is_rejected = np.isin(values, values[is_limited & ~is_match]) & is_data
            return is_match | ~(is_limited | is_rejected)
        if (is_data & ~is_match).any():
            others = _format_values(values[is_data & ~is_match])
            raise ArchiveError(
                f"hdus: no run has several HDUs of the same type, and {column} of some events or "
                f"IRFs is {others} instead of {pattern!r}; remove {column} from the option 'hdus'"
            )
        return np.ones(len(values), dtype=bool)

    def _repeated_types(self) -> set[str]:
        return {
            hdu_type
            for rows_by_type in self.rows.values()
            for hdu_type, rows in rows_by_type.items()
            if len(rows) > 1
        }

    def check_run(self, obs_id: int, mask: NDArray[np.bool_]) -> Iterator[Finding]:
        """Report HDU types for which not exactly one HDU of a run is used.

        Parameters
        ----------
        obs_id : int
            The OBS_ID of the run.
        mask : numpy.ndarray of bool
            Whether each row is used, shape (n,).

        Yields
        ------
        Finding
            A fault in the index.
        """
        for hdu_type, rows in self.rows_of(obs_id).items():
            if hdu_type not in HDU_TYPES:  # gammapy does not read it
                continue
            used_rows = [row for row in rows if mask[row]]
            if not used_rows:
                choices = self._format_choices(rows)
                message = (
                    f"no HDU of this run with HDU_TYPE {hdu_type} matches the option "
                    f"'hdus'{choices}"
                )
                yield Finding(message, "index-missing-hdu")
            elif len(used_rows) > 1:
                yield self._report_repeated(hdu_type, used_rows)

    def _report_repeated(self, hdu_type: str, rows: list[int]) -> Finding:
        folder, file, hdu = (
            strip_cells(self.table[name][rows[:1]])[0]
            for name in ("FILE_DIR", "FILE_NAME", "HDU_NAME")
        )
        message = (
            f"the index has {len(rows)} rows with HDU_TYPE {hdu_type} for this run"
            f"{self._format_choices(rows)}"
        )
        return Finding(message, "index-repeated-hdu", file=Path(folder) / file, hdu=hdu)

    def _format_choices(self, rows: list[int]) -> str:
        """Return the values that differ between rows, in brackets; HDU_NAME for a single row."""
        choices = "; ".join(self._iter_choices(rows))
        return f" ({choices})" if choices else ""

    def _iter_choices(self, rows: list[int]) -> Iterator[str]:
        for name in self.table.colnames:
            values = strip_cells(self.table[name][rows]) if name not in _IGNORED_COLUMNS else []
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
    return format_list(list(dict.fromkeys(values)), _MAX_LISTED)
