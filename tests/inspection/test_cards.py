"""Headers read from bytes have the values that astropy reads."""

from __future__ import annotations

import gzip
import io
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import assume, given, strategies as st

from skyred.inspection.cards import COMMENTARY, data_size, read_header
from skyred.inspection.structure import StoredHdu, _list_with_astropy, _scan, list_hdus

keywords = st.from_regex(r"[A-Z][A-Z0-9_-]{0,7}", fullmatch=True)
texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40).filter(
    lambda string: not string.rstrip().endswith("&")  # a value that continues is left to astropy
)
values = st.one_of(
    st.booleans(),
    st.integers(-(10**15), 10**15),
    st.floats(allow_nan=False, allow_infinity=False),
    st.just(None),
    texts,
)
ARCHIVES = (
    "hess-dl3-dr1/data/hess_dl3_dr1_obs_id_023523.fits.gz",
    "magic/rad_max/data/20131004_05029747_DL3_CrabNebula-W0.40+035.fits",
    "cta-1dc/data/baseline/gps/gps_baseline_110380.fits",
    "cta-1dc/caldb/data/cta/1dc/bcf/South_z20_50h/irf_file.fits",
)


def to_bytes(hdus: list[fits.hdu.base.ExtensionHDU]) -> bytes:
    stream = io.BytesIO()
    fits.HDUList(hdus).writeto(stream)
    return stream.getvalue()


def create_table(**cards: object) -> fits.BinTableHDU:
    hdu = fits.BinTableHDU.from_columns([fits.Column("A", "E", array=np.arange(3))], name="EVENTS")
    hdu.header.update(cards)
    return hdu


def assert_same_header(header: dict[str, object], expected: fits.Header) -> None:
    assert list(header) == list(dict.fromkeys(expected))
    for key, value in header.items():
        if key in COMMENTARY:
            assert value == list(expected[key])
        else:
            assert value == expected[key]
            assert type(value) is type(expected[key])


def assert_same_hdus(hdus: tuple[StoredHdu, ...], expected: tuple[StoredHdu, ...]) -> None:
    assert len(hdus) == len(expected)
    for hdu, expected_hdu in zip(hdus, expected, strict=True):
        assert hdu.name == expected_hdu.name
        positions = [(h.header_start, h.data_start, h.end) for h in (hdu, expected_hdu)]
        assert positions[0] == positions[1]
        assert_same_header(hdu.header, expected_hdu.header)


@given(st.dictionaries(keywords, values, max_size=60), st.lists(texts, max_size=3))
def test_values_are_those_of_astropy(cards, comments):
    reserved = ("NAXIS", "SIMPLE", "XTENSION", "BITPIX", "PCOUNT", "GCOUNT", "TFIELDS", "END")
    header = fits.Header()
    for key, value in cards.items():
        assume(not key.startswith(reserved))
        header[key] = value, "a comment / with a slash"
    for comment in comments:
        header.add_comment(comment)
    result = read_header(header.tostring().encode("ascii"), 0)
    assert result is not None
    values_by_key, end = result
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = fits.Header.fromstring(header.tostring())
    assert_same_header(values_by_key, expected)
    assert end == len(header.tostring())


@pytest.mark.parametrize(
    "line",
    [
        "KEY     = '" + "x" * 66 + "&'",
        "CONTINUE  'the rest'",
        "KEY     = 'é'",
        "KEY     = 1",
        "KEY     = not a value",
    ],
)
def test_unusual_headers_are_left_to_astropy(line):
    lines = ["SIMPLE  =                    T", "KEY     = 0", line, "END"]
    content = "".join(f"{card:80}" for card in lines).ljust(2880).encode("latin-1")
    assert read_header(content, 0) is None


@pytest.mark.parametrize("line", ["KEY=5", "A =5", "KEY     =5", "KEY     =  5 / five"])
def test_unusual_cards_have_the_values_of_astropy(line):
    lines = ["SIMPLE  =                    T", line, "END"]
    content = "".join(f"{card:80}" for card in lines).ljust(2880)
    result = read_header(content.encode("ascii"), 0)
    assert result is not None
    assert_same_header(result[0], fits.Header.fromstring(content))


def test_header_without_an_end_is_left_to_astropy():
    content = to_bytes([fits.PrimaryHDU(), create_table()])
    assert read_header(content[: 2880 * 2 - 80], 2880) is None


def test_size_of_the_data_is_that_of_astropy():
    for array in (None, np.zeros((3, 5), dtype="i2"), np.zeros((2, 3, 7), dtype="f8")):
        hdu = fits.ImageHDU(array)
        assert data_size(hdu.header) == hdu.size
    table = create_table()
    assert data_size(table.header) == table.size
    assert data_size({"NAXIS": 1, "BITPIX": 8, "NAXIS1": -1}) is None


def test_list_of_hdus_is_that_of_astropy():
    image = fits.ImageHDU(np.ones((4, 4)), name="IMAGE")
    unnamed = create_table()
    del unnamed.header["EXTNAME"]
    content = to_bytes([fits.PrimaryHDU(), create_table(OBS_ID=5, UNIT="TeV"), image, unnamed])
    assert_same_hdus(_scan(content), _list_with_astropy(content))
    assert list_hdus(content)[1].open().data["A"].tolist() == [0, 1, 2]


def test_truncated_file_is_left_to_astropy():
    content = to_bytes([fits.PrimaryHDU(), create_table()])
    assert _scan(content[:-2880]) == ()
    assert len(list_hdus(content[:-2880])) == 2


@pytest.mark.parametrize("name", ARCHIVES)
def test_hdus_of_public_archives_are_those_of_astropy(name):
    path = Path(os.environ.get("GAMMAPY_DATA", ""), name)
    if not path.is_file():
        pytest.skip(f"needs $GAMMAPY_DATA/{name}")
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    assert_same_hdus(_scan(content), _list_with_astropy(content))
