"""Read lists of OBS_IDs: text files with one run per line, and ECSV tables."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from skyred.components.selectors import MAX_LISTED
from skyred.errors import ArchiveError, format_list, format_value

if TYPE_CHECKING:
    from astropy.table import Table

COLUMNS = ("OBS_ID", "obs_id")
ENTRY = "entry"
ENCODING = "utf-8-sig"  # with or without a byte order mark, which some editors write
_ECSV = "# %ECSV"
_MAX_BYTES = 10_000_000
_SEPARATOR = re.compile(r"[\s,;]+")


@attrs.frozen
class Row:
    """A row of a list of runs.

    Parameters
    ----------
    value : str
        The OBS_ID.
    location : str
        The location in the file, such as 'line 3'.
    further_values : tuple of str
        The values of further columns, which are ignored.
    """

    value: str
    location: str
    further_values: tuple[str, ...] = ()


@attrs.frozen
class RunList:
    """A list of runs in a file.

    Parameters
    ----------
    path : Path
        The file.
    ids : tuple of int
        The OBS_IDs, in the order of the file.
    rows : tuple of Row
        The rows.
    """

    path: Path
    ids: tuple[int, ...]
    rows: tuple[Row, ...]

    def check_further_values(self, available: Collection[int]) -> None:
        """Check that the ignored columns do not contain OBS_IDs.

        Parameters
        ----------
        available : collection of int
            The OBS_IDs of the archive.

        Raises
        ------
        ArchiveError
            If a line contains several OBS_IDs.
        """
        for row in self.rows:
            for further_value in row.further_values:
                if further_value.isdecimal() and int(further_value) in available:
                    raise ArchiveError(
                        f"{self.path} has several OBS_IDs on {row.location}; expected one per line"
                    )


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


def read_ids(path: Path, entry: str | None = None) -> RunList:
    """Read a list of OBS_IDs.

    Parameters
    ----------
    path : Path
        A text file with one OBS_ID per line, where # begins a comment, and further columns are
        ignored; or an ECSV table with a column OBS_ID or obs_id.
    entry : str, optional
        The value of the column ``entry`` of the rows to use; by default all rows.

    Returns
    -------
    RunList
        The OBS_IDs, in the order of the file.

    Raises
    ------
    ArchiveError
        If the file cannot be read, is larger than 10 MB, or contains no OBS_ID; if a table does not
        have exactly one column OBS_ID or obs_id, or the lines of a text file differ in the number
        of values; if a value is invalid or repeated; or if `entry` is not in the table, or not set
        for a table with several entries.
    """
    try:
        if not path.is_file():
            raise ArchiveError(f"{path} is not a file")
        if path.stat().st_size > _MAX_BYTES:
            raise ArchiveError(f"{path} is larger than {_MAX_BYTES // 10**6} MB")
        rows = _read_ecsv(path, entry) if is_ecsv(path) else _read_text(path, entry)
    except (OSError, UnicodeDecodeError) as error:
        raise ArchiveError(f"{path} cannot be read: {error}") from None
    if not rows:
        raise ArchiveError(f"{path} has no OBS_ID")
    ids = [_parse(row, path) for row in rows]
    _check_duplicates(ids, rows, path)
    return RunList(path, tuple(ids), tuple(rows))


def is_ecsv(path: Path) -> bool:
    """Return whether a file is an ECSV table.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    bool
        True if it begins like an ECSV table.
    """
    with path.open(encoding=ENCODING) as stream:
        return stream.readline().startswith(_ECSV)


def _read_text(path: Path, entry: str | None) -> list[Row]:
    if entry is not None:
        raise EntryError(f"{path} is not an ECSV table with a column {ENTRY}", "remove the option")
    lines = path.read_text(encoding=ENCODING).splitlines()
    values = {
        f"line {number}": _SEPARATOR.split(content.strip(" \t,;"))
        for number, line in enumerate(lines, start=1)
        if (content := line.partition("#")[0].strip())
    }
    column = _text_column(values)
    rows = [
        Row(items[column], location, (*items[:column], *items[column + 1 :]))
        for location, items in values.items()
        if len(items) > column
    ]
    _check_columns(rows, path)
    return rows


def _text_column(values: dict[str, list[str]]) -> int:
    """Return the index of the column with the OBS_IDs, and remove the line with the names."""
    for location, items in values.items():
        for name in COLUMNS:
            if name in items:
                del values[location]
                return items.index(name)
        break
    return 0


def _check_columns(rows: list[Row], path: Path) -> None:
    """Check that all lines have the same number of values, and that a single line has one."""
    n_columns = [1 + len(row.further_values) for row in rows]
    for row, count in zip(rows, n_columns, strict=True):
        if count != min(n_columns) or (count > 1 and len(rows) == 1):
            raise ArchiveError(
                f"{path} has {count} values on {row.location}; expected one OBS_ID per line, with "
                "the same columns on all lines, or an ECSV table"
            )


def _read_ecsv(path: Path, entry: str | None) -> list[Row]:
    """Return the cells of an ECSV table with the OBS_IDs of a data entry."""
    table = read_table(path)
    ids = table[id_column(table, path)]
    is_used = _mask_of_entry(table, entry, path)
    return [
        Row(str(value), f"row {row}")
        for row, (value, is_row_used) in enumerate(zip(ids, is_used, strict=True), 1)
        if is_row_used
    ]


def read_table(path: Path) -> Table:
    """Read an ECSV table.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    astropy.table.Table
        The table.

    Raises
    ------
    ArchiveError
        If the file is not a valid ECSV table.
    """
    from astropy.table import Table

    try:
        return Table.read(path, format="ascii.ecsv", encoding=ENCODING)
    except Exception as error:  # astropy raises various errors for invalid files
        raise ArchiveError(f"{path} cannot be read as ECSV: {error}") from error


def id_column(table: Table, path: Path) -> str:
    """Return the name of the column with the OBS_IDs.

    Parameters
    ----------
    table : astropy.table.Table
        The table.
    path : Path
        Its file, for error messages.

    Returns
    -------
    str
        The name.

    Raises
    ------
    ArchiveError
        If there is not exactly one such column.
    """
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


def _parse(row: Row, path: Path) -> int:
    value = row.value.strip()
    if not (value.isascii() and value.isdigit()):
        raise ArchiveError(
            f"{path}: {format_value(value)} ({row.location}) is not an OBS_ID; expected an "
            "integer of at least 0"
        )
    return int(value)


def _check_duplicates(ids: Sequence[int], rows: Sequence[Row], path: Path) -> None:
    locations_by_id: dict[int, list[str]] = {}
    for obs_id, row in zip(ids, rows, strict=True):
        locations_by_id.setdefault(obs_id, []).append(row.location)
    repeated = [item for item in locations_by_id.items() if len(item[1]) > 1]
    if repeated:
        runs = [f"{obs_id} ({format_list(locations, 3)})" for obs_id, locations in repeated]
        raise ArchiveError(
            f"{path} lists runs more than once: {format_list(runs, MAX_LISTED)}; remove the "
            "duplicates"
        )
