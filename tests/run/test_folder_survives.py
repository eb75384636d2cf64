"""Run folders on full disks, with concurrent runs, and with killed processes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from skyred import Estimator, Orchestrator, Pipeline, Result, component, hookimpl
from skyred.errors import DiskError, OutputError, RunsFailedError
from skyred.interfaces import Stacker
from skyred.io.checksums import SUMS, find_damage
from skyred.io.locks import acquire_lock
from skyred.run import disk_space as space, run_folder as folder_module
from skyred.run.disk_space import minimum_size, size_of
from skyred.run.run_folder import RunFolder
from toys import ToyEstimator, ToyGeometry, ToyMaker, ToyProduct, ToySum, toy_pipeline, toy_plugins
from waiting import LIMIT

KILLING = Path(__file__).with_name("killed_publishers.py")
BIG = bytes(3_000_000)
FULL = (
    r"cannot be written: No space left on device \(.*[\d.]+ MB are free\); free some space, or "
    "choose another folder with -o; this run was not published"
)


def run(folder: Path, pipeline: Pipeline | None = None, *watchers: Any, **options: Any) -> Result:
    return Orchestrator(pipeline or toy_pipeline(), plugins=toy_plugins(*watchers)).run(
        folder, **options
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# -- full disks ------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of a file system of 2 MB."""
    mount_point = tmp_path / "disk"
    mount_point.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(mount_point)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only the superuser can mount a small disk")
    yield mount_point
    subprocess.run(["umount", "--lazy", str(mount_point)], check=True)


def fill(disk: Path) -> None:
    with contextlib.suppress(OSError), (disk / "others").open("wb", buffering=0) as stream:
        while True:
            stream.write(BIG)


@attrs.define(eq=False)
class Large(ToyProduct):
    def write(self, folder: Path) -> list[Path]:
        (folder / f"{self.name}.txt").write_bytes(BIG)
        return []


@component
class LargeEstimator(Estimator):
    """An estimator with a product of 3 MB."""

    kind = "much"
    product = Large

    def estimate(self, datasets: Any, fit: Any) -> Any:
        return Large(self.label, 1.0)


class LargePlot:
    @hookimpl
    def skyred_run_finished(self, run: Any) -> None:
        (run.folder / "plots").mkdir()
        (run.folder / "plots" / "large.png").write_bytes(BIG)


class LargePlotOfPlugin:
    @hookimpl
    def skyred_run_finished(self, run: Any) -> None:
        try:
            LargePlot().skyred_run_finished(run)
        except OSError as error:
            raise RuntimeError("plots could not be written") from error


@attrs.define
class FillsDiskBefore:
    step: str
    disk: Path

    @hookimpl
    def skyred_step_started(self, step: str) -> None:
        if step == self.step:
            fill(self.disk)


STAGES: dict[str, Callable[[Path], tuple[Pipeline, list[Any]]]] = {
    "datasets": lambda _: (toy_pipeline(geometry=ToyGeometry(bins=200_000)), []),
    "estimates": lambda _: (toy_pipeline(estimate=[LargeEstimator(), ToyEstimator()]), []),
    "plots": lambda _: (toy_pipeline(), [("draws", LargePlot())]),
    "plots of a plugin": lambda _: (toy_pipeline(), [("draws", LargePlotOfPlugin())]),
    "log": lambda disk: (toy_pipeline(), [("fills", FillsDiskBefore("reduce", disk))]),
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("exists", [False, True], ids=["new", "over an old run"])
def test_full_disk_leaves_only_the_earlier_run(
    small_disk: Path, stage: str, exists: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    target = small_disk / "run"
    if exists:
        run(target)
    before = contents(target)
    pipeline, watchers = STAGES[stage](small_disk)
    with pytest.raises(DiskError, match=FULL) as excinfo:
        run(target, pipeline, *watchers, overwrite=True)
    assert excinfo.value.exit_code == 2
    assert str(small_disk) in str(excinfo.value)
    assert contents(target) == before
    remaining = {path.name for path in small_disk.iterdir()} - {"others"}
    assert remaining == ({"run"} if exists else set())
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("exists", [False, True], ids=["new", "over an old run"])
def test_disk_that_is_full_at_the_start_is_reported_before_any_work(
    small_disk: Path, exists: bool
) -> None:
    if exists:
        run(small_disk / "run")
    before = contents(small_disk / "run")
    fill(small_disk)
    pipeline = toy_pipeline(make=[ToyMaker(fail=[1])])  # fails if it is started
    with pytest.raises(OutputError, match="cannot be written: No space left on device"):
        run(small_disk / "run", pipeline, overwrite=True)
    assert contents(small_disk / "run") == before
    assert {path.name for path in small_disk.iterdir()} <= {"run", "others"}


def test_read_only_disk_is_reported_before_any_work(small_disk: Path) -> None:
    run(small_disk / "run")
    before = contents(small_disk / "run")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for name in ("run", "another"):
        with pytest.raises(OutputError, match=r"cannot be written: Read-only file system; choose"):
            run(small_disk / name, toy_pipeline(make=[ToyMaker(fail=[1])]), overwrite=True)
    assert contents(small_disk / "run") == before
    assert [path.name for path in small_disk.iterdir()] == ["run"]


def test_log_is_complete_if_the_disk_has_space_again(
    small_disk: Path,
) -> None:
    class FillsAndFreesDisk(FillsDiskBefore):
        @hookimpl
        def skyred_step_finished(self, step: str) -> None:
            if step == "fit":
                (self.disk / "others").unlink()

    run(small_disk / "run", None, ("fills", FillsAndFreesDisk("reduce", small_disk)))
    lines = [json.loads(line) for line in (small_disk / "run" / "log.jsonl").open()]
    assert sum("reduced" in line["message"] for line in lines) == 5


# -- free space ------------------------------------------------------------------------------


@component
class KeepsRuns(ToySum):
    """A stacker whose minimum size is that of all runs."""

    kind = "keeps-runs"

    def minimum_size(self, coverage_fractions: Any) -> float:
        return float(coverage_fractions.sum())


@component
class HalfCovered(ToyGeometry):
    """A geometry of which each run covers a half."""

    kind = "half-covered"

    def coverage_fractions(self, table: Any, reduction: Any) -> Any:
        import numpy as np

        return np.full(len(table), 0.5)


def test_needed_space_is_computed_by_geometry_and_stacker() -> None:
    pipeline = toy_pipeline(4, geometry=HalfCovered(bins=10), stack=KeepsRuns())
    selected = Orchestrator(pipeline, plugins=toy_plugins()).select()
    dataset_size = size_of([HalfCovered(bins=10).target("toy")])
    assert dataset_size == 10 * (4 + 4 + 4 + 1), "counts, exposure, background, safe mask"
    assert minimum_size(selected, pipeline.data) == 4 * 0.5 * dataset_size
    unknown = toy_pipeline(4)
    assert minimum_size(selected, unknown.data) == 0
    assert Stacker.minimum_size is ToySum.minimum_size


def test_too_small_disk_is_refused_before_data_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "free_bytes", lambda path: 1000.0)
    stack = KeepsRuns()
    pipeline = toy_pipeline(
        4, geometry=HalfCovered(bins=1000), stack=stack, make=[ToyMaker(fail=[1])]
    )
    message = (
        r"is too small for this run: at least 0.026 MB are needed, and 0.001 MB are free; free"
    )
    with pytest.raises(DiskError, match=message):
        run(tmp_path / "run", pipeline)
    assert list(tmp_path.iterdir()) == []


# -- checksums -------------------------------------------------------------------------------


@pytest.mark.parametrize("fails", [False, True])
def test_every_file_of_a_run_folder_has_a_checksum(tmp_path: Path, fails: bool) -> None:
    pipeline = toy_pipeline(estimate=[ToyEstimator()], make=[ToyMaker(fail=[1] if fails else [])])
    if fails:
        with pytest.raises(RunsFailedError):
            run(tmp_path / "run", pipeline, ("draws", LargePlot()))
    else:
        run(tmp_path / "run", pipeline, ("draws", LargePlot()))
    assert find_damage(tmp_path / "run", set(contents(tmp_path / "run")) - {SUMS}) is None


# -- other runs ------------------------------------------------------------------------------


def test_second_concurrent_run_is_refused(tmp_path: Path) -> None:
    refusals = []

    class Second:
        @hookimpl
        def skyred_step_started(self, step: str) -> None:
            with pytest.raises(OutputError) as excinfo:
                run(tmp_path / "run", None, overwrite=True)
            refusals.append(str(excinfo.value))

    run(tmp_path / "run", None, ("second", Second()), until="reduce")
    assert re.search(
        rf"another run \(process {os.getpid()} on .*\) is writing .*run; wait", refusals[0]
    )
    assert len(refusals) == 2
    assert find_damage(tmp_path / "run") is None
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_left_overs_of_killed_runs_are_removed_and_the_old_run_restored(tmp_path: Path) -> None:
    run(tmp_path / "run")
    before = contents(tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / ".run.old")  # killed between two renames
    (tmp_path / ".run.part" / "datasets").mkdir(parents=True)
    (tmp_path / ".run.lock").write_text("process 1 on elsewhere")
    with pytest.raises(OutputError, match="already exists"):
        run(tmp_path / "run")
    assert contents(tmp_path / "run") == before
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_left_overs_of_other_names_are_not_removed(tmp_path: Path) -> None:
    for name in (".runs.part", ".run2.part", ".run.partial"):
        (tmp_path / name).mkdir()
    run(tmp_path / "run")
    assert len(list(tmp_path.iterdir())) == 4


def test_without_locks_possible_left_overs_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take_unsure_lock(path: Path) -> Any:
        lock = acquire_lock(path)
        assert lock is not None
        return attrs.evolve(lock, exclusive=False)

    monkeypatch.setattr(folder_module, "acquire_lock", take_unsure_lock)
    (tmp_path / ".run.part").mkdir()
    with pytest.raises(OutputError, match=r"exists: another run is writing .*run, or was killed"):
        run(tmp_path / "run")
    assert (tmp_path / ".run.part").is_dir()


@pytest.mark.parametrize("link_target", ["run", "nothing"])
def test_symbolic_link_as_run_folder_is_refused(tmp_path: Path, link_target: str) -> None:
    run(tmp_path / "run")
    (tmp_path / "link").symlink_to(tmp_path / link_target)
    with pytest.raises(
        OutputError, match="link is a symbolic link; use the folder that it points to"
    ):
        run(tmp_path / "link", None, overwrite=True)
    assert find_damage(tmp_path / "run") is None


# -- killed processes ------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("how", ["exchange", "renames"])
def test_kill_9_at_any_time_leaves_a_complete_run(tmp_path: Path, how: str) -> None:
    if how == "exchange" and not can_exchange(tmp_path):
        pytest.skip("this file system cannot exchange")
    parent = tmp_path / "parent"
    parent.mkdir()
    command = [sys.executable, str(KILLING), str(parent / "run"), "25", "7", how]
    process = subprocess.run(command, capture_output=True, text=True, check=True, timeout=LIMIT)
    observed = json.loads(process.stdout)
    # between two renames there is no run, until the next process restores the old one
    assert set(observed["seen"]) <= ({""} if how == "exchange" else {"", "no folder"})
    assert observed["seen"][""] > 100
    assert observed["later"] == {"": 25}
    assert observed["left"] > 5, "killed in the middle"
    assert observed["stray"] == []


def can_exchange(folder: Path) -> bool:
    for name in "ab":
        (folder / name).mkdir()
    return folder_module.exchange(folder / "a", folder / "b")


def test_failed_exchange_restores_the_old_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path / "run")
    before = contents(tmp_path / "run")
    monkeypatch.setattr(folder_module, "exchange", lambda first, second: False)
    rename = Path.rename

    def fails_for_staging(self: Path, second: Path) -> Path:
        if self.name == ".run.part":
            raise OSError("disk on fire")
        return rename(self, second)

    monkeypatch.setattr(Path, "rename", fails_for_staging)
    with RunFolder.create(tmp_path / "run", overwrite=True) as run_folder:
        (run_folder.staging / "new").touch()
        with pytest.raises(OSError, match="disk on fire"):
            run_folder.publish()
    assert contents(tmp_path / "run") == before
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
