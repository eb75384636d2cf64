"""A killed run is continued by the same command."""

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
    undisturbed = KillableRun(archive, tmp_path / "undisturbed")
    start = time.monotonic()
    undisturbed.finish()
    duration = time.monotonic() - start
    killed = KillableRun(archive, tmp_path / "killed")
    cached_runs: set[int] = set()
    for time_limit in random_times(seed=17, number=KILLS, duration=duration):
        if not killed.kill_after(time_limit):
            break
        # finished chunks stay in the cache
        assert killed.cached_runs() >= cached_runs
        cached_runs = killed.cached_runs()
    if not killed.output.exists():
        result = killed.finish()
        # runs in the cache are not reduced again
        assert cached_runs == {
            outcome.obs_id for outcome in result.outcomes if outcome.status == "cached"
        }
    assert differences(undisturbed.output, killed.output) == []
    # killed runs leave no temporary files
    assert {path.name for path in killed.folder.iterdir()} == {"cache", "crab", "crab.yaml"}
