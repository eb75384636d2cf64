import pytest
from acceptance_truth import Truth, run


@pytest.fixture(scope="session")
def tilted():
    """Give a background with a slope towards the horizon, for models of any shape."""
    return Truth(rate=1e-3, slope=0.15)


@pytest.fixture(scope="session")
def runs(tilted):
    """Give four half-hours with 24,000 events; each points elsewhere around one position."""
    return [run(tilted, number, hours=0.5) for number in range(4)]
