"""Run folders on full disks, with concurrent runs, and after processes are killed."""

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

KILLED_PUBLISHERS = Path(__file__).with_name("killed_publishers.py")
BIG = bytes(3_000_000)
DISK_FULL_MESSAGE = (
    r"cannot be written: No space left on device \(.*[\d.]+ MB is free\); free some space, or "
    "choose another run folder; this run was not published"
)


def run(folder: Path, pipeline: Pipeline | None = None, *watchers: Any, **options: Any) -> Result:
    return Orchestrator(pipeline or toy_pipeline(), plugins=toy_plugins(*watchers)).run(
        folder, **options
    )


def contents(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


# -- full disks ------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield the mount point of a file system of 2 MB."""
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
class LargeProduct(ToyProduct):
    def write(self, folder: Path) -> list[Path]:
        (folder / f"{self.name}.txt").write_bytes(BIG)
        return []


@component
class LargeEstimator(Estimator):
    """An estimator with a product of 3 MB."""

    kind = "large"
    product = LargeProduct

    def estimate(self, datasets: Any, fit: Any) -> Any:
        return LargeProduct(self.label, 1.0)


class LargePlot:
    @hookimpl
    def skyred_run_finished(self, run: Any) -> None:
        (run.folder / "plots").mkdir()
        (run.folder / "plots" / "large.png").write_bytes(BIG)


class LargePlotWithOwnError:
    @hookimpl
    def skyred_run_finished(self, run: Any) -> None:
        try:
            LargePlot().skyred_run_finished(run)
        except OSError as error:
            raise RuntimeError("plots could not be written") from error


@attrs.define
class FillDiskBeforeStep:
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
    "plots of a plugin": lambda _: (toy_pipeline(), [("draws", LargePlotWithOwnError())]),
    "log": lambda disk: (toy_pipeline(), [("fills", FillDiskBeforeStep("reduce", disk))]),
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("exists", [False, True], ids=["new", "over an old run"])
def test_earlier_run_is_kept_if_the_disk_is_full(
    small_disk: Path, stage: str, exists: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    target = small_disk / "run"
    if exists:
        run(target)
    expected = contents(target)
    pipeline, watchers = STAGES[stage](small_disk)
    with pytest.raises(DiskError, match=DISK_FULL_MESSAGE) as excinfo:
        run(target, pipeline, *watchers, overwrite=True)
    assert excinfo.value.exit_code == 2
    assert str(small_disk) in str(excinfo.value)
    assert contents(target) == expected
    remaining = {path.name for path in small_disk.iterdir()} - {"others"}
    assert remaining == ({"run"} if exists else set())
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("exists", [False, True], ids=["new", "over an old run"])
def test_disk_that_is_full_at_the_start_is_reported_before_any_work(
    small_disk: Path, exists: bool
) -> None:
    if exists:
        run(small_disk / "run")
    expected = contents(small_disk / "run")
    fill(small_disk)
    pipeline = toy_pipeline(make=[ToyMaker(fail=[1])])  # must not be started
    with pytest.raises(OutputError, match="cannot be written: No space left on device"):
        run(small_disk / "run", pipeline, overwrite=True)
    assert contents(small_disk / "run") == expected
    assert {path.name for path in small_disk.iterdir()} <= {"run", "others"}


def test_read_only_disk_is_reported_before_any_work(small_disk: Path) -> None:
    run(small_disk / "run")
    expected = contents(small_disk / "run")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for name in ("run", "another"):
        with pytest.raises(OutputError, match=r"cannot be written: Read-only file system; choose"):
            run(small_disk / name, toy_pipeline(make=[ToyMaker(fail=[1])]), overwrite=True)
    assert contents(small_disk / "run") == expected
    assert [path.name for path in small_disk.iterdir()] == ["run"]


def test_log_is_complete_if_the_disk_has_space_again(
    small_disk: Path,
) -> None:
    class FillAndFreeDisk(FillDiskBeforeStep):
        @hookimpl
        def skyred_step_finished(self, step: str) -> None:
            if step == "fit":
                (self.disk / "others").unlink()

    run(small_disk / "run", None, ("fills", FillAndFreeDisk("reduce", small_disk)))
    lines = [json.loads(line) for line in (small_disk / "run" / "log.jsonl").open()]
    assert sum("reduced" in line["message"] for line in lines) == 5


# -- free space ------------------------------------------------------------------------------


@component
class SizeOfAllRuns(ToySum):
    """A stacker whose minimum size is that of all runs."""

    kind = "size-of-all-runs"

    def minimum_size(self, coverage_fractions: Any) -> float:
        return float(coverage_fractions.sum())


@component
class HalfCoveredGeometry(ToyGeometry):
    """A geometry that is half covered by each run."""

    kind = "half-covered"

    def coverage_fractions(self, table: Any, reduction: Any) -> Any:
        import numpy as np

        return np.full(len(table), 0.5)


def test_minimum_size_depends_on_geometry_and_stacker() -> None:
    pipeline = toy_pipeline(4, geometry=HalfCoveredGeometry(bins=10), stack=SizeOfAllRuns())
    selected = Orchestrator(pipeline, plugins=toy_plugins()).select()
    dataset_size = size_of([HalfCoveredGeometry(bins=10).target("toy")])
    assert dataset_size == 10 * (4 + 4 + 4 + 1), "counts, exposure, background, safe mask"
    assert minimum_size(selected, pipeline.data) == 4 * 0.5 * dataset_size
    # the default of Stacker.minimum_size is 0
    assert minimum_size(selected, toy_pipeline(4).data) == 0
    assert Stacker.minimum_size is ToySum.minimum_size


def test_disk_that_is_too_small_is_rejected_before_data_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "free_bytes", lambda path: 1000.0)
    stack = SizeOfAllRuns()
    pipeline = toy_pipeline(
        4, geometry=HalfCoveredGeometry(bins=1000), stack=stack, make=[ToyMaker(fail=[1])]
    )
    message = (
        r"has too little free space for this run: at least 0.026 MB is needed, and 0.001 MB is "
        r"free; free"
    )
    with pytest.raises(DiskError, match=message):
        run(tmp_path / "run", pipeline)
    assert list(tmp_path.iterdir()) == []


# -- checksums -------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [False, True])
def test_every_file_of_a_run_folder_has_a_checksum(tmp_path: Path, failure: bool) -> None:
    pipeline = toy_pipeline(estimate=[ToyEstimator()], make=[ToyMaker(fail=[1] if failure else [])])
    if failure:
        with pytest.raises(RunsFailedError):
            run(tmp_path / "run", pipeline, ("draws", LargePlot()))
    else:
        run(tmp_path / "run", pipeline, ("draws", LargePlot()))
    assert find_damage(tmp_path / "run", set(contents(tmp_path / "run")) - {SUMS}) is None


# -- concurrent and earlier runs -------------------------------------------------------------


def test_second_concurrent_run_is_rejected(tmp_path: Path) -> None:
    messages = []

    class SecondRun:
        @hookimpl
        def skyred_step_started(self, step: str) -> None:
            with pytest.raises(OutputError) as excinfo:
                run(tmp_path / "run", None, overwrite=True)
            messages.append(str(excinfo.value))

    run(tmp_path / "run", None, ("second", SecondRun()), until="reduce")
    assert re.search(
        rf"another run \(process {os.getpid()} on .*\) is writing .*run; wait", messages[0]
    )
    assert len(messages) == 2
    assert find_damage(tmp_path / "run") is None
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_partial_folders_are_removed_and_the_earlier_run_is_restored(tmp_path: Path) -> None:
    run(tmp_path / "run")
    expected = contents(tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / ".run.old")  # killed between two renames
    (tmp_path / ".run.part" / "datasets").mkdir(parents=True)
    (tmp_path / ".run.lock").write_text("process 1 on another-host")
    with pytest.raises(OutputError, match="already exists"):
        run(tmp_path / "run")
    assert contents(tmp_path / "run") == expected
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_hidden_folders_of_other_names_are_not_removed(tmp_path: Path) -> None:
    for name in (".runs.part", ".run2.part", ".run.partial"):
        (tmp_path / name).mkdir()
    run(tmp_path / "run")
    assert len(list(tmp_path.iterdir())) == 4


def test_partial_folder_is_reported_if_locks_are_not_supported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def acquire_unreliable_lock(path: Path) -> Any:
        lock = acquire_lock(path)
        assert lock is not None
        return attrs.evolve(lock, exclusive=False)

    monkeypatch.setattr(folder_module, "acquire_lock", acquire_unreliable_lock)
    (tmp_path / ".run.part").mkdir()
    with pytest.raises(OutputError, match=r"exists: another run is writing .*run, or was killed"):
        run(tmp_path / "run")
    assert (tmp_path / ".run.part").is_dir()


@pytest.mark.parametrize("link_target", ["run", "nothing"])
def test_symbolic_link_as_run_folder_is_rejected(tmp_path: Path, link_target: str) -> None:
    run(tmp_path / "run")
    (tmp_path / "link").symlink_to(tmp_path / link_target)
    with pytest.raises(
        OutputError, match="link is a symbolic link; use the folder that it points to"
    ):
        run(tmp_path / "link", None, overwrite=True)
    assert find_damage(tmp_path / "run") is None


# -- killed processes ------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("method", ["exchange", "renames"])
def test_run_folder_is_complete_if_processes_are_killed(tmp_path: Path, method: str) -> None:
    if method == "exchange" and not can_exchange(tmp_path):
        pytest.skip("this file system cannot exchange folders")
    parent = tmp_path / "parent"
    parent.mkdir()
    command = [sys.executable, str(KILLED_PUBLISHERS), str(parent / "run"), "25", "7", method]
    process = subprocess.run(command, capture_output=True, text=True, check=True, timeout=LIMIT)
    report = json.loads(process.stdout)
    # between two renames there is no run folder until the next process restores the earlier one
    assert set(report["states"]) <= ({""} if method == "exchange" else {"", "no folder"})
    assert report["states"][""] > 100
    assert report["restored_states"] == {"": 25}
    assert report["n_interrupted"] > 5, "too few processes were killed while they were writing"
    assert report["remaining"] == []


def can_exchange(folder: Path) -> bool:
    for name in "ab":
        (folder / name).mkdir()
    return folder_module.exchange(folder / "a", folder / "b")


def test_earlier_run_is_restored_if_publishing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path / "run")
    expected = contents(tmp_path / "run")
    monkeypatch.setattr(folder_module, "exchange", lambda first, second: False)
    rename = Path.rename

    def fail_for_staging_folder(self: Path, second: Path) -> Path:
        if self.name == ".run.part":
            raise OSError("disk failure")
        return rename(self, second)

    monkeypatch.setattr(Path, "rename", fail_for_staging_folder)
    with RunFolder.create(tmp_path / "run", overwrite=True) as run_folder:
        (run_folder.staging / "new").touch()
        with pytest.raises(OSError, match="disk failure"):
            run_folder.publish()
    assert contents(tmp_path / "run") == expected
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
