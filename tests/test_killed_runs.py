"""A run that is killed with -9, whenever that is, is taken up again by the same command."""

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
def test_a_run_killed_at_random_moments_ends_as_if_it_never_was(
    archive: str, tmp_path: Path
) -> None:
    uninterrupted = KillableRun(archive, tmp_path / "one")
    began = time.monotonic()
    uninterrupted.finish()
    longest = time.monotonic() - began
    victim = KillableRun(archive, tmp_path / "other")
    before: set[int] = set()
    for moment in random_times(seed=17, number=KILLS, longest=longest):
        if not victim.kill_after(moment):
            break
        assert victim.cached_runs() >= before  # what was finished once stays
        before = victim.cached_runs()
    if not victim.output.exists():
        result = victim.finish()
        cached = {each.obs_id for each in result.outcomes if each.status == "cached"}
        assert cached == before  # and is not made again
    assert differences(uninterrupted.output, victim.output) == []
    left = {path.name for path in victim.folder.iterdir()}
    assert left == {"cache", "crab", "crab.yaml"}  # nothing of the killed ones
