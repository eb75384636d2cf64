"""Tables as HDUs: the bytes of astropy, for columns with and without a fast encoding."""

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
META = {"SED_TYPE": "dnde", "ul_conf": 0.95, "N": 3, "OK": True, "CREATOR": "to be replaced"}


def written_by_astropy(hdu: fits.BinTableHDU) -> bytes:
    """Return the bytes of an extension that astropy writes."""
    hdulist, buffer = fits.HDUList([fits.PrimaryHDU(), hdu]), BytesIO()
    hdulist.writeto(buffer)
    return buffer.getvalue()[hdulist[0].filebytes() :]


@pytest.mark.parametrize("name", COLUMNS)
def test_bytes_of_a_column_are_those_of_astropy(name: str) -> None:
    table = Table({"first": [1.0, 2.0, 3.0], name: COLUMNS[name]}, meta=META)
    expected = fits.BinTableHDU(table, name="points")
    expected.header["CREATOR"] = "a test"
    cards = [format_card("CREATOR", "a test")]
    assert encode_table(table, "points", cards) == written_by_astropy(expected)


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
    assert encode_table(table, "points") == expected


@pytest.mark.parametrize("scale", ["tt", "utc"])
def test_bytes_of_good_time_are_those_of_gammapy(scale: str) -> None:
    reference = Time("2004-12-04T22:08:49.184", scale=scale)
    gti = GTI.create([0, 2000] * u.s, [1687, 3000.5] * u.s, reference)
    expected = written_by_astropy(gti.to_table_hdu())
    assert encode_gti(gti) == expected


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
