"""Reductions that are killed or interrupted, in this process or in another one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

from fault_injection.killing_maker import KillingMaker, chunks
from skyred import Engine
from skyred.io.streaming import Workers, stream
from skyred.run.worker import PartialStack, reduce_chunk
from skyred.run.worker_recovery import reduce_run_by_run
from waiting import LIMIT, wait_for

# seconds that each run sleeps: longer than the limit, so that waiting for its end fails
SLEEP_TIME = 2 * LIMIT
SCRIPT = """
import signal, sys

# background processes ignore SIGINT by default
signal.signal(signal.SIGINT, signal.default_int_handler)
from fault_injection.killing_maker import KillingMaker, chunks
from {module} import {name}
from skyred.run.worker import reduce_chunk
from skyred.io.streaming import Workers, stream

if __name__ == "__main__":
    maker = KillingMaker(seconds={sleep_time}, state_folder=sys.argv[1])
    try:
        with Workers({name}(workers=2).open) as workers:
            list(stream(workers, reduce_chunk, chunks(maker), 4))
    except KeyboardInterrupt:
        sys.exit(130)
"""


def reduce(maker: KillingMaker, engine: Engine) -> list[PartialStack]:
    """Reduce seven runs in chunks of three, with recovery of killed workers."""
    with Workers(engine.open) as workers:
        return list(
            stream(workers, reduce_chunk, chunks(maker), 4, partial(reduce_run_by_run, workers))
        )


def totals(partials: list[PartialStack]) -> list[str]:
    """Return the exact totals of chunks as hexadecimal strings."""
    return [float(partial_stack.total).hex() for partial_stack in partials]


def statuses(partials: list[PartialStack]) -> list[tuple[int, str]]:
    """Return the id and status of each run."""
    return [
        (outcome.obs_id, outcome.status)
        for partial_stack in partials
        for outcome in partial_stack.outcomes
    ]


def _status_fields(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the command; none for ended processes."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


class ReductionProcess:
    """A process that reduces sleeping runs with two workers of an engine.

    Parameters
    ----------
    folder : Path
        Working folder.
    module, name : str
        Module and name of the class of the engine.
    """

    def __init__(self, folder: Path, module: str, name: str) -> None:
        self.state_folder = folder / "state"
        self.state_folder.mkdir()
        script = folder / "reduction.py"
        script.write_text(SCRIPT.format(module=module, name=name, sleep_time=SLEEP_TIME))
        self.process = start_script(script, self.state_folder)
        try:
            wait_for(self._both_workers_sleep)
        except BaseException:
            self.end()
            raise

    def _both_workers_sleep(self) -> bool:
        assert self.process.poll() is None, self.process.stderr.read()  # type: ignore[union-attr]
        return len(self.workers()) == 2

    def workers(self) -> list[int]:
        """Return the process ids of the sleeping workers."""
        return [int(path.name) for path in self.state_folder.iterdir()]

    def interrupt(self, whole_group: bool) -> str:
        """Interrupt the process while its runs sleep, and wait for its end.

        Parameters
        ----------
        whole_group : bool
            Whether to interrupt its process group, as a terminal does, or only the process.

        Returns
        -------
        str
            Its error output.

        Raises
        ------
        subprocess.TimeoutExpired
            If the process does not end before its runs.
        """
        (os.killpg if whole_group else os.kill)(self.process.pid, signal.SIGINT)
        return self.process.communicate(timeout=LIMIT)[1]

    def session_processes(self) -> list[int]:
        """Return the ids of all processes of its session, with helpers of multiprocessing."""
        pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
        fields_by_pid = {pid: _status_fields(pid) for pid in pids}
        return [
            pid
            for pid, fields in fields_by_pid.items()
            if fields and int(fields[3]) == self.process.pid and fields[0] != "Z"
        ]

    def end(self) -> None:
        """Kill all processes of the session."""
        for pid in self.session_processes():
            os.kill(pid, signal.SIGKILL)
        self.process.wait(LIMIT)


def start_script(script: Path, state_folder: Path) -> subprocess.Popen[str]:
    """Start a script in a new session, with the helpers of the tests on its path."""
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    return subprocess.Popen(
        [sys.executable, str(script), str(state_folder)],
        env={**os.environ, "PYTHONPATH": paths},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
