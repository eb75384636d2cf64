"""Kill runs with -9 at random moments, start them again, and compare with an uninterrupted one.

    python benchmarks/kills.py --kills 25 --engine processes

Without --archive, the runs are simulated. Ends with 1 if anything differs, if half a run folder
was seen, or if a finished chunk was made again.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "helpers"))  # the tests do the same, with fewer kills

from fault_injection.killed_runs import KillableRun, differences  # noqa: E402


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        whole = KillableRun(options.archive, folder / "whole", options.engine)
        began = time.monotonic()
        whole.finish()
        longest = time.monotonic() - began
        print(f"uninterrupted: {longest:.1f} s")
        chance, wrong, kills, rounds = random.Random(options.seed), 0, 0, 0
        while kills < options.kills:
            rounds += 1
            victim = KillableRun(options.archive, folder / f"victim{rounds}", options.engine)
            kept: set[int] = set()
            while kills < options.kills and not victim.output.exists():
                moment = chance.uniform(0.05, 1.05) * longest
                killed = victim.kill_after(moment)
                kills += killed
                lost = kept - victim.cached_runs()
                kept = victim.cached_runs()
                wrong += bool(lost)
                said = "killed" if killed else "had ended"
                print(f"{kills:3d}  {said} after {moment:5.1f} s; {len(kept)} runs kept")
            wrong += _differs(whole, victim, kept)
    print(f"{kills} kills in {rounds} rounds: {wrong or 'nothing'} wrong")
    return int(wrong > 0)


def _differs(whole: KillableRun, victim: KillableRun, kept: set[int]) -> bool:
    again: set[int] = set()
    if not victim.output.exists():
        outcomes = victim.finish().outcomes
        again = kept & {each.obs_id for each in outcomes if each.status == "made"}
    found = differences(whole.output, victim.output)
    print(f"     finished; made again: {sorted(again) or 'none'}; differs: {found or 'nothing'}")
    return bool(found or again)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archive", default="sim:crab", help="what is reduced, around the Crab")
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--engine", default="serial")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
