"""Settings of property tests, markers and fixtures of all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from skyred.plugins import Catalog, Plugins

# no deadline: the first example of a property includes imports
_COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
# the same examples in each run, so that failures are due to changes of the code
settings.register_profile("skyred", _COMMON, max_examples=60, derandomize=True)
# HYPOTHESIS_PROFILE=explore tries new examples
settings.register_profile("explore", _COMMON, max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "skyred"))

ROOT = Path(__file__).parent.parent


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked ``data("folder", ...)`` if these folders of $GAMMAPY_DATA are missing.

    Without arguments, the marker requires the H.E.S.S. runs.
    """
    for marker in item.iter_markers("data"):
        for folder in marker.args or ("hess-dl3-dr1",):
            if not Path(os.environ.get("GAMMAPY_DATA", ""), folder).is_dir():
                pytest.skip(f"needs $GAMMAPY_DATA/{folder}")


@pytest.fixture(autouse=True, scope="session")
def disable_cache() -> None:
    """Disable the cache; tests of the cache use their own."""
    os.environ["SKYRED_CACHE"] = "off"


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """Return the catalog of the installed plugins."""
    plugins = Plugins.load()
    plugins.raise_if_faulty()
    return plugins.catalog


@pytest.fixture
def crab_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the content of examples/crab.yaml, with an empty folder as the archive."""
    (tmp_path / "data" / "hess-dl3-dr1").mkdir(parents=True)
    monkeypatch.setenv("GAMMAPY_DATA", str(tmp_path / "data"))
    return (ROOT / "examples" / "crab.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def crab_archive(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Return an archive of two short simulated runs, which is created once for all workers.

    Tests must not change it.
    """
    from skyred.components.simulation.archive import CrabSimulation

    base = tmp_path_factory.getbasetemp()
    shared = base.parent if hasattr(request.config, "workerinput") else base
    with FileLock(shared / "crab-archive.lock"):
        folder = shared / "crab-archive"
        return folder if folder.exists() else CrabSimulation(runs=2, livetime=3).write(folder)
