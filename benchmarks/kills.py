"""Kill runs with SIGKILL at random times, restart them, and compare with an uninterrupted run.

    python benchmarks/kills.py --kills 25 --engine processes

Without --archive, the observations are simulated. The exit code is 1 if the results differ, if a
run folder is incomplete, or if a finished chunk was reduced again.
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
    options = _options()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        reference = KillableRun(options.archive, folder / "reference", options.engine)
        started = time.monotonic()
        reference.finish()
        longest = time.monotonic() - started
        print(f"uninterrupted: {longest:.1f} s")
        chance, n_wrong, kills, rounds = random.Random(options.seed), 0, 0, 0
        while kills < options.kills:
            rounds += 1
            victim = KillableRun(options.archive, folder / f"victim{rounds}", options.engine)
            reduced: set[int] = set()
            while kills < options.kills and not victim.output.exists():
                moment = chance.uniform(0.05, 1.05) * longest
                killed = victim.kill_after(moment)
                kills += killed
                missing = reduced - victim.cached_runs()
                reduced = victim.cached_runs()
                n_wrong += bool(missing)
                state = "killed" if killed else "had ended"
                print(f"{kills:3d}  {state} after {moment:5.1f} s; {len(reduced)} runs reduced")
            n_wrong += _differs(reference, victim, reduced)
    print(f"{kills} kills in {rounds} rounds: {n_wrong or 'no'} failures")
    return int(n_wrong > 0)


def _differs(reference: KillableRun, victim: KillableRun, reduced: set[int]) -> bool:
    again: set[int] = set()
    if not victim.output.exists():
        outcomes = victim.finish().outcomes
        again = reduced & {outcome.obs_id for outcome in outcomes if outcome.status == "reduced"}
    differing = differences(reference.output, victim.output)
    print(
        f"     finished; reduced again: {sorted(again) or 'none'}; differs: {differing or 'none'}"
    )
    return bool(differing or again)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archive", default="sim:crab", help="archive of observations of the Crab")
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--engine", default="serial")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
