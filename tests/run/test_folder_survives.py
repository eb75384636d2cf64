"""Run folders on disks that fill up, beside other runs, and under processes that are killed."""

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


# -- a disk that fills up --------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of 2 MB."""
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
class GivesMuch(Estimator):
    """Gives a product of 3 MB."""

    kind = "much"
    product = Large

    def estimate(self, datasets: Any, fit: Any) -> Any:
        return Large(self.label, 1.0)


class Draws:
    @hookimpl
    def skyred_run_finished(self, run: Any) -> None:
        (run.folder / "plots").mkdir()
        (run.folder / "plots" / "large.png").write_bytes(BIG)


class DrawsForOthers:
    @hookimpl
    def skyred_run_finished(self, run: Any) -> None:
        try:
            Draws().skyred_run_finished(run)
        except OSError as error:
            raise RuntimeError("pictures that could not be drawn") from error


@attrs.define
class FillsWhen:
    step: str
    disk: Path

    @hookimpl
    def skyred_step_started(self, step: str) -> None:
        if step == self.step:
            fill(self.disk)


STAGES: dict[str, Callable[[Path], tuple[Pipeline, list[Any]]]] = {
    "datasets": lambda _: (toy_pipeline(geometry=ToyGeometry(bins=200_000)), []),
    "estimates": lambda _: (toy_pipeline(estimate=[GivesMuch(), ToyEstimator()]), []),
    "plots": lambda _: (toy_pipeline(), [("draws", Draws())]),
    "plots of a plugin": lambda _: (toy_pipeline(), [("draws", DrawsForOthers())]),
    "the log": lambda disk: (toy_pipeline(), [("fills", FillsWhen("reduce", disk))]),
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("stands", [False, True], ids=["new", "over an old run"])
def test_a_disk_that_fills_up_leaves_what_stood_there_and_nothing_else(
    small_disk: Path, stage: str, stands: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    target = small_disk / "run"
    if stands:
        run(target)
    before = contents(target)
    pipeline, watchers = STAGES[stage](small_disk)
    with pytest.raises(DiskError, match=FULL) as caught:
        run(target, pipeline, *watchers, overwrite=True)
    assert caught.value.exit_code == 2
    assert str(small_disk) in str(caught.value)
    assert contents(target) == before
    left = {path.name for path in small_disk.iterdir()} - {"others"}
    assert left == ({"run"} if stands else set())
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("stands", [False, True], ids=["new", "over an old run"])
def test_a_disk_that_is_full_from_the_start_is_named_before_any_work(
    small_disk: Path, stands: bool
) -> None:
    if stands:
        run(small_disk / "run")
    before = contents(small_disk / "run")
    fill(small_disk)
    pipeline = toy_pipeline(make=[ToyMaker(fail=[1])])  # it would fail if it were begun
    with pytest.raises(OutputError, match="cannot be written: No space left on device"):
        run(small_disk / "run", pipeline, overwrite=True)
    assert contents(small_disk / "run") == before
    assert {path.name for path in small_disk.iterdir()} <= {"run", "others"}


def test_a_read_only_disk_is_named_before_any_work(small_disk: Path) -> None:
    run(small_disk / "run")
    before = contents(small_disk / "run")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for name in ("run", "another"):
        with pytest.raises(OutputError, match=r"cannot be written: Read-only file system; choose"):
            run(small_disk / name, toy_pipeline(make=[ToyMaker(fail=[1])]), overwrite=True)
    assert contents(small_disk / "run") == before
    assert [path.name for path in small_disk.iterdir()] == ["run"]


def test_a_disk_with_room_again_when_the_run_ends_loses_no_line_of_the_log(
    small_disk: Path,
) -> None:
    class FillsAndFrees(FillsWhen):
        @hookimpl
        def skyred_step_finished(self, step: str) -> None:
            if step == "fit":
                (self.disk / "others").unlink()

    run(small_disk / "run", None, ("fills", FillsAndFrees("reduce", small_disk)))
    lines = [json.loads(line) for line in (small_disk / "run" / "log.jsonl").open()]
    assert sum("reduced" in line["message"] for line in lines) == 5


# -- room ------------------------------------------------------------------------------------


@component
class KeepsRuns(ToySum):
    """Says that it keeps all runs."""

    kind = "keeps-runs"

    def minimum_size(self, coverage_fractions: Any) -> float:
        return float(coverage_fractions.sum())


@component
class Shared(ToyGeometry):
    """Says how much of it a run takes."""

    kind = "shared"

    def coverage_fractions(self, table: Any, reduction: Any) -> Any:
        import numpy as np

        return np.full(len(table), 0.5)


def test_room_is_counted_by_what_geometry_and_stacker_say() -> None:
    pipeline = toy_pipeline(4, geometry=Shared(bins=10), stack=KeepsRuns())
    selected = Orchestrator(pipeline, plugins=toy_plugins()).select()
    dataset_size = size_of([Shared(bins=10).target("toy")])
    assert dataset_size == 10 * (4 + 4 + 4 + 1), "counts, exposure, background, safe mask"
    assert minimum_size(selected, pipeline.data) == 4 * 0.5 * dataset_size
    unknown = toy_pipeline(4)
    assert minimum_size(selected, unknown.data) == 0
    assert Stacker.minimum_size is ToySum.minimum_size


def test_a_place_that_is_too_small_is_refused_before_data_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "free_bytes", lambda path: 1000.0)
    stack = KeepsRuns()
    pipeline = toy_pipeline(4, geometry=Shared(bins=1000), stack=stack, make=[ToyMaker(fail=[1])])
    says = r"is too small for this run: at least 0.026 MB are needed, and 0.001 MB are free; free"
    with pytest.raises(DiskError, match=says):
        run(tmp_path / "run", pipeline)
    assert list(tmp_path.iterdir()) == []


# -- sums ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fails", [False, True])
def test_every_file_of_a_run_folder_has_its_sum(tmp_path: Path, fails: bool) -> None:
    pipeline = toy_pipeline(estimate=[ToyEstimator()], make=[ToyMaker(fail=[1] if fails else [])])
    if fails:
        with pytest.raises(RunsFailedError):
            run(tmp_path / "run", pipeline, ("draws", Draws()))
    else:
        run(tmp_path / "run", pipeline, ("draws", Draws()))
    assert find_damage(tmp_path / "run", set(contents(tmp_path / "run")) - {SUMS}) is None


# -- other runs ------------------------------------------------------------------------------


def test_of_two_runs_at_once_one_wins_and_the_other_is_told_at_once(tmp_path: Path) -> None:
    refusals = []

    class Second:
        @hookimpl
        def skyred_step_started(self, step: str) -> None:
            with pytest.raises(OutputError) as caught:
                run(tmp_path / "run", None, overwrite=True)
            refusals.append(str(caught.value))

    run(tmp_path / "run", None, ("second", Second()), until="reduce")
    assert re.search(
        rf"another run \(process {os.getpid()} on .*\) is writing .*run; wait", refusals[0]
    )
    assert len(refusals) == 2
    assert find_damage(tmp_path / "run") is None
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_killed_runs_left_is_removed_and_an_old_run_put_back(tmp_path: Path) -> None:
    run(tmp_path / "run")
    before = contents(tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / ".run.old")  # killed between its two renames
    (tmp_path / ".run.part" / "datasets").mkdir(parents=True)
    (tmp_path / ".run.lock").write_text("process 1 on elsewhere")
    with pytest.raises(OutputError, match="already exists"):
        run(tmp_path / "run")
    assert contents(tmp_path / "run") == before
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_left_overs_of_other_names_are_left(tmp_path: Path) -> None:
    for name in (".runs.part", ".run2.part", ".run.partial"):
        (tmp_path / name).mkdir()
    run(tmp_path / "run")
    assert len(list(tmp_path.iterdir())) == 4


def test_without_locks_what_may_be_anothers_is_left_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsure(path: Path) -> Any:
        lock = acquire_lock(path)
        assert lock is not None
        return attrs.evolve(lock, exclusive=False)

    monkeypatch.setattr(folder_module, "acquire_lock", unsure)
    (tmp_path / ".run.part").mkdir()
    with pytest.raises(OutputError, match=r"exists: another run is writing .*run, or was killed"):
        run(tmp_path / "run")
    assert (tmp_path / ".run.part").is_dir()


@pytest.mark.parametrize("where", ["run", "nothing"])
def test_a_link_is_no_place_for_a_run(tmp_path: Path, where: str) -> None:
    run(tmp_path / "run")
    (tmp_path / "link").symlink_to(tmp_path / where)
    with pytest.raises(
        OutputError, match="link is a symbolic link; use the folder that it points to"
    ):
        run(tmp_path / "link", None, overwrite=True)
    assert find_damage(tmp_path / "run") is None


# -- killed processes ------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("how", ["exchange", "renames"])
def test_kill_9_at_any_moment_leaves_a_whole_run(tmp_path: Path, how: str) -> None:
    if how == "exchange" and not can_exchange(tmp_path):
        pytest.skip("this file system cannot exchange")
    parent = tmp_path / "place"
    parent.mkdir()
    command = [sys.executable, str(KILLING), str(parent / "run"), "25", "7", how]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=LIMIT)
    observed = json.loads(done.stdout)
    # two renames leave a moment without a run; whoever comes next puts the old one back
    assert set(observed["seen"]) <= ({""} if how == "exchange" else {"", "nothing is there"})
    assert observed["seen"][""] > 100
    assert observed["later"] == {"": 25}
    assert observed["left"] > 5, "killed in the middle"
    assert observed["stray"] == []


def can_exchange(folder: Path) -> bool:
    for name in "ab":
        (folder / name).mkdir()
    return folder_module.exchange(folder / "a", folder / "b")


def test_a_swap_that_fails_puts_the_old_run_back(
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
