"""A short simulated archive, and a run simulated with another seed."""

from pathlib import Path

import pytest
from gammapy.data import Observation

from skyred.components.simulation.archive import CrabSimulation
from skyred.components.simulation.observations import simulate_run


@pytest.fixture(scope="session")
def simulation() -> CrabSimulation:
    return CrabSimulation(runs=2, livetime=2)


@pytest.fixture(scope="session")
def archive(simulation: CrabSimulation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulation.write(tmp_path_factory.mktemp("simulated") / "archive")


@pytest.fixture(scope="session")
def other_run() -> Observation:
    return simulate_run(0, livetime=2.0, seed=7)
