import pytest
from acceptance_truth import Truth, run


@pytest.fixture(scope="session")
def tilted():
    """Return a background with a slope towards the horizon, for models of any shape."""
    return Truth(rate=1e-3, slope=0.15)


@pytest.fixture(scope="session")
def runs(tilted):
    """Return four runs of half an hour with 24,000 events in total, around one position."""
    return [run(tilted, number, hours=0.5) for number in range(4)]
