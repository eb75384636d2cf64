"""SHA256SUMS: what `sha256sum` reads, and what each kind of damage is called."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from skyred.io.checksums import SUMS, find_damage, write_checksums

names = st.text(st.sampled_from("ab \\\n\rn*ü"), min_size=1, max_size=6).filter(lambda n: n.strip())


def folder_of(folder: Path, files: dict[str, bytes]) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    write_checksums(folder, files)
    return folder


@given(files=st.dictionaries(names, st.binary(max_size=9), max_size=5))
def test_files_of_any_name_are_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    folder = folder_of(tmp_path_factory.getbasetemp() / "sums", files)
    assert find_damage(folder) is None
    assert find_damage(folder, files) is None


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs the command sha256sum")
def test_the_command_sha256sum_agrees(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "it", {"a": b"1", "b b": b"2", "c\\d": b"3", "e\nf": b"4"})
    command = ["sha256sum", "--check", "--strict", SUMS]
    assert subprocess.run(command, cwd=folder, check=False).returncode == 0
    (folder / "e\nf").write_bytes(b"5")
    assert subprocess.run(command, cwd=folder, check=False).returncode == 1


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda folder: (folder / "a").unlink(), "a is missing"),
        (lambda folder: (folder / "a").write_bytes(b"2"), "a does not match SHA256SUMS"),
        (lambda folder: (folder / "a").write_bytes(b""), "a does not match SHA256SUMS"),
        (lambda folder: (folder / SUMS).unlink(), "SHA256SUMS cannot be read"),
        (lambda folder: (folder / SUMS).write_bytes(b"\xff"), "SHA256SUMS cannot be read"),
    ],
    ids=["missing", "changed", "empty", "no sums", "no text"],
)
def test_each_damage_is_named(tmp_path: Path, harm, says: str) -> None:
    folder = folder_of(tmp_path / "it", {"a": b"1", "b": b"2"})
    harm(folder)
    difference = find_damage(folder)
    assert difference is not None
    assert says in difference


def test_a_file_that_is_not_stated_matters_only_where_all_are_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "it", {"a": b"1"})
    (folder / "notes.txt").write_text("mine")
    assert find_damage(folder) is None
    assert "does not list" in (find_damage(folder, ["a", "notes.txt"]) or "")
