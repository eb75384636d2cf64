"""The selector `file-list`: runs whose OBS_ID is listed in a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from skyred.components.selectors import select_ids
from skyred.errors import ArchiveError, Problem, format_list, format_value
from skyred.fields import Location, option
from skyred.interfaces import Chain, Selector, component

if TYPE_CHECKING:
    from gammapy.data import ObservationTable

    from skyred.scripting import Script

COLUMNS = ("OBS_ID", "obs_id")
_ECSV = "# %ECSV"
_MAX_BYTES = 10_000_000
_MAX_LISTED = 10


@component
class FileList(Selector):
    """Runs whose OBS_ID is listed in a file."""

    kind = "file-list"
    path: Location = option(
        type=Location,
        doc="A text file with one OBS_ID per line, where # begins a comment; or an ECSV table with "
        "a column OBS_ID or obs_id, such as the observations.ecsv of a run folder.",
    )

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Check that the file is a list of OBS_IDs.

        Parameters
        ----------
        pipeline : Chain
            The whole pipeline.

        Yields
        ------
        Problem
            A file that is not a valid list of OBS_IDs; missing files are reported elsewhere.
        """
        if self.path.unset_variables() or not self.path.path().is_file():
            return
        try:
            read_ids(self.path.path())
        except ArchiveError as error:
            yield Problem(("path",), str(error), "correct the file")

    def select(self, table: ObservationTable) -> ObservationTable:
        """Keep the runs in the file.

        Parameters
        ----------
        table : gammapy.data.ObservationTable
            The observations to select from.

        Returns
        -------
        gammapy.data.ObservationTable
            The selected rows, unchanged.

        Raises
        ------
        ArchiveError
            If the file is not a list of OBS_IDs; or if one of them is not in the table, because it
            is missing from the archive or excluded by a previous selector.
        """
        path = self.path.path()
        return select_ids(table, read_ids(path), f"'file-list' ({path})", "correct the file")

    def write_script(self, script: Script) -> None:
        """Write the selection of rows by the OBS_IDs in the file.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        script.use("numpy as np")
        path = script.path(self.path)
        if _is_ecsv(self.path.path()):
            script.use("astropy.table", "Table")
            column = _read_ecsv(self.path.path())[0]
            code = f'Table.read({path}, format="ascii.ecsv")["{column}"].astype(int)'
        else:
            code = f'np.loadtxt({path}, dtype=int, ndmin=1, encoding="utf-8-sig")'
        runs = script.constant(f"{script.entry}_RUNS", code)
        script.body.add(f'table = table[np.isin(table["OBS_ID"], {runs})]')


@attrs.frozen
class _Cell:
    """A value in a file, and its location, such as 'line 3'."""

    value: str
    location: str


def read_ids(path: Path) -> list[int]:
    """Read a list of OBS_IDs.

    Parameters
    ----------
    path : Path
        A text file with one OBS_ID per line, where # begins a comment; or an ECSV table with a
        column OBS_ID or obs_id.

    Returns
    -------
    list of int
        The OBS_IDs, in the order of the file.

    Raises
    ------
    ArchiveError
        If the file cannot be read, is larger than 10 MB, or contains no OBS_ID; if a table does not
        have exactly one column OBS_ID or obs_id, or a line of a text file has several values; or if
        a value is invalid or repeated.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ArchiveError(f"{path} is larger than {_MAX_BYTES // 10**6} MB")
        cells = _read_ecsv(path)[1] if _is_ecsv(path) else _read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ArchiveError(f"{path} cannot be read: {error}") from None
    if not cells:
        raise ArchiveError(f"{path} has no OBS_ID")
    ids = [_parse(cell, path) for cell in cells]
    _check_duplicates(ids, cells, path)
    return ids


def _is_ecsv(path: Path) -> bool:
    with path.open(encoding="utf-8") as stream:
        return stream.readline().startswith(_ECSV)


def _read_text(path: Path) -> list[_Cell]:
    cells = []
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    for number, line in enumerate(lines, start=1):
        values = line.partition("#")[0].split()
        if len(values) > 1:
            raise ArchiveError(
                f"{path} has {len(values)} values on line {number}; expected one OBS_ID per line, "
                "or an ECSV table"
            )
        cells += [_Cell(value, f"line {number}") for value in values]
    return cells


def _read_ecsv(path: Path) -> tuple[str, list[_Cell]]:
    """Return the name and the cells of the column of an ECSV table that contains the OBS_IDs."""
    from astropy.table import Table

    try:
        table = Table.read(path, format="ascii.ecsv")
    except Exception as error:  # astropy raises various errors for invalid files
        raise ArchiveError(f"{path} cannot be read as ECSV: {error}") from error
    columns = [name for name in COLUMNS if name in table.colnames]
    if len(columns) != 1:
        raise ArchiveError(
            f"{path} has {'two columns' if columns else 'no column'} with OBS_IDs; expected one, "
            f"{' or '.join(COLUMNS)}; its columns are {', '.join(table.colnames)}"
        )
    cells = [_Cell(str(value), f"row {row}") for row, value in enumerate(table[columns[0]], 1)]
    return columns[0], cells


def _parse(cell: _Cell, path: Path) -> int:
    value = cell.value.strip()
    if not (value.isascii() and value.isdigit()):
        raise ArchiveError(
            f"{path}: {format_value(value)} ({cell.location}) is not an OBS_ID; expected a "
            "whole number of at least 0"
        )
    return int(value)


def _check_duplicates(ids: Sequence[int], cells: Sequence[_Cell], path: Path) -> None:
    locations_by_id: dict[int, list[str]] = {}
    for obs_id, cell in zip(ids, cells, strict=True):
        locations_by_id.setdefault(obs_id, []).append(cell.location)
    repeated = [item for item in locations_by_id.items() if len(item[1]) > 1]
    if repeated:
        runs = [f"{obs_id} ({format_list(locations, 3)})" for obs_id, locations in repeated]
        raise ArchiveError(
            f"{path} lists runs more than once: {format_list(runs, _MAX_LISTED)}; remove the "
            "duplicates"
        )
