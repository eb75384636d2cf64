from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def example() -> Path:
    return Path(__file__).parents[1] / "examples" / "nights.yaml"
