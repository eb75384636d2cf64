from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def example() -> Path:
    return Path(__file__).parents[3] / "examples" / "nights.yaml"
