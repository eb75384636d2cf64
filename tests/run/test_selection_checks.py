"""Selectors may return any rows and new columns, but no changed values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, QTable, Table, vstack
from astropy.time import Time
from gammapy.data import ObservationTable

from skyred import Selector, component
from skyred.errors import ComponentError
from skyred.fields import foreign
from skyred.run.selection_checks import run_selector
from toys import toy_plugins


@component
class FunctionSelector(Selector):
    """A selector that applies a function to the table."""

    kind = "function"
    function: Any = foreign(doc="The function.")

    def select(self, table: Any) -> Any:
        return self.function(table)


def create_table() -> ObservationTable:
    return ObservationTable(
        {
            "OBS_ID": [5, 3, 8],
            "RA_PNT": [83.0, np.nan, 84.0] * u.deg,
            "OBJECT": np.array([b"Crab", b"Crab", b"off"]),
            "QUALITY": MaskedColumn([1, 2, 3], mask=[False, True, False]),
            "TSTART": Time([55000.0, 55001.0, 55002.0], format="mjd"),
        }
    )


def select(function: Any, table: Any = None) -> Any:
    if table is None:
        table = create_table()
    return run_selector(FunctionSelector(function=function), table, toy_plugins().catalog)


def add_time(table):
    table["NIGHT"] = table["TSTART"]
    return table


def decode(table):
    table["OBJECT"] = table["OBJECT"].astype(str)
    return table


@pytest.mark.parametrize(
    "function",
    [
        lambda table: table[::-1],
        lambda table: table[[1]],
        lambda table: table[:0],
        Table,
        QTable,
        lambda table: ObservationTable(Table(table, masked=True)),
        add_time,
        decode,
    ],
    ids=["reversed", "row", "empty", "table", "qtable", "masked", "time", "decoded"],
)
def test_rows_with_the_same_values_are_accepted(function):
    selected = select(function)
    assert isinstance(selected, ObservationTable)
    # the next selector compares with the new columns
    again = select(lambda table: table, selected)
    assert again["OBS_ID"].tolist() == selected["OBS_ID"].tolist()


def test_repeated_rows_are_accepted():
    table = vstack([create_table(), create_table()])
    assert len(select(lambda table: table[table["OBS_ID"] > 3], table)) == 4


def test_changed_value_of_a_repeated_row_is_named():
    def create() -> ObservationTable:
        first, second = create_table(), create_table()
        second["QUALITY"] = [4, 5, 6]
        return vstack([first, second])

    def swap(table):
        table["QUALITY"] = table["QUALITY"][[3, 4, 5, 0, 1, 2]]
        return table

    def change_value(table):
        table["QUALITY"][4] = 7
        return table[::-1]

    assert len(select(swap, create())) == 6
    with pytest.raises(ComponentError, match="changed QUALITY of the observations 3;"):
        select(change_value, create())


def change(name, value):
    def change_value(table):
        table[name][0] = value
        return table

    return change_value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("RA_PNT", 10.0), ("RA_PNT", np.nan), ("OBJECT", b"M31"), ("QUALITY", 7)),
        *(("QUALITY", np.ma.masked), ("TSTART", Time(1.0, format="mjd"))),
    ],
)
def test_changed_values_are_named(name, value):
    with pytest.raises(ComponentError, match=f"changed {name} of the observations 5"):
        select(change(name, value))


def test_removed_columns_are_named():
    with pytest.raises(ComponentError, match="removed the columns OBJECT"):
        select(lambda table: table["OBS_ID", "RA_PNT", "QUALITY", "TSTART"])
