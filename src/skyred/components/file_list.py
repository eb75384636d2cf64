"""The selector `file-list`: runs whose OBS_ID is listed in a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from skyred.components.selectors import MAX_LISTED, select_ids
from skyred.errors import ArchiveError, ExportError, Problem, format_list, format_value
from skyred.fields import Location, option
from skyred.interfaces import Chain, Selector, component
from skyred.scripting import literal

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.data import ObservationTable

    from skyred.scripting import Script

COLUMNS = ("OBS_ID", "obs_id")
ENTRY = "entry"
_ECSV = "# %ECSV"
_ENCODING = "utf-8-sig"  # with or without a byte order mark, which some editors write
_MAX_BYTES = 10_000_000


@component
class FileList(Selector):
    """Runs whose OBS_ID is listed in a file."""

    kind = "file-list"
    path: Location = option(
        type=Location,
        doc="A text file with one OBS_ID per line, where # begins a comment; or an ECSV table with "
        "a column OBS_ID or obs_id, such as the observations.ecsv of a run folder.",
    )
    entry: str | None = option(
        None,
        type=str,
        doc="The value of the column entry of an ECSV table, to use only the runs of one data "
        "entry; needed if the table has several.",
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
            read_ids(self.path.path(), self.entry)
        except EntryError as error:
            yield Problem((ENTRY,), error.message, error.advice)
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
        ids = read_ids(path, self.entry)
        return select_ids(table, ids, f"'file-list' ({path})", "correct the file")

    def write_script(self, script: Script) -> None:
        """Write code that selects rows by the OBS_IDs in the file.

        Parameters
        ----------
        script : Script
            The script to add code to.

        Raises
        ------
        ExportError
            If the file is not a list of OBS_IDs, as in `select`.
        """
        script.use("numpy as np")
        try:
            code = self._ids_code(script)
        except ArchiveError as error:
            raise ExportError(f"reads the list {self.path}: {error}") from None
        runs = script.constant(f"{script.entry}_RUNS", code)
        script.body.add(f'table = table[np.isin(table["OBS_ID"], {runs})]')

    def _ids_code(self, script: Script) -> str:
        """Return the code that reads the OBS_IDs."""
        path, code = self.path.path(), script.path(self.path)
        read_ids(path, self.entry)  # the script does not check the file
        if not _is_ecsv(path):
            return f'np.loadtxt({code}, dtype=int, ndmin=1, encoding="{_ENCODING}")'
        script.use("astropy.table", "Table")
        rows = script.constant(
            f"{script.entry}_LIST",
            f'Table.read({code}, format="ascii.ecsv", encoding="{_ENCODING}")',
        )
        if self.entry is not None:
            rows += f'[{rows}["{ENTRY}"] == {literal(self.entry)}]'
        return f'{rows}["{_id_column(_read_table(path), path)}"].astype(int)'


@attrs.frozen
class _Cell:
    """A value in a file, and its location, such as 'line 3'."""

    value: str
    location: str


class EntryError(ArchiveError):
    """An error in the selection of a data entry of a table of runs.

    Parameters
    ----------
    message : str
        What is wrong.
    advice : str
        What to do.
    """

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message, advice)
        self.message, self.advice = message, advice

    def __str__(self) -> str:
        return f"{self.message}; {self.advice}"


def read_ids(path: Path, entry: str | None = None) -> list[int]:
    """Read a list of OBS_IDs.

    Parameters
    ----------
    path : Path
        A text file with one OBS_ID per line, where # begins a comment; or an ECSV table with a
        column OBS_ID or obs_id.
    entry : str, optional
        The value of the column ``entry`` of the rows to use; by default all rows.

    Returns
    -------
    list of int
        The OBS_IDs, in the order of the file.

    Raises
    ------
    ArchiveError
        If the file cannot be read, is larger than 10 MB, or contains no OBS_ID; if a table does not
        have exactly one column OBS_ID or obs_id, or a line of a text file has several values; if a
        value is invalid or repeated; or if `entry` is not in the table, or not set for a table with
        several entries.
    """
    try:
        if not path.is_file():
            raise ArchiveError(f"{path} is not a file")
        if path.stat().st_size > _MAX_BYTES:
            raise ArchiveError(f"{path} is larger than {_MAX_BYTES // 10**6} MB")
        cells = _read_ecsv(path, entry) if _is_ecsv(path) else _read_text(path, entry)
    except (OSError, UnicodeDecodeError) as error:
        raise ArchiveError(f"{path} cannot be read: {error}") from None
    if not cells:
        raise ArchiveError(f"{path} has no OBS_ID")
    ids = [_parse(cell, path) for cell in cells]
    _check_duplicates(ids, cells, path)
    return ids


def _is_ecsv(path: Path) -> bool:
    with path.open(encoding=_ENCODING) as stream:
        return stream.readline().startswith(_ECSV)


def _read_text(path: Path, entry: str | None) -> list[_Cell]:
    if entry is not None:
        raise EntryError(f"{path} is not an ECSV table with a column {ENTRY}", "remove the option")
    cells = []
    lines = path.read_text(encoding=_ENCODING).splitlines()
    for number, line in enumerate(lines, start=1):
        values = line.partition("#")[0].split()
        if len(values) > 1:
            raise ArchiveError(
                f"{path} has {len(values)} values on line {number}; expected one OBS_ID per line, "
                "or an ECSV table"
            )
        cells += [_Cell(value, f"line {number}") for value in values]
    return cells


def _read_ecsv(path: Path, entry: str | None) -> list[_Cell]:
    """Return the cells of an ECSV table with the OBS_IDs of a data entry."""
    table = _read_table(path)
    ids = table[_id_column(table, path)]
    is_used = _mask_of_entry(table, entry, path)
    return [
        _Cell(str(value), f"row {row}")
        for row, (value, is_row_used) in enumerate(zip(ids, is_used, strict=True), 1)
        if is_row_used
    ]


def _read_table(path: Path) -> Table:
    from astropy.table import Table

    try:
        return Table.read(path, format="ascii.ecsv", encoding=_ENCODING)
    except Exception as error:  # astropy raises various errors for invalid files
        raise ArchiveError(f"{path} cannot be read as ECSV: {error}") from error


def _id_column(table: Table, path: Path) -> str:
    """Return the name of the column with the OBS_IDs."""
    columns = [name for name in COLUMNS if name in table.colnames]
    if len(columns) != 1:
        raise ArchiveError(
            f"{path} has {'two columns' if columns else 'no column'} with OBS_IDs; expected one, "
            f"{' or '.join(COLUMNS)}; its columns are {', '.join(table.colnames)}"
        )
    return columns[0]


def _mask_of_entry(table: Table, entry: str | None, path: Path) -> list[bool]:
    """Return the mask of the rows of a data entry; all rows if there is only one."""
    if ENTRY not in table.colnames:
        if entry is None:
            return [True] * len(table)
        raise EntryError(f"{path} has no column {ENTRY}", "remove the option")
    entries = [str(value) for value in table[ENTRY]]
    available = list(dict.fromkeys(entries))
    listed = format_list(available, MAX_LISTED)
    # a numeric column `entry`, for example of row numbers, does not contain names of data entries
    if entry is None and len(available) > 1 and table[ENTRY].dtype.kind in "OU":
        raise EntryError(
            f"{path} has the runs of several data entries, {listed}",
            f"set the option {ENTRY} to one of them",
        )
    if entry is not None and entry not in available:
        raise EntryError(
            f"{path} has no runs of the data entry {entry!r}",
            f"expected one of: {listed}",
        )
    return [entry is None or value == entry for value in entries]


def _parse(cell: _Cell, path: Path) -> int:
    value = cell.value.strip()
    if not (value.isascii() and value.isdigit()):
        raise ArchiveError(
            f"{path}: {format_value(value)} ({cell.location}) is not an OBS_ID; expected an "
            "integer of at least 0"
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
            f"{path} lists runs more than once: {format_list(runs, MAX_LISTED)}; remove the "
            "duplicates"
        )
