"""What an index says of runs: where their HDUs are, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from skyred.errors import ArchiveError
from skyred.inspection.records import Finding, HduSource, RunInput
from skyred.inspection.units import factor
from skyred.io.sums import stated_sums

NEEDED = ("events", "gti")
_TEXTS = ("HDU_TYPE", "HDU_CLASS", "FILE_DIR", "FILE_NAME", "HDU_NAME")
_REFERENCE = ("MJDREFI", "MJDREFF")


@attrs.frozen
class _Row:
    """One row of an HDU index."""

    kind: str
    form: str
    folder: str
    file: str
    hdu: str

    @property
    def place(self) -> tuple[str, str]:
        return self.folder, self.file


def run_inputs(
    hdu_table: Any,
    obs_table_rows: Any,
    *,
    allow_outside: bool = False,
    needed: Collection[str] = NEEDED,
) -> list[RunInput]:
    """Make of an archive's index what is to be inspected of each run.

    Parameters
    ----------
    hdu_table : astropy.table.Table
        The HDU index; its metadata has BASE_DIR, the folder that it is about.
    obs_table_rows : astropy.table.Table
        The rows of the observation index for the runs that are wanted.
    allow_outside : bool
        Whether files may lie outside that folder.
    needed : collection of str
        The kinds (HDU_TYPE) that a run cannot do without.

    Returns
    -------
    list of RunInput
        One for each row, in its order. A file that may not be read is not among its sources; a
        store whose HDU index is empty, because it keeps its data elsewhere, has no sources.

    Raises
    ------
    ArchiveError
        If the HDU index lacks a column.
    """
    wanted = [int(obs_id) for obs_id in obs_table_rows["OBS_ID"]]
    if len(hdu_table) == 0:
        return [RunInput(obs_id, ()) for obs_id in wanted]
    places = _Places(Path(str(hdu_table.meta.get("BASE_DIR", ""))), allow_outside)
    index = _Index(_rows_by_run(hdu_table), places, needed, Counter(wanted))
    pairs = zip(wanted, _values(obs_table_rows), strict=True)
    return [index.input_of(obs_id, values) for obs_id, values in pairs]


class _Index:
    """An HDU index by run, and what several of its rows share."""

    def __init__(
        self,
        rows: Mapping[int, list[_Row]],
        places: _Places,
        needed: Collection[str],
        wanted: Mapping[int, int],
    ) -> None:
        self.rows = rows
        self.places = places
        self.needed = needed
        self.wanted = wanted
        self.shared = _shared(rows)

    def input_of(self, obs_id: int, values: Mapping[str, Any]) -> RunInput:
        rows = self.rows.get(obs_id, [])
        found = list(_wrong_rows(rows, self.needed))
        if self.wanted[obs_id] > 1:
            found.append(Finding("the observation index has this run more than once"))
        sources = []
        for row in rows:
            path, message = self.places.of(row)
            if path is None:
                found.append(Finding(message, file=Path(row.folder) / row.file, hdu=row.hdu))
                continue
            sources.append(HduSource(row.kind, row.form, path, row.hdu))
            if (other := _other_run(self.shared, obs_id, row)) is not None:
                said = f"the index gives this HDU ({row.kind}) to run {other} too"
                found.append(Finding(said, file=path, hdu=row.hdu))
        named = tuple(attrs.evolve(finding, obs_id=obs_id) for finding in found)
        paths = {source.path for source in sources} & self.places.sums.keys()
        sums = {path: self.places.sums[path] for path in paths}
        return RunInput(obs_id, tuple(sources), values, named, sums)


def _rows_by_run(hdu_table: Any) -> dict[int, list[_Row]]:
    if missing := {"OBS_ID", *_TEXTS} - set(hdu_table.colnames):
        raise ArchiveError(f"the HDU index has no column {', '.join(sorted(missing))}")
    columns = [_texts(hdu_table[name]) for name in _TEXTS]
    columns[0], columns[1] = ([text.lower() for text in column] for column in columns[:2])
    rows: dict[int, list[_Row]] = {}
    for obs_id, *texts in zip(np.asarray(hdu_table["OBS_ID"]).tolist(), *columns, strict=True):
        rows.setdefault(int(obs_id), []).append(_Row(*texts))
    return rows


def _texts(column: Any) -> list[str]:
    return [str(text) for text in np.char.strip(np.asarray(column).astype(str)).tolist()]


def _wrong_rows(rows: list[_Row], needed: Collection[str]) -> Iterator[Finding]:
    kinds = Counter(row.kind for row in rows)
    if not rows:
        yield Finding("the HDU index has no rows for this run")
        return
    for row in dict.fromkeys(rows):
        if kinds[row.kind] > 1:
            said = f"the index has {kinds[row.kind]} rows of the kind {row.kind} for this run"
            yield Finding(said, file=Path(row.folder) / row.file, hdu=row.hdu)
            kinds[row.kind] = 0
    missing = [kind for kind in needed if kind not in kinds]
    if missing:
        have = ", ".join(kinds)
        yield Finding(f"the index lacks {', '.join(missing)} for this run; it has {have}")


def _shared(rows: Mapping[int, list[_Row]]) -> dict[tuple[str, str, str], list[int]]:
    """Give the HDUs that several runs have and only one can: events, and what lies with them."""
    users: dict[tuple[str, str, str], list[int]] = {}
    owners = {row.place for run in rows.values() for row in run if row.kind == "events"}
    for obs_id, run in rows.items():
        for row in dict.fromkeys(run):
            # responses that lie by themselves may serve many runs
            if row.place in owners or row.kind in NEEDED:
                users.setdefault((*row.place, row.hdu.upper()), []).append(obs_id)
    return {hdu: runs for hdu, runs in users.items() if len(set(runs)) > 1}


def _other_run(shared: Mapping[Any, list[int]], obs_id: int, row: _Row) -> int | None:
    runs = shared.get((*row.place, row.hdu.upper()), [])
    return next((run for run in runs if run != obs_id), None)


class _Places:
    """Where files are, each looked up once."""

    def __init__(self, base: Path, allow_outside: bool) -> None:
        self.base = base.resolve()
        self.allow_outside = allow_outside
        self.sums = {self.base / name: digest for name, digest in stated_sums(base).items()}
        self._known: dict[tuple[str, str], tuple[Path | None, str]] = {}

    def of(self, row: _Row) -> tuple[Path | None, str]:
        """Give the file of a row; or None, and why it may not be read."""
        if row.place not in self._known:
            self._known[row.place] = self._look(Path(row.folder) / row.file)
        return self._known[row.place]

    def _look(self, relative: Path) -> tuple[Path | None, str]:
        if "$" in str(relative) or str(relative).startswith("~"):
            return None, "the index names a file with a variable or ~, which is not expanded"
        path = self.base / relative
        if self.allow_outside:
            return path, ""
        if relative.is_absolute() or ".." in relative.parts:
            return None, f"the index names a file outside the archive {self.base}"
        try:
            inside = path.resolve().is_relative_to(self.base)
        except (OSError, RuntimeError, ValueError):  # a loop of links, a NUL in a name
            inside = False
        if not inside:
            return None, f"the file is a link that leaves the archive {self.base}"
        return path, ""


def _values(table: Any) -> Iterator[dict[str, Any]]:
    """Give what the index says of each run: numbers in s and deg, texts, the time reference."""
    columns = {name: _plain(table[name]) for name in table.colnames}
    common = {key: table.meta[key] for key in _REFERENCE if key in (table.meta or {})}
    for row in range(len(table)):
        yield {**common, **{name: column[row] for name, column in columns.items()}}


def _plain(column: Any) -> list[Any]:
    values = np.asarray(column)
    if values.dtype.kind not in "fiu":
        return _texts(column) if values.dtype.kind in "SU" else list(values.tolist())
    for unit in ("s", "deg"):
        scale = factor(str(getattr(column, "unit", None) or ""), unit)
        if scale not in (None, 1.0):
            return list((values * scale).tolist())
    masked = np.ma.getmaskarray(column) if hasattr(column, "mask") else np.zeros(len(values), bool)
    pairs = zip(values.tolist(), masked.tolist(), strict=True)
    return [None if hidden else value for value, hidden in pairs]
