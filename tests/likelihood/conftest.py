"""What tests of the likelihood share."""

import os
from pathlib import Path

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    spectra = Path(os.environ.get("GAMMAPY_DATA", ""), "joint-crab", "spectra", "hess")
    if item.get_closest_marker("data") and not spectra.is_dir():
        pytest.skip("needs $GAMMAPY_DATA/joint-crab/spectra/hess")
