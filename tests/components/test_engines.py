"""The engine `processes`: workers start once, have one thread, and stop in all cases."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fault_injection.killed_reductions import SCRIPT, SLEEP_TIME, ReductionProcess, start_script
from fault_injection.killing_maker import KillingMaker, chunks
from skyred.components.engines import Processes
from skyred.io.streaming import Workers, stream
from skyred.run.worker import reduce_chunk
from waiting import LIMIT, wait_for

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


@pytest.fixture
def child(tmp_path: Path) -> Iterator[ReductionProcess]:
    process = ReductionProcess(tmp_path, "skyred.components.engines", "Processes")
    yield process
    process.end()


@pytest.mark.slow
@pytest.mark.parametrize("whole_group", [False, True], ids=["parent", "group"])
def test_ctrl_c_during_a_run_stops_all_workers(child: ReductionProcess, whole_group: bool) -> None:
    output = child.interrupt(whole_group)
    assert child.process.returncode == 130
    assert output == ""  # no worker reports the interrupt
    wait_for(lambda: not child.session_processes())


def test_workers_end_when_their_parent_is_killed(child: ReductionProcess) -> None:
    os.kill(child.process.pid, signal.SIGKILL)
    wait_for(lambda: not child.session_processes())
    assert child.process.wait(LIMIT) == -signal.SIGKILL


@pytest.mark.slow
def test_script_without_main_guard_is_reported_with_the_fix(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script_text = SCRIPT.format(
        module="skyred.components.engines", name="Processes", sleep_time=SLEEP_TIME
    )
    script.write_text(script_text.replace('if __name__ == "__main__":', "if True:"))
    process = start_script(script, tmp_path)
    _, output = process.communicate(timeout=LIMIT)
    assert process.returncode == 1
    message = output.rpartition("EngineError: ")[2]
    assert message.startswith("workers cannot be started")
    assert "if __name__ == '__main__'" in message


@pytest.mark.slow
def test_workers_start_once_and_have_one_thread_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    maker = KillingMaker(seconds=0.01, state_folder=str(tmp_path))
    with Workers(Processes(workers=2).open) as workers:
        for _ in range(3):  # as for three data entries
            list(stream(workers, reduce_chunk, chunks(maker, 8, 2), 4))
        threads = workers.submit(_count_blas_threads).result()
    assert 1 <= len(list(tmp_path.iterdir())) <= 2
    assert threads == 0
    assert os.environ["OPENBLAS_NUM_THREADS"] == "7"


def _count_blas_threads() -> int:
    """Return the number of threads that a matrix multiplication starts."""
    import numpy as np

    threads = len(list(Path("/proc/self/task").iterdir()))
    matrix = np.ones((600, 600))
    assert np.isfinite(matrix @ matrix).all()
    return len(list(Path("/proc/self/task").iterdir())) - threads
