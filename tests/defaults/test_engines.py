"""The engine processes: one thread each, started once, and nobody left behind however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from killers import Killer, chunks
from skyred.defaults.engines import Processes
from skyred.reduction import reduce_chunk
from skyred.streaming import Workers, stream

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")

CHILD = """
import signal, sys

# who starts tests in the background has interrupts ignored, and that is inherited
signal.signal(signal.SIGINT, signal.default_int_handler)
from killers import Killer, chunks
from skyred.defaults.engines import Processes
from skyred.reduction import reduce_chunk
from skyred.streaming import Workers, stream

if __name__ == "__main__":
    maker = Killer(seconds=60, scene=sys.argv[1])
    try:
        with Workers(Processes(workers=2).open) as workers:
            list(stream(workers, reduce_chunk, chunks(maker), 4))
    except KeyboardInterrupt:
        sys.exit(130)
"""


def wait_for(condition: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"still waiting after {seconds} s"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


class Child:
    """A process that reduces sleeping runs with two workers."""

    def __init__(self, folder: Path) -> None:
        self.scene = folder / "scene"
        self.scene.mkdir()
        script = folder / "child.py"
        script.write_text(CHILD)
        paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(self.scene)],
            env={**os.environ, "PYTHONPATH": paths},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        wait_for(lambda: len(self.workers()) == 2)

    def workers(self) -> list[int]:
        return [int(mark.name) for mark in self.scene.iterdir()]

    def family(self) -> list[int]:
        """Give everything of its session: workers, and what else multiprocessing starts."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                fields = (place / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == self.process.pid and fields[0] != "Z":
                found.append(int(place.name))
        return found


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    started = Child(tmp_path)
    yield started
    for pid in started.family():
        os.kill(pid, signal.SIGKILL)
    started.process.wait(10)


@pytest.mark.parametrize("whole_group", [False, True], ids=["parent", "group"])
def test_ctrl_c_ends_it_at_once_with_all_its_workers(child: Child, whole_group: bool) -> None:
    started = time.monotonic()
    (os.killpg if whole_group else os.kill)(child.process.pid, signal.SIGINT)
    _, said = child.process.communicate(timeout=20)
    assert time.monotonic() - started < 5  # about half a second on a free machine
    assert child.process.returncode == 130
    assert said == ""  # no worker tells of an interrupt of its own
    wait_for(lambda: not child.family(), 5)


def test_workers_end_when_their_parent_is_killed(child: Child) -> None:
    os.kill(child.process.pid, signal.SIGKILL)
    wait_for(lambda: not child.family(), 5)


def test_a_script_that_starts_itself_again_is_told_what_to_change(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    guard = 'if __name__ == "__main__":'
    script.write_text(CHILD.replace(guard, "if True:"))
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    last = done.stderr.rpartition("EngineError: ")[2]
    assert last.startswith("workers cannot be started")
    assert "if __name__ == '__main__'" in last


def test_workers_start_once_and_have_one_thread_each_whatever_the_parent_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    maker = Killer(seconds=0.01, scene=str(tmp_path))
    with Workers(Processes(workers=2).open) as workers:
        for _ in range(3):  # as for three data entries
            list(stream(workers, reduce_chunk, chunks(maker, 8, 2), 4))
        threads = workers.submit(_threads_of_blas).result()
    assert 1 <= len(list(tmp_path.iterdir())) <= 2
    assert threads == 0
    assert os.environ["OPENBLAS_NUM_THREADS"] == "7"


def _threads_of_blas() -> int:
    """Count the threads that a multiplication of matrices leaves behind."""
    import numpy as np

    before = len(list(Path("/proc/self/task").iterdir()))
    matrix = np.ones((600, 600))
    assert np.isfinite(matrix @ matrix).all()
    return len(list(Path("/proc/self/task").iterdir())) - before
