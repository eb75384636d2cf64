"""Reading of FITS files: any flipped bit and any truncation is detected."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, strategies as st

from skyred.inspection.file_content import read_file
from skyred.inspection.tables import Table


def create_fits() -> bytes:
    """Return a FITS file with two tables that are both named ONE."""
    columns = [
        fits.Column("A", "1E", unit="TeV", array=np.arange(50, dtype="f4")),
        fits.Column("B", "6D", dim="(3,2)", array=np.arange(300.0).reshape(50, 6)),
        fits.Column("C", "2I", array=np.arange(100, dtype="i2").reshape(50, 2)),
        fits.Column("D", "5A", array=["abc"] * 50),
        fits.Column("E", "1L", array=[True] * 50),
        fits.Column("F", "11X", array=np.ones((50, 11), bool)),
        fits.Column("G", "1J", bzero=2**31, array=np.arange(50, dtype="u4") + 2**31),
    ]
    stream = io.BytesIO()
    first = fits.BinTableHDU.from_columns(columns, name="one")
    fits.HDUList([fits.PrimaryHDU(), first, first.copy()]).writeto(stream)
    return stream.getvalue()


UNCOMPRESSED = create_fits().replace(b"'ONE     '", b"'TWO     '", 1)
COMPRESSED = gzip.compress(UNCOMPRESSED, mtime=0)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fits") / "file.fits.gz"


@given(bit=st.integers(0, 8 * len(COMPRESSED) - 1))
def test_any_flipped_bit_is_detected_or_has_no_effect(file: Path, bit: int) -> None:
    content = bytearray(COMPRESSED)
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)
    file_content = read_file(file)
    # some bits have no effect, such as those of the timestamp in the gzip header
    assert file_content.findings or file_content.content == UNCOMPRESSED


@given(length=st.integers(0, len(COMPRESSED) - 1))
def test_any_truncation_is_detected(file: Path, length: int) -> None:
    file.write_bytes(COMPRESSED[:length])
    assert read_file(file).findings


@given(length=st.integers(0, len(UNCOMPRESSED) - 1))
def test_any_truncation_before_compression_is_detected(file: Path, length: int) -> None:
    file.write_bytes(gzip.compress(UNCOMPRESSED[:length], 1))
    file_content = read_file(file)
    # a file with fewer HDUs is valid; the missing HDU is a fault of the run
    assert file_content.findings or len(file_content.hdus) < 3


@pytest.mark.parametrize("content", [COMPRESSED, UNCOMPRESSED, COMPRESSED + bytes(64)], ids=len)
def test_valid_file_has_no_findings(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    file_content = read_file(file)
    assert file_content.findings == ()
    assert set(file_content.hdus) == {"PRIMARY", "ONE", "TWO"}


def test_gzip_file_with_several_members_is_read_completely(file: Path) -> None:
    file.write_bytes(gzip.compress(UNCOMPRESSED[:3000]) + gzip.compress(UNCOMPRESSED[3000:]))
    assert read_file(file).content == UNCOMPRESSED


def test_two_hdus_with_the_same_name_are_a_fault(file: Path) -> None:
    file.write_bytes(create_fits())
    (finding,) = read_file(file).findings
    assert finding.hdu == "ONE"
    assert "same name as an earlier HDU" in finding.message


def test_columns_agree_with_astropy(file: Path) -> None:
    file.write_bytes(UNCOMPRESSED)
    table = read_file(file).table("ONE")
    assert table.names == tuple("ABCDEFG")
    assert table.unit("A") == "TeV"
    with fits.open(file) as hdus:
        for name in "ABCG":
            np.testing.assert_array_equal(table.column(name), hdus["ONE"].data[name])


def test_scaled_column_is_converted() -> None:
    header = {"TFIELDS": 1, "TTYPE1": "A", "TFORM1": "1I", "TSCAL1": 0.5, "TZERO1": 10}
    table = Table({**header, "NAXIS1": 2, "NAXIS2": 2}, memoryview(b"\0\1\0\4"))
    np.testing.assert_array_equal(table.column("A"), [10.5, 12.0])


def test_columns_that_do_not_fill_a_row_are_an_error() -> None:
    header = {"TFIELDS": 1, "TTYPE1": "A", "TFORM1": "1D", "NAXIS1": 4, "NAXIS2": 1}
    with pytest.raises(ValueError, match="have 8 bytes per row"):
        Table(header, memoryview(bytes(8))).column("A")
