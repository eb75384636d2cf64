"""The entries of each run in the index of an archive, and the faults in the index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from skyred.inspection.hdu_choice import (
    HDU_TYPES,
    TEXT_COLUMNS,
    HduChoice,
    choose_hdus,
    strip_cells,
)
from skyred.inspection.indexed_paths import IndexedPaths
from skyred.inspection.records import Finding, IndexedHdu, RunInput
from skyred.inspection.units import conversion_factor

REQUIRED_TYPES = ("events", "gti")
_REFERENCE = ("MJDREFI", "MJDREFF")


@attrs.frozen
class _Row:
    """One row of an HDU index."""

    hdu_type: str
    hdu_class: str
    folder: str
    file: str
    hdu: str

    @property
    def location(self) -> tuple[str, str]:
        return self.folder, self.file


def list_run_inputs(
    hdu_table: Any,
    obs_table_rows: Any,
    *,
    allow_outside: bool = False,
    required: Collection[str] = REQUIRED_TYPES,
    choice: HduChoice | None = None,
) -> list[RunInput]:
    """Return the input of the inspection for each run of an index.

    Parameters
    ----------
    hdu_table : astropy.table.Table
        The HDU index, with the folder of the archive as BASE_DIR in its metadata.
    obs_table_rows : astropy.table.Table
        The rows of the observation index for the selected runs.
    allow_outside : bool
        Whether files may be outside the folder of the archive.
    required : collection of str
        The HDU types that each run must have.
    choice : HduChoice, optional
        The rows of the HDU index that are used, as returned by `choose_hdus`; by default all.

    Returns
    -------
    list of RunInput
        The input for each row of the observation index, in the same order. Files that must not be
        read are not among the HDUs. If the HDU index is empty, because the data are stored
        elsewhere, there are no HDUs.

    Raises
    ------
    ArchiveError
        If a column of the HDU index is missing.
    """
    obs_ids = [int(obs_id) for obs_id in obs_table_rows["OBS_ID"]]
    choice = choose_hdus(hdu_table, {}) if choice is None else choice
    if len(hdu_table) == 0:
        return [RunInput(obs_id, ()) for obs_id in obs_ids]
    paths = IndexedPaths(Path(str(hdu_table.meta.get("BASE_DIR", ""))), allow_outside)
    rows = _rows_by_run(hdu_table if choice.mask.all() else hdu_table[choice.mask])
    index = _RunIndex(rows, paths, required, Counter(obs_ids), choice)
    pairs = zip(obs_ids, _values(obs_table_rows), strict=True)
    return [index.run_input(obs_id, values) for obs_id, values in pairs]


class _RunIndex:
    """An HDU index by run, with the HDUs that several runs share."""

    def __init__(
        self,
        rows: Mapping[int, list[_Row]],
        paths: IndexedPaths,
        required: Collection[str],
        obs_id_counts: Mapping[int, int],
        choice: HduChoice,
    ) -> None:
        self.rows = rows
        self.paths = paths
        self.required = required
        self.obs_id_counts = obs_id_counts
        self.choice = choice
        self.shared = _shared_hdus(rows)

    def run_input(self, obs_id: int, values: Mapping[str, Any]) -> RunInput:
        """Return the files of a run and the faults in its entries, with its row `values`."""
        rows = self.rows.get(obs_id, [])
        findings = [*self.choice.check_run(obs_id), *_check_rows(rows, self.required)]
        if self.obs_id_counts[obs_id] > 1:
            findings.append(
                Finding(
                    "the run is listed more than once in the observation index",
                    "index-run-repeated",
                )
            )
        indexed_hdus = []
        for row in rows:
            if row.hdu_type not in HDU_TYPES and row.hdu_type not in self.required:
                continue  # gammapy does not read it
            path = self.paths.resolve(row.hdu_type, row.folder, row.file)
            if isinstance(path, Finding):
                findings.append(attrs.evolve(path, hdu=row.hdu))
                continue
            indexed_hdus.append(IndexedHdu(row.hdu_type, row.hdu_class, path, row.hdu))
            if (other_run := _other_run(self.shared, obs_id, row)) is not None:
                message = f"the index also assigns this HDU ({row.hdu_type}) to run {other_run}"
                findings.append(Finding(message, "index-shared-hdu", file=path, hdu=row.hdu))
        findings_with_run = tuple(attrs.evolve(finding, obs_id=obs_id) for finding in findings)
        files_with_checksum = {hdu.path for hdu in indexed_hdus} & self.paths.checksums.keys()
        checksums = {path: self.paths.checksums[path] for path in files_with_checksum}
        if not self.choice.has_all_events(obs_id):  # EVENT_COUNT may include the events not used
            values = {name: value for name, value in values.items() if name != "EVENT_COUNT"}
        return RunInput(obs_id, tuple(indexed_hdus), values, findings_with_run, checksums)


def _rows_by_run(hdu_table: Any) -> dict[int, list[_Row]]:
    columns = [strip_cells(hdu_table[name]) for name in TEXT_COLUMNS]
    columns[0], columns[1] = ([name.lower() for name in column] for column in columns[:2])
    rows: dict[int, list[_Row]] = {}
    for obs_id, *cells in zip(np.asarray(hdu_table["OBS_ID"]).tolist(), *columns, strict=True):
        rows.setdefault(int(obs_id), []).append(_Row(*cells))
    return rows


def _check_rows(rows: list[_Row], required: Collection[str]) -> Iterator[Finding]:
    if not rows:
        yield Finding("the HDU index has no rows for this run", "index-missing-hdu")
        return
    hdu_types = dict.fromkeys(row.hdu_type for row in rows)
    missing = [hdu_type for hdu_type in required if hdu_type not in hdu_types]
    if missing:
        present = ", ".join(hdu_types)
        yield Finding(
            f"the index has no row with HDU_TYPE {', '.join(missing)} for this run; "
            f"available: {present}",
            "index-missing-hdu",
        )


def _shared_hdus(rows: Mapping[int, list[_Row]]) -> dict[tuple[str, str, str], list[int]]:
    """Return the HDUs that must belong to a single run but are listed for several runs.

    These are events, good time intervals, and all HDUs in the same file as events.
    """
    runs_by_hdu: dict[tuple[str, str, str], list[int]] = {}
    event_files = {row.location for run in rows.values() for row in run if row.hdu_type == "events"}
    for obs_id, run in rows.items():
        for row in dict.fromkeys(run):
            # responses in separate files may be used for many runs
            if row.location in event_files or row.hdu_type in REQUIRED_TYPES:
                runs_by_hdu.setdefault((*row.location, row.hdu.upper()), []).append(obs_id)
    return {hdu: runs for hdu, runs in runs_by_hdu.items() if len(set(runs)) > 1}


def _other_run(shared: Mapping[Any, list[int]], obs_id: int, row: _Row) -> int | None:
    runs = shared.get((*row.location, row.hdu.upper()), [])
    return next((run for run in runs if run != obs_id), None)


def _values(table: Any) -> Iterator[dict[str, Any]]:
    """Yield the values of each row by column, in s and deg, with the reference time."""
    columns = {name: _convert_column(table[name]) for name in table.colnames}
    reference = {key: table.meta[key] for key in _REFERENCE if key in (table.meta or {})}
    for row in range(len(table)):
        yield {**reference, **{name: column[row] for name, column in columns.items()}}


def _convert_column(column: Any) -> list[Any]:
    """Return the values of a column in plain Python types; times in s and angles in deg."""
    values = np.asarray(column)
    if values.dtype.kind not in "fiu":
        return strip_cells(column) if values.dtype.kind in "SU" else list(values.tolist())
    for unit in ("s", "deg"):
        scale = conversion_factor(str(getattr(column, "unit", None) or ""), unit)
        if scale not in (None, 1.0):
            return list((values * scale).tolist())
    masked = np.ma.getmaskarray(column) if hasattr(column, "mask") else np.zeros(len(values), bool)
    pairs = zip(values.tolist(), masked.tolist(), strict=True)
    return [None if is_masked else value for value, is_masked in pairs]
