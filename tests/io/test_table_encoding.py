"""Tables as HDUs: the bytes of gammapy and astropy."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time
from gammapy.data import GTI
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from fits_comparison import in_any_order
from skyred.io import table_encoding
from skyred.io.fits_encoding import encode_with_astropy, format_card
from skyred.io.table_encoding import encode_columns, encode_gti, encode_table

META = {"SED_TYPE": "dnde", "ul_conf": 0.95, "N": 3, "OK": True, "CREATOR": "to be replaced"}
OUTDATED = {"CHECKSUM": "0123456789abcdef", "DATASUM": "12", "SIMPLE": True, "extend": False}


def written_by_astropy(hdu: fits.BinTableHDU) -> bytes:
    """Return the bytes of an extension that astropy writes."""
    hdulist, buffer = fits.HDUList([fits.PrimaryHDU(), hdu]), BytesIO()
    hdulist.writeto(buffer)
    return buffer.getvalue()[hdulist[0].filebytes() :]


def read(encoded: bytes) -> Table:
    """Return the table of an extension."""
    return Table.read(BytesIO(encode_with_astropy([fits.PrimaryHDU()])[0] + encoded), hdu=1)


@settings(max_examples=50, deadline=None)
@given(data=st.data(), dtype=st.sampled_from(["i8", "f8", ">f8"]), n_rows=st.integers(1, 3))
def test_columns_of_numbers_have_the_bytes_of_astropy_and_are_read_back(
    data: st.DataObject, dtype: str, n_rows: int
) -> None:
    values = data.draw(hnp.arrays(dtype, n_rows))
    table = Table({"CHANNEL": np.arange(n_rows), "a_MIN": values}, meta={"SED_TYPE": "dnde"})
    table["a_MIN"].unit = "TeV"
    columns = {name: table[name].data for name in table.colnames}
    cards = [format_card("SED_TYPE", "dnde"), format_card("EXTNAME", "BANDS", "extension name")]
    encoded = encode_columns(columns, {"a_MIN": "TeV"}, cards)
    expected = written_by_astropy(fits.BinTableHDU(table, name="bands"))
    assert in_any_order(encoded) == in_any_order(expected)
    loaded = read(encoded)
    assert loaded["a_MIN"].unit == u.TeV
    np.testing.assert_array_equal(loaded["a_MIN"].data, values)


@pytest.mark.parametrize("scale", ["tt", "utc"])
@pytest.mark.parametrize("n_intervals", [0, 2])
def test_bytes_of_good_time_are_those_of_gammapy(scale: str, n_intervals: int) -> None:
    reference = Time("2004-12-04T22:08:49.184", scale=scale)
    start, stop = [0, 2000][:n_intervals], [1687, 3000.5][:n_intervals]
    gti = GTI.create(start * u.s, stop * u.s, reference)
    expected = written_by_astropy(gti.to_table_hdu())
    assert in_any_order(encode_gti(gti)) == in_any_order(expected)


def test_good_time_is_encoded_without_astropy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_encoding, "encode_extension", None)
    gti = GTI.create([0] * u.s, [1687] * u.s, Time("2004-12-04T22:08:49.184"))
    assert encode_gti(gti).startswith(b"XTENSION= 'BINTABLE'")


def test_cards_replace_metadata_and_metadata_of_another_hdu_are_left_out() -> None:
    table = Table({"flux": [1.0, 2.0], "name": ["crab", "vela"]}, meta=META | OUTDATED)
    encoded = encode_table(table, "points", [format_card("CREATOR", "a test")])
    assert table.meta == META | OUTDATED
    expected = fits.BinTableHDU(Table(table, meta=META), name="points")
    expected.header["CREATOR"] = "a test"
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


def test_selected_rows_with_strings_are_read_back() -> None:
    table = Table({"NAME": ["MAGIC-I+II", "hess"], "OBS_ID": [1, 2]})[1:]
    loaded = read(encode_table(table, "points"))
    assert loaded["OBS_ID"].tolist() == [2]
    assert loaded["NAME"].tolist() == ["hess"]


def test_checksums_are_valid_after_a_table_was_read_changed_and_written() -> None:
    table = Table({"flux": [1.0, 2.0], "name": ["crab", "vela"]}, meta=META)
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
