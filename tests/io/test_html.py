"""HTML functions escape strings once, and do not change tables."""

import numpy as np
from astropy import units as u
from astropy.table import MaskedColumn, QTable
from astropy.time import Time
from hypothesis import given, strategies as st

from html_parser import parse_html
from skyred.io.html import data_table, details, hint, join, paragraph, styled_div, table

MALICIOUS = "<script>alert('1')</script> & \"x\" <!-- "
# a parser converts all line endings to \n
STRINGS = st.text(st.characters(codec="utf-8", exclude_characters="\r\0")) | st.just(MALICIOUS)


@given(string=STRINGS)
def test_any_string_is_escaped_once(string: str) -> None:
    rendered = styled_div(
        paragraph(string),
        details(string, string),
        hint(string, string),
        table([string], [[join(string)]]),
    )
    parsed = parse_html(rendered)
    assert parsed.text == 6 * string
    assert parsed.tooltips == [string]
    assert parsed.tables == [[[string], [string]]]


def create_table() -> QTable:
    return QTable({
        "energy": [1.23456789, 2] * u.TeV,
        "flux": MaskedColumn([1.23456789e-11, 2], mask=[False, True], unit="cm-2 s-1"),
        "counts": [12345678, 1],
        "start": Time([51544.5, 51545.5], format="mjd"),
        "scan": np.ones((2, 3)),
        MALICIOUS: [MALICIOUS, "b"],
    }, descriptions={"energy": "reference <energy>"})  # fmt: skip


def test_table_shows_units_descriptions_and_five_digits() -> None:
    rendered = parse_html(styled_div(data_table(create_table())))
    # a masked value is written as -- or a dash, depending on the version of astropy
    assert rendered.tables[0][2].pop(1) in ("--", "\N{EM DASH}")
    assert rendered.tables == [[
        ["energy [TeV]", "flux [1 / (s cm2)]", "counts", "start", "scan", MALICIOUS],
        ["1.2346", "1.2346e-11", "12345678", "51544.5", "1 .. 1", MALICIOUS],
        ["2", "1", "51545.5", "1 .. 1", "b"],
    ]]  # fmt: skip
    assert rendered.tooltips == ["reference <energy>"]


def test_formats_of_the_table_are_not_changed() -> None:
    data = create_table()
    data["flux"].info.format = ".1e"
    assert parse_html(styled_div(data_table(data))).tables[0][1][1] == "1.2e-11"
    assert data["flux"].info.format == ".1e"
    assert data["energy"].info.format is None


def test_long_tables_are_truncated_with_the_number_of_rows() -> None:
    rendered = parse_html(styled_div(data_table(QTable({"x": np.arange(12)}))))
    assert [row[0] for row in rendered.tables[0]] == ["x", "0", "1", "2", "3", "4"]
    assert "and 7 more rows" in rendered.text


def test_empty_table_has_headings() -> None:
    assert parse_html(styled_div(data_table(create_table()[:0]))).tables[0][0][0] == "energy [TeV]"
