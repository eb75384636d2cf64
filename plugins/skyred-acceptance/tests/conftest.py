import pytest
from acceptance_truth import Truth, simulate_run


@pytest.fixture(scope="session")
def truth():
    """Return a true background with a slope towards the horizon."""
    return Truth(rate=1e-3, slope=0.15)


@pytest.fixture(scope="session")
def runs(truth):
    """Return four runs of half an hour with 24,000 events in total, around one position."""
    return [simulate_run(truth, obs_id, hours=0.5) for obs_id in range(4)]
