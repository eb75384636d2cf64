"""Kill runs with SIGKILL at random times, restart them, and compare with an uninterrupted run.

    python benchmarks/kills.py --kills 25 --engine processes

Without --archive, the observations are simulated. The exit code is 1 if the results differ, if a
run folder is incomplete, or if a finished chunk was lost or reduced again.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "helpers"))  # the tests use the same helpers

from fault_injection.killed_runs import KillableRun, differences  # noqa: E402


def main() -> int:
    """Kill runs at random times, finish them, and compare the results with another run."""
    options = _options()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        reference = KillableRun(options.archive, folder / "reference", options.engine)
        start = time.monotonic()
        reference.finish()
        duration = time.monotonic() - start
        print(f"uninterrupted: {duration:.1f} s")
        generator, n_failures, kills, rounds = random.Random(options.seed), 0, 0, 0
        while kills < options.kills:
            rounds += 1
            victim = KillableRun(options.archive, folder / f"victim{rounds}", options.engine)
            reduced_runs: set[int] = set()
            while kills < options.kills and not victim.output.exists():
                delay = generator.uniform(0.05, 1.05) * duration
                was_killed = victim.kill_after(delay)
                kills += was_killed
                missing_runs = reduced_runs - victim.cached_runs()
                reduced_runs = victim.cached_runs()
                n_failures += bool(missing_runs)
                state = "killed" if was_killed else "had ended"
                print(f"{kills:3d}  {state} after {delay:5.1f} s; {len(reduced_runs)} runs reduced")
            n_failures += _differs(reference, victim, reduced_runs)
    print(f"{kills} kills in {rounds} rounds: {n_failures or 'no'} failures")
    return int(n_failures > 0)


def _differs(reference: KillableRun, victim: KillableRun, reduced_runs: set[int]) -> bool:
    """Finish a run, and return whether it differs from the reference or repeated a reduction."""
    repeated_runs: set[int] = set()
    if not victim.output.exists():
        outcomes = victim.finish().outcomes
        repeated_runs = reduced_runs & {
            outcome.obs_id for outcome in outcomes if outcome.status == "reduced"
        }
    differing_files = differences(reference.output, victim.output)
    print(
        f"     finished; reduced again: {sorted(repeated_runs) or 'none'}; "
        f"differs: {differing_files or 'none'}"
    )
    return bool(differing_files or repeated_runs)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archive", default="sim:crab", help="archive of observations of the Crab")
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--engine", default="serial")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
