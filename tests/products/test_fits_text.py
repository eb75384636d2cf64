"""Names that are not ASCII can be written to FITS files and read back."""

from pathlib import Path

import pytest
from astropy.io import fits
from astropy.table import Table

from skyred.products.fits_tables import read_tables, write_tables
from skyred.products.fits_text import decode_text, encode_text


@pytest.mark.parametrize("name", ["crab", "LS I +61°303", "η Car", "50 %", "a%41", "", "名前"])
def test_name_is_read_back_from_a_header(name: str) -> None:
    header = fits.Header([("SOURCE", encode_text(name))])
    assert decode_text(fits.Header.fromstring(header.tostring())["SOURCE"]) == name


def test_ascii_name_is_unchanged() -> None:
    assert encode_text("PKS 2155-304 (J2000)") == "PKS 2155-304 (J2000)"


def test_table_with_names_that_are_not_ascii_is_read_back(tmp_path: Path) -> None:
    table = Table({"parameter": ["η Car.index", "a%41"], "value": [1.0, 2.0]})
    table["parameter"].description = "name"
    table["value"].description = "of η Car"
    table.meta |= {"SOURCE": "η Car", "N": 5}
    write_tables(tmp_path / "table.fits", [table])
    (copy,) = read_tables(tmp_path / "table.fits")
    assert list(copy["parameter"]) == list(table["parameter"])
    assert [column.description for column in copy.itercols()] == ["name", "of η Car"]
    assert (copy.meta["SOURCE"], copy.meta["N"]) == ("η Car", 5)
