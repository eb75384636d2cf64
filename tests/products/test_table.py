"""Table products can be written, read and plotted with their units."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Column, QTable, Table
from astropy.time import Time
from matplotlib import pyplot as plt

from skyred import TableProduct


@pytest.fixture
def table() -> Table:
    table = Table(meta={"origin": "test"})
    table["energy"] = Column([1.0, 3.0], unit="TeV", description="Energy.")
    table["note"] = ["a", "b"]
    table["flux"] = Column([2e-12, np.nan], unit="cm-2 s-1")
    table["flux_err"] = Column([1e-13, 1.0], unit="cm-2 s-1")
    return table


def test_table_is_read_back(table: Table, tmp_path: Path) -> None:
    (path,) = TableProduct("fluxes", table).write(tmp_path)
    assert path == tmp_path / "fluxes.ecsv"
    loaded = TableProduct.read(tmp_path, "fluxes", None).table()
    assert loaded.colnames == table.colnames
    assert loaded.meta == table.meta
    assert loaded["flux"].unit == u.Unit("cm-2 s-1")
    assert loaded["energy"].description == "Energy."
    for name in table.colnames:
        np.testing.assert_array_equal(loaded[name], table[name])


@pytest.mark.parametrize("table_class", [Table, QTable])
def test_first_numeric_column_is_plotted_against_the_first_column(
    table_class: type, table: Table
) -> None:
    _, ax = plt.subplots()
    product = TableProduct("fluxes", table_class(table))
    assert product.plot(ax) is ax
    assert ax.get_xlabel() == "energy [TeV]"
    assert ax.get_ylabel().startswith("flux [")
    (line, _, _) = ax.containers[0]
    np.testing.assert_array_equal(line.get_xdata(), [1.0, 3.0])
    np.testing.assert_array_equal(line.get_ydata(), [2e-12, np.nan])
    assert ax.containers[0].has_yerr
    plt.close()


def test_names_with_dollar_signs_are_drawn_as_they_are(table: Table) -> None:
    name = r"a_$\b$"
    table.rename_columns(["energy", "flux"], [name, f"{name} flux"])
    ax = TableProduct(name, table).plot()
    ax.figure.draw_without_rendering()  # type: ignore[union-attr]
    assert ax.get_title() == ax.get_xlabel().removesuffix(" [TeV]") == name
    plt.close()


def test_times_are_dates_on_the_axis() -> None:
    times = Time(["2004-12-06", "2004-12-08"])
    table = QTable({"time": times, "time_2": times, "counts": [3, 4]})
    ax = TableProduct("counts", table).plot()
    (line, _, _) = ax.containers[0]
    np.testing.assert_array_equal(line.get_xdata(), [time.datetime for time in times])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time", "counts")
    plt.close()


def test_strings_are_categories_on_the_axis() -> None:
    ax = TableProduct("counts", Table({"dataset": ["a", "b"], "counts": [3, 4]})).plot()
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["a", "b"]
    plt.close()


def test_categories_with_dollar_signs_are_drawn_as_they_are() -> None:
    table = Table({"dataset": [r"a_$\b$", "b"], "counts": [3, 4]})
    ax = TableProduct("counts", table).plot()
    ax.figure.draw_without_rendering()  # type: ignore[union-attr]
    label = ax.get_xticklabels()[0]
    expected = ax.text(0, 0, r"a_$\b$", parse_math=False)
    assert label.get_window_extent().width == expected.get_window_extent().width
    plt.close()


@pytest.mark.parametrize("columns", [{"a": [1.0]}, {"a": [1.0], "b": ["x"]}, {}])
def test_table_without_numbers_has_no_plot(columns: dict[str, list[object]]) -> None:
    product = TableProduct("empty", Table(columns))
    assert product.plot_functions() == {}
    with pytest.raises(TypeError, match="empty: no numeric column"):
        product.plot()


def test_upper_edges_and_errors_are_not_plotted_as_values() -> None:
    table = Table({"e_min": [1.0, 3.0], "e_max": [3.0, 9.0], "eflux_err": [1, 1], "eflux": [5, 4]})
    table["e_min"].unit = table["e_max"].unit = "TeV"
    ax = TableProduct("fluxes", table).plot()
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_xscale()) == ("e_min [TeV]", "eflux", "log")
    plt.close()
