"""A run that is killed at any time is continued by the same command."""

import time
from pathlib import Path

import pytest

from fault_injection.killed_runs import KillableRun, differences, random_times
from skyred.components.simulation.archive import CrabSimulation

KILLS = 3


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> str:
    simulation = CrabSimulation(runs=3, livetime=2)
    return str(simulation.write(tmp_path_factory.mktemp("simulated") / "archive"))


@pytest.mark.slow
def test_run_killed_at_random_times_has_the_results_of_an_undisturbed_run(
    archive: str, tmp_path: Path
) -> None:
    uninterrupted = KillableRun(archive, tmp_path / "undisturbed")
    began = time.monotonic()
    uninterrupted.finish()
    longest = time.monotonic() - began
    victim = KillableRun(archive, tmp_path / "killed")
    before: set[int] = set()
    for time_limit in random_times(seed=17, number=KILLS, longest=longest):
        if not victim.kill_after(time_limit):
            break
        assert victim.cached_runs() >= before  # finished chunks stay in the cache
        before = victim.cached_runs()
    if not victim.output.exists():
        result = victim.finish()
        cached = {outcome.obs_id for outcome in result.outcomes if outcome.status == "cached"}
        assert cached == before  # and are not reduced again
    assert differences(uninterrupted.output, victim.output) == []
    left = {path.name for path in victim.folder.iterdir()}
    assert left == {"cache", "crab", "crab.yaml"}  # no left-overs of killed runs
