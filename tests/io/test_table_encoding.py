"""Tables as HDUs: the bytes of astropy, for columns with and without a fast encoding."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import MaskedColumn, Table
from astropy.time import Time
from gammapy.data import GTI
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from fits_comparison import in_any_order, try_to_encode
from skyred.io import table_encoding
from skyred.io.fits_encoding import encode_with_astropy, format_card
from skyred.io.table_encoding import encode_gti, encode_table

COLUMNS: dict[str, Any] = {
    "integers": np.arange(3, dtype="int32"),
    "floats": np.array([1.5, np.nan, -np.inf], dtype="float32"),
    "quantities": [1.0, 2.0, 3.0] * u.Unit("TeV-1 s-1 cm-2"),
    "numbers with a unit": [1.0, 2.0, 3.0] * u.one,
    "booleans": np.array([True, False, True]),
    "strings": np.array(["a", "HESS", ""]),
    "bytes": np.array([b"a", b"HESS", b"xy"]),
    "one value per row": np.ones((3, 1)),
    "arrays": np.arange(12.0).reshape(3, 4),
    "arrays of booleans": np.ones((3, 2), dtype=bool),
    "arrays of strings": np.array([["a", "bcd"]] * 3),
    "images": np.arange(18).reshape(3, 2, 3),
    "unsigned integers": np.arange(3, dtype="uint16"),
    "complex numbers": np.ones(3, dtype=complex),
}
UNITS = [None, "", "TeV", "cm-2 s-1 TeV-1", "erg", "1000 s", "1e-10 TeV", "3 m", "mag", "foo"]
DTYPES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "f4", "f8", ">i2", ">f8", "c8"]
DTYPES += ["U1", "U12", "S1", "S7"]
KEYS = ["SED_TYPE", "ul_conf", "A", "a", "-", "OBS ID", "END", "EXTNAME", "EXTVER", "HISTORY", "é"]
KEYS += ["comments", "n_sigma_ul", "a.b", "DP1", "NAXIS1", "TTYPE1", "BSCALE", "CREATOR"]
VALUES = st.one_of(
    st.text(max_size=90),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200),
    st.sampled_from([0.0, -0.0, 0, False, True, None, [1, "a"], {"b": 2}, "AXIS.1: 2", "it's &"]),
    st.integers(),
    st.floats(),
    st.floats().map(np.float64),
    st.floats(width=32).map(np.float32),
)
METAS = st.dictionaries(
    st.sampled_from(KEYS) | st.from_regex(r"[A-Z0-9_-]{1,8}", fullmatch=True), VALUES, max_size=4
)
STALE = {"CHECKSUM": "0123456789abcdef", "DATASUM": "12", "SIMPLE": True, "extend": False}
META = {"SED_TYPE": "dnde", "ul_conf": 0.95, "N": 3, "OK": True, "CREATOR": "to be replaced"}


def written_by_astropy(hdu: fits.BinTableHDU) -> bytes:
    """Return the bytes of an extension that astropy writes."""
    hdulist, buffer = fits.HDUList([fits.PrimaryHDU(), hdu]), BytesIO()
    hdulist.writeto(buffer)
    return buffer.getvalue()[hdulist[0].filebytes() :]


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Draw tables with columns of all types, metadata of all types, and a selection of rows."""
    n_rows = draw(st.integers(0, 4))
    names = st.sampled_from(["a", "A", "b", "OBS_ID", "with space", "é", "x" * 60, "y" * 70])
    table = Table(meta=draw(METAS))
    for name in draw(st.lists(names, min_size=1, max_size=4, unique=True)):
        dtype = np.dtype(draw(st.sampled_from(DTYPES)))
        shape = (n_rows, *draw(st.sampled_from([(), (), (1,), (3,), (2, 3), (0,)])))
        elements = st.text("abc ", max_size=int(dtype.str[2:])) if dtype.kind == "U" else None
        values = draw(hnp.arrays(dtype, shape, elements=elements))
        if draw(st.integers(0, 5)) == 0 and dtype.kind != "c":
            values = MaskedColumn(values, mask=draw(hnp.arrays(bool, shape)))
        table[name] = values
        unit = draw(st.sampled_from(UNITS))
        table[name].unit = unit and u.Unit(unit, parse_strict="silent")
    return table[draw(st.slices(n_rows))]


@settings(max_examples=200, deadline=None)
@given(table=tables(), stale=st.booleans())
def test_bytes_and_warnings_of_any_table_are_those_of_astropy(table: Table, stale: bool) -> None:
    expected = try_to_encode(
        lambda: in_any_order(written_by_astropy(fits.BinTableHDU(table.copy(), name="points")))
    )
    table.meta.update(STALE if stale else {})
    encoded, messages = try_to_encode(lambda: encode_table(table, "points"))
    is_written = isinstance(encoded, bytes)
    assert (in_any_order(encoded) if is_written else encoded, messages) == expected
    if is_written:
        check_row_size(encoded)


def check_row_size(encoded: bytes) -> None:
    """Check that the rows have the size of the formats of the columns."""
    primary = encode_with_astropy([fits.PrimaryHDU()])[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of units
        with fits.open(BytesIO(primary + encoded)) as hdulist:
            header = hdulist[1].header
            assert hdulist[1].columns.dtype.itemsize == header["NAXIS1"]


PLAIN = st.sampled_from(["?", "i2", "i4", "i8", "f4", "f8", ">f4"])


@settings(max_examples=50, deadline=None)
@given(data=st.data(), dtype=PLAIN, shape=st.sampled_from([(2,), (2, 1), (1, 2, 3)]))
def test_plain_columns_are_encoded_without_astropy_and_read_back(
    data: st.DataObject, dtype: str, shape: tuple[int, ...]
) -> None:
    values = data.draw(hnp.arrays(dtype, shape))
    table = Table({"a": values, "b": values}, meta=META)
    table["b"].unit = "TeV"
    primary = encode_with_astropy([fits.PrimaryHDU()])[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_encoding, "encode_with_astropy", None)
        content = primary + encode_table(table, "points")
    loaded = Table.read(BytesIO(content), hdu=1)
    check_row_size(content[len(primary) :])
    assert loaded["b"].unit == u.TeV
    for name in table.colnames:
        np.testing.assert_array_equal(loaded[name].data, values)


def test_selected_rows_with_strings_are_read_back() -> None:
    table = Table({"NAME": ["MAGIC-I+II", "hess"], "OBS_ID": [1, 2]})[1:]
    content = encode_with_astropy([fits.PrimaryHDU()])[0] + encode_table(table, "points")
    loaded = Table.read(BytesIO(content), hdu=1)
    assert loaded["OBS_ID"].tolist() == [2]
    assert loaded["NAME"].tolist() == ["hess"]


@pytest.mark.parametrize("names", [[], ["NAME"]], ids=["own", "astropy"])
def test_checksums_are_valid_after_a_table_was_read_changed_and_written(names: list[str]) -> None:
    table = Table({"flux": [1.0, 2.0], **{name: ["crab", "vela"] for name in names}}, meta=META)
    for generation in range(3):
        content = encode_with_astropy([fits.PrimaryHDU()], checksum=True)
        content.append(encode_table(table, "points", checksum=True))
        with fits.open(BytesIO(b"".join(content)), checksum=True) as hdulist:
            hdulist.verify("exception")
            cards = list(hdulist[1].header)
            assert cards.count("CHECKSUM") == cards.count("DATASUM") == 1
            assert hdulist[1].verify_checksum() == hdulist[1].verify_datasum() == 1
        table = Table.read(BytesIO(b"".join(content)), hdu=1)
        assert table["flux"].tolist() == [1.0 + generation, 2.0 + generation]
        table["flux"] += 1


@pytest.mark.parametrize("name", COLUMNS)
def test_bytes_of_a_column_are_those_of_astropy(name: str) -> None:
    table = Table({"first": [1.0, 2.0, 3.0], name: COLUMNS[name]}, meta=META)
    expected = fits.BinTableHDU(table, name="points")
    expected.header["CREATOR"] = "a test"
    cards = [format_card("CREATOR", "a test")]
    encoded = encode_table(table, "points", cards)
    assert in_any_order(encoded) == in_any_order(written_by_astropy(expected))


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.__class__(table, masked=True),
        lambda table: table[:0],
        lambda table: table.meta.update(comments=["first", "second"]) or table,
        lambda table: setattr(table["flux"], "format", ".3e") or table,
    ],
    ids=["masked", "empty", "comments", "format"],
)
def test_bytes_of_other_tables_are_those_of_astropy(change: Any) -> None:
    table = change(Table({"flux": [1.0, 2.0], "n": [1, 2]}))
    expected = written_by_astropy(fits.BinTableHDU(table.copy(), name="points"))
    assert in_any_order(encode_table(table, "points")) == in_any_order(expected)


@pytest.mark.parametrize("scale", ["tt", "utc"])
def test_bytes_of_good_time_are_those_of_gammapy(scale: str) -> None:
    reference = Time("2004-12-04T22:08:49.184", scale=scale)
    gti = GTI.create([0, 2000] * u.s, [1687, 3000.5] * u.s, reference)
    expected = written_by_astropy(gti.to_table_hdu())
    assert in_any_order(encode_gti(gti)) == in_any_order(expected)


def test_checksums_of_a_table_are_those_of_astropy() -> None:
    table = Table({"flux": [1.0, 2.0], "name": ["crab", "vela"]})
    content = [
        *encode_with_astropy([fits.PrimaryHDU()]),
        encode_table(table, "points", checksum=True),
    ]
    hdu = fits.open(BytesIO(b"".join(content)), checksum=True)[1]  # warns of an invalid checksum
    expected = fits.BinTableHDU(table, name="points")
    expected.add_checksum()
    assert hdu.header["DATASUM"] == expected.header["DATASUM"]
    assert hdu.verify_checksum() == hdu.verify_datasum() == 1


def test_good_time_is_encoded_without_astropy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_encoding, "encode_with_astropy", None)
    gti = GTI.create([0] * u.s, [1687] * u.s, Time("2004-12-04T22:08:49.184"))
    assert encode_gti(gti).startswith(b"XTENSION= 'BINTABLE'")
