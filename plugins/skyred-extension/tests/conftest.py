"""Configuration of the tests: a marker for real data, and a disabled cache."""

import os
from pathlib import Path

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    archive = Path(os.environ.get("GAMMAPY_DATA", ""), "hess-dl3-dr1")
    if item.get_closest_marker("data") and not archive.is_dir():
        pytest.skip("needs $GAMMAPY_DATA/hess-dl3-dr1")


@pytest.fixture(autouse=True, scope="session")
def disable_cache() -> None:
    os.environ["SKYRED_CACHE"] = "off"
