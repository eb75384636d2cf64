"""Truncated FITS files and files with code are rejected before gammapy reads them."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from gammapy.maps import Map
from hypothesis import given, strategies as st

import small_datasets as small
from skyred.errors import FileError
from skyred.inspection.file_checks import (
    SHAPE_PATTERN,
    check_fits_file,
    check_models,
    resolve_indexed_file,
)

EXPRESSION = "open('executed', 'w') and (20, 20)"  # creates a file if it is executed


def write_map(path: Path, shape: str | None = None) -> Path:
    """Write a map with this value of the card WCSSHAPE, and return its path."""
    Map.from_geom(small.image_geom(), data=np.ones((20, 20))).write(path, overwrite=True)
    if shape is not None:
        with fits.open(path) as hdus:
            hdus[0].header["WCSSHAPE"] = shape
            hdus.writeto(path, overwrite=True)
    return path


@pytest.mark.parametrize("name", ["map.fits", "map.fits.gz"])
def test_header_with_code_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_map(tmp_path / name, EXPRESSION)
    with pytest.raises(
        FileError, match=r"has the card WCSSHAPE = .*which gammapy would execute as code"
    ):
        check_fits_file(path)
    assert not Path("executed").exists()
    Map.read(path)
    assert Path("executed").exists(), "gammapy executes the expression"


@pytest.mark.parametrize("shape", [None, "(20, 20)", "(20,20,)"])
def test_valid_file_is_accepted(tmp_path: Path, shape: str | None) -> None:
    for name in ("map.fits", "map.fits.gz"):
        check_fits_file(write_map(tmp_path / name, shape))


def test_shape_written_by_gammapy_is_allowed() -> None:
    for geom in (small.image_geom(), small.image_geom().to_cube([small.ENERGY])):
        header = geom.to_header()
        assert SHAPE_PATTERN.fullmatch(header.get("WCSSHAPE", "(1, 1)"))


@given(shape=st.text(st.sampled_from("0123456789(),.[]_ ax'\"+*"), max_size=12))
def test_only_integers_in_parentheses_are_allowed(shape: str) -> None:
    if SHAPE_PATTERN.fullmatch(shape):
        assert set(shape) <= set("0123456789(), ")
        numbers = shape.strip("() ").rstrip(", ").split(",")
        assert all(number.strip().isdigit() for number in numbers)


@pytest.fixture(scope="module")
def complete_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("complete") / "dataset.fits"
    small.map_dataset().write(path)
    return path.read_bytes()


@pytest.mark.parametrize("suffix", [".fits", ".fits.gz"])
def test_truncated_file_is_rejected(tmp_path: Path, complete_file: bytes, suffix: str) -> None:
    content = gzip.compress(complete_file) if suffix == ".fits.gz" else complete_file
    path = tmp_path / f"dataset{suffix}"
    path.write_bytes(content)
    check_fits_file(path)
    for length in np.linspace(0, len(content) - 1, 40).astype(int):
        if length % 2880 == 0 and length and suffix == ".fits":
            continue  # a file that ends between two HDUs is valid FITS
        path.write_bytes(content[:length])
        with pytest.raises(FileError, match=r"cannot be read as FITS|is truncated"):
            check_fits_file(path)


def test_flipped_bit_in_a_compressed_file_is_detected(tmp_path: Path, complete_file: bytes) -> None:
    content = bytearray(gzip.compress(complete_file))
    content[-6] ^= 1  # in the checksum of the gzip file
    (tmp_path / "dataset.fits.gz").write_bytes(content)
    with pytest.raises(FileError, match="CRC check failed"):
        check_fits_file(tmp_path / "dataset.fits.gz")


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../data.fits", "a/../../b.fits", "$HOME/x.fits", "~/x.fits", "a\\b"]
)
def test_index_entry_outside_the_folder_is_rejected(tmp_path: Path, name: str) -> None:
    (tmp_path / "data.fits").touch()
    (tmp_path / "in").mkdir()
    with pytest.raises(
        FileError, match=r"refers to .*; expected a file in the same folder or below"
    ):
        resolve_indexed_file(tmp_path / "in" / "datasets.yaml", name)


def test_index_entries_in_the_folder_and_its_subfolders_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "subfolder").mkdir()
    for name in ("a.fits", "subfolder/b.fits"):
        (tmp_path / name).touch()
        assert resolve_indexed_file(tmp_path / "datasets.yaml", name) == tmp_path / name
    with pytest.raises(FileError, match="which does not exist; copy it to"):
        resolve_indexed_file(tmp_path / "datasets.yaml", "c.fits")


def test_models_with_code_are_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAP_FOLDER", str(tmp_path))
    path = write_map(tmp_path / "map.fits", EXPRESSION)
    for folder, name in ((None, str(path)), (None, "$MAP_FOLDER/map.fits"), (tmp_path, "map.fits")):
        with pytest.raises(FileError, match="WCSSHAPE"):
            check_models({"components": [{"spatial": {"filename": name}}]}, folder)
    compound = {"model1": {}, "model2": {}, "operator": "methodcaller"}
    with pytest.raises(FileError, match="has the operator 'methodcaller'; expected one of add, "):
        check_models([{"spectral": compound}])
    check_models([{"spectral": {**compound, "operator": "mul"}}])
