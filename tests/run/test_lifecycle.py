"""Faulty lifecycle hooks are named, and neither stop a run nor damage its folder."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from observers import LastObserver, Observer, Undamaged, read_files, read_report, run_with
from skyred import Result
from skyred.errors import ComponentError
from skyred.io.checksums import SUMS, find_damage
from skyred.run import lifecycle
from toys import Recorder, toy_plugins

# -- errors and durations ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "hook", ["skyred_run_started", "skyred_observation_reduced", "skyred_run_finished"]
)
@pytest.mark.parametrize("error", [SystemExit("no licence"), GeneratorExit("closed")])
def test_exit_of_a_hook_does_not_stop_the_run(
    tmp_path: Path, hook: str, error: BaseException
) -> None:
    def fail(run: Any, report: Any) -> None:
        raise error

    run_with(tmp_path / "run", ("bad", Observer(fail, hook)), until="fit")
    report = read_report(tmp_path / "run")
    assert report["state"] == "finished"
    assert f"plugin 'bad' failed in {hook}: " in report["watchers"][0]
    assert ("it exits Python (code no licence)" in report["watchers"][0]) is isinstance(
        error, SystemExit
    )


@pytest.mark.parametrize("hook", ["skyred_observation_reduced", "skyred_run_finished"])
def test_interruption_of_a_hook_stops_the_run_and_names_the_plugin(
    tmp_path: Path, hook: str
) -> None:
    def interrupt(run: Any, report: Any) -> None:
        raise KeyboardInterrupt

    recorder = Recorder()
    with pytest.raises(KeyboardInterrupt):
        run_with(tmp_path / "run", ("slow", Observer(interrupt, hook)), ("recorder", recorder))
    report = read_report(tmp_path / "run")
    assert report["state"] == "interrupted"
    assert report["watchers"] == [f"interrupted in {hook} of the plugin 'slow'"]
    assert recorder.calls[-1][0] == "run_finished"
    assert find_damage(tmp_path / "run") is None


def test_time_of_hooks_is_recorded_and_not_part_of_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])

    def wait(run: Any, report: Any) -> None:
        clock[0] += 100.0

    with caplog.at_level(logging.WARNING, logger=lifecycle.__name__):
        result = run_with(
            tmp_path / "run",
            ("slow", Observer(wait, "skyred_observation_reduced")),
            until="reduce",
        )
    assert [step.seconds for step in result.steps] == [0.0, 0.0]
    assert read_report(tmp_path / "run")["watcher_seconds"]["slow"] == 500.0
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 1
    assert "the plugin 'slow' is slow: its hooks took 100.0 s so far" in messages[0]
    assert "skyred_observation_reduced" in messages[0]


# -- damage to the run folder --------------------------------------------------------------------


def truncate(run: Any, report: Any) -> None:
    os.truncate(run.folder / "datasets" / "toy.fits", 100)


def change(run: Any, report: Any) -> None:
    path = run.folder / "fit.yaml"
    path.write_bytes(path.read_bytes().replace(b"stat:", b"Stat:"))


def change_with_the_same_time(run: Any, report: Any) -> None:
    path = run.folder / "fit.yaml"
    status = path.stat()
    change(run, report)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def delete(run: Any, report: Any) -> None:
    (run.folder / "models.yaml").unlink()
    shutil.rmtree(run.folder / "estimates")


def link(run: Any, report: Any) -> None:
    moved = run.folder.parent / "archive"
    (run.folder / "fit.yaml").rename(moved)
    (run.folder / "fit.yaml").symlink_to(moved)


def link_folder(run: Any, report: Any) -> None:
    moved = run.folder.parent / "archive"
    (run.folder / "datasets").rename(moved)
    (run.folder / "datasets").symlink_to(moved)


def replace_by_folder(run: Any, report: Any) -> None:
    (run.folder / "config.yaml").unlink()
    (run.folder / "config.yaml").mkdir()


@pytest.mark.parametrize(
    ("damage", "description"),
    [
        (truncate, "datasets/toy.fits was changed"),
        (change, "fit.yaml was changed"),
        (change_with_the_same_time, "fit.yaml was changed"),
        (link, "fit.yaml is no regular file"),
        (link_folder, "datasets/datasets.yaml is behind a symbolic link"),
        (delete, "estimates/toy-total.txt is missing"),
        (replace_by_folder, "config.yaml is no regular file"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize("observer", [Observer, LastObserver])
def test_damaged_files_are_restored(
    tmp_path: Path, damage: Any, description: str, observer: Any
) -> None:
    undamaged = Undamaged()
    run_with(tmp_path / "run", ("bad", observer(damage)), ("undamaged", undamaged))
    assert read_files(tmp_path / "run") == undamaged.files
    assert Result.read(tmp_path / "run", plugins=toy_plugins()).fit.success
    assert find_damage(tmp_path / "run") is None
    report = read_report(tmp_path / "run")
    assert report["state"] == "finished"
    (message,) = report["watchers"]
    assert message.startswith("plugin 'bad' damaged the run folder in skyred_run_finished: ")
    assert description in message


def test_removed_run_folder_is_restored(tmp_path: Path) -> None:
    undamaged, bad = Undamaged(), Observer(lambda run, report: shutil.rmtree(run.folder))
    run_with(tmp_path / "run", ("bad", bad), ("undamaged", undamaged))
    assert read_files(tmp_path / "run") == undamaged.files
    messages = [json.loads(line)["message"] for line in (tmp_path / "run" / "log.jsonl").open()]
    assert any("log.jsonl is missing" in message for message in messages)
    assert any(message.startswith("fit in ") for message in messages)


def test_deleted_report_is_restored(tmp_path: Path) -> None:
    def delete_report(run: Any, report: Any) -> None:
        (run.folder / "report.json").unlink()

    run_with(tmp_path / "run", ("bad", LastObserver(delete_report)))
    (message,) = read_report(tmp_path / "run")["watchers"]
    assert "report.json is missing" in message


def test_files_that_a_hook_adds_are_published_with_checksums(tmp_path: Path) -> None:
    def add(run: Any, report: Any) -> None:
        (run.folder / "notes.txt").write_text("a note")
        (run.folder / "fit.yaml").touch()

    run_with(tmp_path / "run", ("good", Observer(add)))
    assert "notes.txt" in (tmp_path / "run" / SUMS).read_text()
    assert read_report(tmp_path / "run")["watchers"] == []


def test_files_of_another_plugin_are_restored(tmp_path: Path) -> None:
    def add(run: Any, report: Any) -> None:
        (run.folder / "notes.txt").write_text("a note")

    def delete_notes(run: Any, report: Any) -> None:
        (run.folder / "notes.txt").unlink()

    run_with(tmp_path / "run", ("good", Observer(add)), ("bad", LastObserver(delete_notes)))
    assert (tmp_path / "run" / "notes.txt").read_text() == "a note"
    (message,) = read_report(tmp_path / "run")["watchers"]
    assert "notes.txt is missing" in message
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_run_is_not_published_as_finished_if_the_disk_has_no_space_for_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copyfile(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", copyfile)
    run_with(tmp_path / "good", ("good", Observer(lambda run, report: None)))
    with pytest.raises(
        ComponentError, match=r"plugin 'bad' damaged .* fit.yaml cannot be restored"
    ):
        run_with(tmp_path / "run", ("bad", Observer(change)))
    report = read_report(tmp_path / "run")
    assert report["state"] == "failed"
    assert "fit.yaml cannot be restored" in report["error"]


@pytest.mark.parametrize("has_folder", [True, False])
def test_run_fails_if_a_hook_changes_the_result(tmp_path: Path, has_folder: bool) -> None:
    def change_result(run: Any, report: Any) -> None:
        report.result.models.parameters[0].value *= 2

    undamaged = Undamaged()
    watchers = [("bad", Observer(change_result))]
    folder = tmp_path / "run" if has_folder else None
    with pytest.raises(ComponentError, match=r"plugin 'bad' changed the result .* the parameter "):
        run_with(folder, *watchers, *([("undamaged", undamaged)] if has_folder else []))
    if has_folder:
        assert read_report(tmp_path / "run")["state"] == "failed"
        assert read_files(tmp_path / "run") == undamaged.files


def test_run_fails_if_a_hook_changes_an_estimate() -> None:
    def change_estimate(run: Any, report: Any) -> None:
        report.result.estimates["toy-total"].counts *= 2

    message = "plugin 'bad' changed the result .* counts of the estimate toy-total"
    with pytest.raises(ComponentError, match=message):
        run_with(None, ("bad", Observer(change_estimate)))


@pytest.mark.parametrize("delete_log", [True, False])
def test_damage_to_the_log_is_reported_for_the_hook_that_causes_it(
    tmp_path: Path, delete_log: bool
) -> None:
    calls: list[Any] = []

    def damage(run: Any, report: Any) -> None:
        calls.append(run)
        if len(calls) == 2:
            path = run.folder / "log.jsonl"
            path.unlink() if delete_log else os.truncate(path, 0)

    run_with(tmp_path / "run", ("bad", Observer(damage, "skyred_observation_reduced")))
    (message,) = read_report(tmp_path / "run")["watchers"]
    event = "is missing" if delete_log else "was truncated"
    assert message == (
        f"plugin 'bad' damaged the run folder in skyred_observation_reduced: log.jsonl {event}"
    )
    log_lines = (tmp_path / "run" / "log.jsonl").read_text()
    assert message in log_lines
    assert ("select in" in log_lines) is delete_log


@pytest.mark.slow
def test_hooks_of_a_one_file_plugin_are_named_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(
        "import sys\n"
        "from skyred import hookimpl\n\n\n"
        "@hookimpl\n"
        "def skyred_step_finished(step):\n"
        "    sys.exit(0)\n\n\n"
        "@hookimpl\n"
        "def skyred_run_finished(run):\n"
        "    (run.folder / 'observations.ecsv').write_text('')\n"
    )
    process = subprocess.run(
        [sys.executable, "-m", "skyred", "run", "demo.yaml", "--plugin", "bad.py", "--until",
         "reduce", "-o", "run", "--no-plots"],
        cwd=_write_demo(tmp_path), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert "plugin 'bad' failed in skyred_step_finished: it exits Python (code 0)" in process.stderr
    assert "plugin 'bad' damaged the run folder in skyred_run_finished" in process.stderr
    assert len(Result.read(tmp_path / "run").observations) == 1


def _write_demo(folder: Path) -> Path:
    (folder / "demo.yaml").write_text(
        "data:\n"
        "  crab:\n"
        "    archive: sim:crab?runs=1&livetime=1min\n"
        "    geometry: {kind: map, center: [83.633 deg, 22.014 deg], width: 1 deg,\n"
        "      energy: {min: 1 TeV, max: 10 TeV, bins: 2},\n"
        "      energy_true: {min: 1 TeV, max: 10 TeV, bins: 3}}\n"
        "    make: [{kind: map}]\n"
        "    stack: {kind: sum}\n"
    )
    return folder
