"""Tables of the report: columns and formatted cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.products.plotting.figures import format_unit

if TYPE_CHECKING:
    from astropy.table import Table

MAX_ROWS = 200
MAX_ITEMS = 6  # of an array in a cell


@attrs.frozen
class Column:
    """The heading of a column.

    Parameters
    ----------
    name, unit, doc : str
        The name, the unit and a description.
    numeric : bool
        Whether its cells are numbers, which are aligned to the right.
    """

    name: str
    unit: str = ""
    doc: str = ""
    numeric: bool = False


@attrs.frozen
class Grid:
    """A table with formatted cells.

    Parameters
    ----------
    label : str
        What the table contains.
    columns : sequence of Column
        The headings.
    rows : sequence of sequence
        The cells.
    remaining : int
        The number of rows that are left out.
    file : str
        Where all rows are.
    is_open : bool
        Whether the table is shown at first, if it can be folded.
    """

    label: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    remaining: int = 0
    file: str = ""
    is_open: bool = False


def grid_from_table(table: Table, label: str, file: str) -> Grid:
    """Return the first rows of an astropy table.

    Parameters
    ----------
    table : Table
        The table.
    label : str
        What it contains.
    file : str
        Where all rows are.

    Returns
    -------
    Grid
        At most `MAX_ROWS` rows.
    """
    first_rows = table[:MAX_ROWS]
    columns = [_heading(column) for column in table.itercols()]
    cells = [[format_cell(value) for value in column] for column in first_rows.itercols()]
    rows = list(zip(*cells, strict=True))
    return Grid(label, columns, rows, len(table) - len(first_rows), file)


def format_cell(value: Any) -> str:
    """Format a value of a table.

    Parameters
    ----------
    value : object
        A number, an array, a string or anything else.

    Returns
    -------
    str
        Numbers with five significant digits; "" for values that are masked or not a number.
    """
    if np.ma.is_masked(value) and np.ndim(value) == 0:
        return ""
    value = getattr(value, "value", value)
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return str(value).replace("-", "\N{MINUS SIGN}")
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:.5g}".replace("-", "\N{MINUS SIGN}")
    if np.ndim(value):
        items = list(np.ravel(value))
        cells = [format_cell(item) for item in items[:MAX_ITEMS]]
        return ", ".join(cells) + (", …" if len(items) > MAX_ITEMS else "")
    return str(value)


def _heading(column: Any) -> Column:
    info = column.info
    unit = format_unit(info.unit) if info.unit else ""
    is_numeric = getattr(column, "dtype", np.dtype("O")).kind in "iuf" and np.ndim(column) == 1
    return Column(info.name, unit, info.description or "", is_numeric)
