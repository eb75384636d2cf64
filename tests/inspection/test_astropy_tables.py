"""Tables that are read directly from bytes are those of astropy."""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table

from skyred.inspection import astropy_tables
from skyred.inspection.astropy_tables import read_table


def column(name, column_format, values, **options):
    return fits.Column(name, column_format, array=np.array(values), **options)


TEXT = column("FILE_NAME", "12A", ["run1.fits", "run2.fits  ", ""])
IDS = column("OBS_ID", "K", [3, 1, 2])
DEGREES = column("RA_PNT", "D", [83.6, np.nan, 84.6], unit="deg")
FLOATS = column("ZEN_PNT", "E", [1.5, 2.5, 3.5], unit="deg")
SIMPLE = {
    "strings, of which one is empty": [TEXT, IDS],
    "strings that are all empty": [column("FILE_DIR", "5A", ["", "", ""]), IDS],
    "floats, of which one is NaN": [IDS, DEGREES, FLOATS],
    "an unknown unit": [IDS, column("MUON_EFF", "E", [1, 2, 3], unit="relative")],
    "small integers": [column("N_TELS", "I", [4, 3, 4]), column("QUALITY", "B", [0, 1, 2])],
    "names in lower case": [column("obs_id", "J", [1, 2, 3]), column("Object", "4A", list("abc"))],
}
NOT_SIMPLE = {
    "null values": [column("OBS_ID", "J", [1, 2, 3], null=2)],
    "scaled values": [column("RA_PNT", "E", [1, 2, 3], bscale=2.0, bzero=1.0)],
    "unsigned integers": [column("OBS_ID", "J", np.uint32([1, 2, 3]), bzero=2**31)],
    "logical values": [column("GOOD", "L", [True, False, True])],
    "vectors": [column("TELS", "2E", np.ones((3, 2))), IDS],
    "a display format": [column("RA_PNT", "D", [1, 2, 3], disp="F8.3")],
    "cells of variable length": [column("NAMES", "PA()", ["a", "bc", "d"]), IDS],
    "no rows": [column("OBS_ID", "K", np.array([], int))],
}


def write(path, columns, header=()):
    hdu = fits.BinTableHDU.from_columns(columns, header=fits.Header(header))
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    return path


def assert_as_astropy(path):
    with warnings.catch_warnings(record=True) as records:
        warnings.simplefilter("always")
        table = read_table(path)
    with warnings.catch_warnings(record=True) as expected_records:
        warnings.simplefilter("always")
        expected = Table.read(path, format="fits")
    assert [str(item.message) for item in records] == [
        str(item.message) for item in expected_records
    ]
    assert table.colnames == expected.colnames
    assert list(table.meta.items()) == list(expected.meta.items())
    for name in table.colnames:
        values, expected_values = table[name], expected[name]
        assert type(values) is type(expected_values)
        assert values.dtype.newbyteorder("=") == expected_values.dtype.newbyteorder("=")
        assert (values.unit, values.format) == (expected_values.unit, expected_values.format)
        np.testing.assert_equal(np.asarray(values).tolist(), np.asarray(expected_values).tolist())
        if hasattr(values, "mask"):
            np.testing.assert_array_equal(values.mask, expected_values.mask)
            np.testing.assert_array_equal(values.fill_value, expected_values.fill_value)


@pytest.mark.parametrize("suffix", [".fits", ".fits.gz"])
@pytest.mark.parametrize("columns", SIMPLE.values(), ids=SIMPLE)
def test_simple_tables_are_read_without_astropy(tmp_path, monkeypatch, columns, suffix):
    cards = [("TELESCOP", "HESS"), ("MJDREFI", 51910), ("TIMESYS", "TT"), ("COMMENT", "a b")]
    path = write(tmp_path / f"index{suffix}", columns, cards)
    assert_as_astropy(path)
    monkeypatch.setattr(astropy_tables.AstropyTable, "read", None)
    assert len(read_table(path)) == 3


@pytest.mark.parametrize("columns", NOT_SIMPLE.values(), ids=NOT_SIMPLE)
def test_other_tables_are_read_by_astropy(tmp_path, columns):
    assert_as_astropy(write(tmp_path / "index.fits", columns))


def test_first_of_several_tables_is_read_with_the_warning_of_astropy(tmp_path):
    first, second = (fits.BinTableHDU.from_columns([item], name=item.name) for item in (IDS, TEXT))
    path = tmp_path / "index.fits"
    fits.HDUList([fits.PrimaryHDU(), first, second]).writeto(path)
    assert_as_astropy(path)


def test_tables_without_names_are_read_with_the_warning_of_astropy(tmp_path):
    path = tmp_path / "index.fits"
    tables = [fits.BinTableHDU.from_columns([item]) for item in (IDS, FLOATS)]
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(path)
    assert_as_astropy(path)


@pytest.mark.parametrize("data", [None, np.ones(3)])
def test_table_after_an_image_is_read_by_astropy(tmp_path, data):
    path = tmp_path / "index.fits"
    image = fits.ImageHDU(data)
    fits.HDUList([fits.PrimaryHDU(), image, fits.BinTableHDU.from_columns([IDS])]).writeto(path)
    assert_as_astropy(path)


@pytest.mark.parametrize("values", [(1, 2), ("HESS", "HESS"), (1.5, 2.5)])
def test_repeated_cards_are_lists_as_in_astropy(tmp_path, values):
    assert_as_astropy(write(tmp_path / "index.fits", [IDS], [("RELEASE", v) for v in values]))


def test_columns_that_astropy_serialised_are_read_by_astropy(tmp_path):
    path = tmp_path / "index.fits"
    table = Table({"OBS_ID": [1, 2], "RA_PNT": [83.6, 84.6] * u.deg})
    table["RA_PNT"].description = "right ascension of the pointing"
    table["CENTER"] = SkyCoord([83.6, 84.6], [22, 22], unit="deg")
    table.write(path)
    result = read_table(path)
    assert result.colnames == ["OBS_ID", "RA_PNT", "CENTER"]
    assert result["RA_PNT"].description == "right ascension of the pointing"


@pytest.mark.parametrize("content", [b"", b"SIMPLE  = but not FITS", b"\x1f\x8b damaged"])
def test_damaged_files_are_errors_of_astropy(tmp_path, content):
    path = tmp_path / "index.fits.gz"
    path.write_bytes(content)
    for read in (read_table, lambda path: Table.read(path, format="fits")):
        with pytest.raises(OSError, match=r"FITS|gzip|Empty"):
            read(path)


@pytest.mark.data
def test_indices_of_public_archives_are_those_of_astropy():
    names = [name for name in ("GAMMAPY_DATA", "JOINT_CRAB_DL3") if os.environ.get(name)]
    paths = [path for name in names for path in Path(os.environ[name]).rglob("*-index.fits*")]
    if not paths:
        pytest.skip("needs $GAMMAPY_DATA")
    for path in paths:
        assert_as_astropy(path)
