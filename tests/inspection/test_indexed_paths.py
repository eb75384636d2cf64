"""Files of an HDU index inside and outside the archive, and which of them may be read."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from astropy.io import fits

from skyred.inspection.file_content import read_file
from skyred.inspection.indexed_paths import IRF_TYPES, IndexedPaths
from skyred.inspection.records import Finding
from skyred.io.checksums import file_checksum

HDU_TYPES = ("events", "gti", *IRF_TYPES)


def write_fits(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.PrimaryHDU().writeto(path)
    return path


def resolve(base: Path, hdu_type: str, name: str, *, allow_outside: bool = False) -> Path | Finding:
    base.mkdir(parents=True, exist_ok=True)
    folder, file = os.path.split(name)
    return IndexedPaths(base, allow_outside).resolve(hdu_type, folder, file)


def rule(result: Path | Finding) -> str:
    assert isinstance(result, Finding), result
    return result.rule


@pytest.mark.parametrize("hdu_type", HDU_TYPES)
@pytest.mark.parametrize("name", ["0.fits", "data/0.fits", "data/../0.fits", "../archive/0.fits"])
def test_files_in_the_folder_of_the_index_may_be_read(
    tmp_path: Path, hdu_type: str, name: str
) -> None:
    base = tmp_path / "archive"
    (base / "data").mkdir(parents=True)
    assert resolve(base, hdu_type, name) == base.resolve() / name
    assert resolve(base, hdu_type, str(base.resolve() / name)) == base.resolve() / name


@pytest.mark.parametrize("name", ["../irfs.fits", "../caldb/irfs.fits", "../caldb/irfs.fits.gz"])
def test_irfs_with_a_relative_path_may_be_outside_but_not_events(tmp_path: Path, name: str) -> None:
    base = tmp_path / "archive"
    base.mkdir()
    path = write_fits(base / name).resolve()
    for hdu_type in IRF_TYPES:
        assert resolve(base, hdu_type, name) == path
    for hdu_type in ("events", "gti", "pointing"):
        assert rule(resolve(base, hdu_type, name)) == "index-path"
        assert resolve(base, hdu_type, name, allow_outside=True) == base.resolve() / name


@pytest.mark.parametrize("hdu_type", HDU_TYPES)
def test_absolute_path_outside_needs_allow_outside(tmp_path: Path, hdu_type: str) -> None:
    path = write_fits(tmp_path / "caldb" / "irfs.fits")
    assert rule(resolve(tmp_path / "archive", hdu_type, str(path))) == "index-path"
    assert resolve(tmp_path / "archive", hdu_type, str(path), allow_outside=True) == path


@pytest.mark.parametrize("hdu_type", HDU_TYPES)
@pytest.mark.parametrize("index", ["index", "index/gps"])
def test_archive_is_the_parent_of_a_folder_named_index(
    tmp_path: Path, hdu_type: str, index: str
) -> None:
    base = tmp_path / "archive" / index
    path = write_fits(tmp_path / "archive" / "data" / "0.fits")
    outer_file = write_fits(tmp_path / "0.fits")
    up = "../" * len(Path(index).parts)
    assert resolve(base, hdu_type, f"{up}data/0.fits") == path.resolve()
    result = resolve(base, hdu_type, f"{up}../0.fits")
    assert result == outer_file.resolve() if hdu_type in IRF_TYPES else rule(result) == "index-path"


def test_folder_named_index_further_up_does_not_extend_the_archive(tmp_path: Path) -> None:
    write_fits(tmp_path / "0.fits")
    base = tmp_path / "index" / "a" / "b"
    assert rule(resolve(base, "events", "../../../0.fits")) == "index-path"


@pytest.mark.parametrize(
    "content",
    [b"", b"password", gzip.compress(b"password", mtime=0), b"\x1f\x8b?"],
    ids=["empty", "text", "gzip", "damaged gzip"],
)
@pytest.mark.parametrize("name", ["../secret", "../../secret"])
def test_other_files_outside_the_folder_of_the_index_are_rejected(
    tmp_path: Path, content: bytes, name: str
) -> None:
    base = tmp_path / "archive" / "index"
    base.mkdir(parents=True)
    (base / name).write_bytes(content)
    result = resolve(base, "aeff", name)
    assert rule(result) == "file-damaged"
    assert "password" not in str(result)


@pytest.mark.parametrize("allow_outside", [False, True])
def test_pipes_devices_and_folders_are_never_opened(tmp_path: Path, allow_outside: bool) -> None:
    base = tmp_path / "archive"
    base.mkdir()
    os.mkfifo(tmp_path / "pipe.fits")  # opening it for reading would block
    os.mkfifo(base / "pipe.fits")
    (tmp_path / "zero.fits").symlink_to("/dev/zero")
    for name in ("../pipe.fits", "../zero.fits", "..", "pipe.fits"):
        result = resolve(base, "aeff", name, allow_outside=allow_outside)
        if isinstance(result, Path):  # accepted, but not opened when it is read
            assert file_checksum(result) == ""
            assert "is not a regular file" in str(read_file(result).findings[0])
        else:
            assert "expected a regular file" in str(result) or name == ".."


@pytest.mark.parametrize("hdu_type", HDU_TYPES)
def test_links_in_the_archive_that_leave_it_need_allow_outside(
    tmp_path: Path, hdu_type: str
) -> None:
    base = tmp_path / "archive"
    base.mkdir()
    write_fits(tmp_path / "other" / "deep" / "0.fits")
    write_fits(tmp_path / "other" / "1.fits")
    (base / "0.fits").symlink_to("../other/deep/0.fits")
    (base / "link").symlink_to("../other/deep")
    for name in ("0.fits", "link/0.fits", "link/../1.fits"):
        result = resolve(base, hdu_type, name)
        assert rule(result) == "index-path"
        assert "link that points outside" in str(result)
        assert resolve(base, hdu_type, name, allow_outside=True) == base.resolve() / name


def test_archive_that_is_opened_through_a_link_has_the_same_files(tmp_path: Path) -> None:
    path = write_fits(tmp_path / "real" / "caldb" / "irfs.fits")
    (tmp_path / "real" / "archive").mkdir()
    (tmp_path / "link").symlink_to("real/archive")
    assert resolve(tmp_path / "link", "aeff", "../caldb/irfs.fits") == path.resolve()


@pytest.mark.parametrize("name", ["../missing.fits", "../missing/0.fits"])
def test_missing_irf_outside_is_reported_with_its_path(tmp_path: Path, name: str) -> None:
    result = resolve(tmp_path / "archive", "aeff", name)
    assert rule(result) == "file-damaged"
    assert str(result) == f"{(tmp_path / 'archive' / name).resolve()}: the file is missing"


@pytest.mark.parametrize("allow_outside", [False, True])
@pytest.mark.parametrize("name", ["$HOME/0.fits", "${HOME}/data/0.fits", "~/0.fits"])
def test_variables_are_never_expanded(tmp_path: Path, name: str, allow_outside: bool) -> None:
    result = resolve(tmp_path, "aeff", name, allow_outside=allow_outside)
    assert rule(result) == "index-variable"


def test_invalid_names_are_reported(tmp_path: Path) -> None:
    long_name = f"../{'a' * 300}.fits"
    assert rule(resolve(tmp_path / "archive", "aeff", long_name)) == "file-damaged"
    for allow_outside in (False, True):
        result = resolve(tmp_path, "events", "0\0.fits", allow_outside=allow_outside)
        assert rule(result) == "index-path"
