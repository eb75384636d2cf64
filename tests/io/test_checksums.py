"""SHA256SUMS files are compatible with `sha256sum`, and damage is reported."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from skyred.io.checksums import SUMS, find_damage, write_checksums

NAMES = st.text(st.sampled_from("ab \\\n\rn*ü"), min_size=1, max_size=6).filter(
    lambda name: name.strip()
)


def create_folder(folder: Path, files: dict[str, bytes]) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    write_checksums(folder, files)
    return folder


@given(files=st.dictionaries(NAMES, st.binary(max_size=9), max_size=5))
def test_files_with_any_name_are_valid(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    folder = create_folder(tmp_path_factory.getbasetemp() / "sums", files)
    assert find_damage(folder) is None
    assert find_damage(folder, files) is None


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs the command sha256sum")
def test_sha256sum_command_agrees(tmp_path: Path) -> None:
    folder = create_folder(
        tmp_path / "folder", {"a": b"1", "b b": b"2", "c\\d": b"3", "e\nf": b"4"}
    )
    command = ["sha256sum", "--check", "--strict", SUMS]
    assert subprocess.run(command, cwd=folder, check=False).returncode == 0
    (folder / "e\nf").write_bytes(b"5")
    assert subprocess.run(command, cwd=folder, check=False).returncode == 1


@pytest.mark.parametrize(
    ("apply_damage", "message"),
    [
        (lambda folder: (folder / "a").unlink(), "a is missing"),
        (lambda folder: (folder / "a").write_bytes(b"2"), "a does not match SHA256SUMS"),
        (lambda folder: (folder / "a").write_bytes(b""), "a does not match SHA256SUMS"),
        (lambda folder: (folder / SUMS).unlink(), "SHA256SUMS cannot be read"),
        (lambda folder: (folder / SUMS).write_bytes(b"\xff"), "SHA256SUMS cannot be read"),
    ],
    ids=["missing", "changed", "empty", "no SHA256SUMS", "not text"],
)
def test_damage_is_reported(tmp_path: Path, apply_damage, message: str) -> None:
    folder = create_folder(tmp_path / "folder", {"a": b"1", "b": b"2"})
    apply_damage(folder)
    report = find_damage(folder)
    assert report is not None
    assert message in report


def test_unlisted_file_is_reported_only_if_it_is_expected(tmp_path: Path) -> None:
    folder = create_folder(tmp_path / "folder", {"a": b"1"})
    (folder / "notes.txt").write_text("notes")
    assert find_damage(folder) is None
    assert "does not list" in (find_damage(folder, ["a", "notes.txt"]) or "")
