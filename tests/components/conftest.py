"""Shared fixtures: expensive results are computed once for all pytest workers."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from filelock import FileLock
from gammapy.data import DataStore, ObservationTable
from gammapy.datasets import MapDataset
from gammapy.modeling.models import Models

import plain_gammapy
from skyred import Orchestrator, Pipeline, Result


@pytest.fixture(scope="session")
def compute_once(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Any:
    """Return a function ``(name, compute)`` that calls ``compute(folder)`` in one worker only."""
    base = tmp_path_factory.getbasetemp()
    shared_folder = base.parent if hasattr(request.config, "workerinput") else base

    def load_or_compute(name: str, compute: Callable[[Path], Any]) -> Any:
        path = shared_folder / f"{name}.pickle"
        with FileLock(shared_folder / f"{name}.lock"):
            if not path.exists():
                folder = shared_folder / name
                folder.mkdir()
                path.write_bytes(pickle.dumps(compute(folder)))
        return pickle.loads(path.read_bytes())

    return load_or_compute


@attrs.define
class Crab:
    """The pipeline of the example `crab.yaml`, its result and its run folder."""

    pipeline: Pipeline
    result: Result
    folder: Path


@pytest.fixture(scope="session")
def crab(compute_once: Any) -> Crab:
    def run(folder: Path) -> Crab:
        pipeline = Pipeline.from_yaml(plain_gammapy.EXAMPLE)
        return Crab(pipeline, pipeline.run(folder / "crab"), folder / "crab")

    return compute_once("crab", run)


@pytest.fixture(scope="session")
def plain_reduction(compute_once: Any) -> plain_gammapy.Reduced:
    return compute_once("plain-reduced", lambda _: plain_gammapy.reduce_with_templates())


@pytest.fixture(scope="session")
def plain_fit(compute_once: Any, plain_reduction: plain_gammapy.Reduced) -> plain_gammapy.Fitted:
    return compute_once(
        "plain-fitted", lambda _: plain_gammapy.fit(plain_reduction.dataset.copy(name="hess"))
    )


@pytest.fixture(scope="session")
def store() -> DataStore:
    return DataStore.from_dir(plain_gammapy.archive())


@pytest.fixture
def table(store: DataStore) -> ObservationTable:
    return store.obs_table.copy()


@pytest.fixture(scope="session")
def run_datasets(compute_once: Any) -> list[MapDataset]:
    """Return the datasets of the four runs, reduced by skyred without stacking."""

    def reduce(_: Path) -> list[MapDataset]:
        overrides = ["data.hess.stack.kind=keep"]
        pipeline = Pipeline.from_yaml(plain_gammapy.EXAMPLE, overrides=overrides)
        return list(Orchestrator(pipeline).reduce())

    return compute_once("runs", reduce)


@pytest.fixture(scope="session")
def true_models() -> Models:
    """Return the models from which `simulated_dataset` is simulated."""
    models = plain_gammapy.models("sim")
    models["crab"].spectral_model.index.value = 2.4
    # between pixel centres: at a centre the likelihood is not differentiable
    models["crab"].spatial_model.lon_0.value = 83.652
    models["crab"].spatial_model.lat_0.value = 22.031
    return models


@pytest.fixture(scope="session")
def simulated_dataset(true_models: Models) -> MapDataset:
    """Return a small simulated dataset: a power law, a flat background, a Gaussian PSF."""
    return plain_gammapy.simulate(true_models)
