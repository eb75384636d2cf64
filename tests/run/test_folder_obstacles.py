"""What hooks of plugins put in the way of the files of a run is removed or renamed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from observers import Observer, read_report, run_with
from skyred import Result
from skyred.io.checksums import SUMS, find_damage
from toys import toy_plugins


def elsewhere(run: Any) -> Path:
    folder: Path = run.folder.parent / "elsewhere"
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text("precious")
    return folder


@pytest.mark.parametrize(
    ("obstruct", "description"),
    [
        (
            lambda run: (run.folder / "datasets").symlink_to(elsewhere(run)),
            "datasets is a symbolic link",
        ),
        (
            lambda run: (run.folder / "config.yaml").symlink_to(elsewhere(run) / "config.yaml"),
            "config.yaml is a symbolic link",
        ),
        (
            lambda run: (run.folder / "config.yaml").hardlink_to(elsewhere(run) / "config.yaml"),
            "config.yaml is a hard link",
        ),
        (
            lambda run: (run.folder / "models.yaml").mkdir(),
            "models.yaml is a folder, now models.yaml.moved",
        ),
        (lambda run: (run.folder / "plots").write_text(""), "plots is no regular file or folder"),
        (lambda run: os.mkfifo(run.folder / "fit.yaml"), "fit.yaml is no regular file or folder"),
        (lambda run: run.folder.chmod(0o500), "the folder is read-only"),
        (lambda run: (run.folder / "datasets").mkdir(mode=0o500), "datasets is read-only"),
    ],
    ids=["link", "file link", "hard link", "folder", "file", "pipe", "read-only", "subfolder"],
)
def test_obstacles_are_removed_before_files_are_written(
    tmp_path: Path, obstruct: Any, description: str
) -> None:
    def damage(run: Any, report: Any) -> None:
        (run.folder / "notes.txt").write_text("a note")
        obstruct(run)

    run_with(tmp_path / "run", ("bad", Observer(damage, "skyred_run_started")))
    assert Result.read(tmp_path / "run", plugins=toy_plugins()).fit.success
    assert (tmp_path / "run" / "notes.txt").read_text() == "a note"
    assert read_report(tmp_path / "run")["watchers"] == [
        "plugin 'bad' damaged the run folder before its files were written: "
        f"{description}; repaired"
    ]
    for path in tmp_path.glob("elsewhere/*"):
        assert (path.name, path.read_text()) == ("config.yaml", "precious")


@pytest.mark.parametrize(
    ("obstruct", "description"),
    [
        (
            lambda run: (run.folder / "report.json").symlink_to(elsewhere(run) / "config.yaml"),
            "report.json is a symbolic link",
        ),
        (
            lambda run: (run.folder / "report.json").hardlink_to(elsewhere(run) / "config.yaml"),
            "report.json is a hard link",
        ),
        (
            lambda run: (run.folder / SUMS).symlink_to(elsewhere(run) / "config.yaml"),
            f"{SUMS} is a symbolic link",
        ),
        (lambda run: (run.folder / SUMS).mkdir(), f"{SUMS} is a folder, now {SUMS}.moved"),
        (
            lambda run: (run.folder / "plots").symlink_to(elsewhere(run)),
            "plots is a symbolic link",
        ),
        (lambda run: os.mkfifo(run.folder / SUMS), f"{SUMS} is no regular file or folder"),
    ],
    ids=["report link", "hard link", "sums link", "sums folder", "plots link", "pipe"],
)
def test_obstacles_are_removed_before_the_report_is_written(
    tmp_path: Path, obstruct: Any, description: str
) -> None:
    run_with(tmp_path / "run", ("bad", Observer(lambda run, report: obstruct(run))))
    assert find_damage(tmp_path / "run") is None
    assert read_report(tmp_path / "run")["watchers"] == [
        f"plugin 'bad' damaged the run folder in skyred_run_finished: {description}; repaired"
    ]
    for path in tmp_path.glob("elsewhere/*"):
        assert (path.name, path.read_text()) == ("config.yaml", "precious")


def test_report_replaces_the_file_of_a_hook(tmp_path: Path) -> None:
    def write_report(run: Any, report: Any) -> None:
        if not (run.folder / "report.json").exists():
            (run.folder / "report.json").write_text("my report")

    run_with(tmp_path / "run", ("own", Observer(write_report)))
    report = read_report(tmp_path / "run")
    assert (report["state"], report["watchers"]) == ("finished", [])


def test_obstructing_folders_are_renamed(tmp_path: Path) -> None:
    def create_folder(run: Any, report: Any) -> None:
        (run.folder / "datasets" / "own.fits").mkdir(parents=True)
        (run.folder / "datasets" / "own.fits" / "note.txt").write_text("a note")

    run_with(tmp_path / "run", ("own", Observer(create_folder, "skyred_run_started")))
    note = tmp_path / "run" / "datasets" / "own.fits.moved" / "note.txt"
    assert note.read_text() == "a note"
    assert Result.read(tmp_path / "run", plugins=toy_plugins()).fit.success
