"""Estimates are bit-identical, whatever the number of workers that run their tasks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gammapy.datasets import Datasets
from gammapy.modeling.models import (
    GaussianSpatialModel,
    LogParabolaSpectralModel,
    Models,
    SkyModel,
)

import plain_gammapy
import skyred
from estimator_tasks import EmulatedWorkers
from skyred import Tasks
from skyred.components.engines import Processes
from skyred.components.estimators.parameters import TemporaryFit
from skyred.components.gammapy import (
    Alternative,
    Contours,
    FluxPoints,
    LightCurve,
    ModelComparison,
    ProfileLikelihood,
    SourceDetection,
    TSMap,
)
from skyred.interfaces import Estimator
from skyred.interfaces.objective import Objective
from skyred.io.streaming import Workers
from skyred.likelihood.flux.ts_map import pixels
from skyred.run import engine_tasks
from skyred.run.engine_tasks import EngineTasks

EDGES = ["1 TeV", "4 TeV", "10 TeV"]
ESTIMATORS = {
    "profile": ProfileLikelihood(parameters=["*.index", "*.lon_0"], points=7),
    "contours": Contours(parameters=["*.index", "*.amplitude"], points=24, sigmas=[1, 2]),
    "points": FluxPoints(source="crab", energy_edges=EDGES, reoptimize=True, columns=["ul"]),
    "light-curve": LightCurve(source="crab", energy_edges=EDGES, reoptimize=True),
    "ts-map": TSMap(kernel_width="0.2 deg", columns=["errn-errp", "ul", "sensitivity"]),
    "detection": SourceDetection(on=TSMap(kernel_width="0.2 deg")),
    "comparison": ModelComparison(
        alternatives=[
            Alternative(name="without", without=["crab"]),
            Alternative(name="fixed", fix={"crab.index": 2.3}),
        ]
    ),
}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Divide the pixels of TS maps into several blocks."""
    monkeypatch.setattr(pixels, "MAX_PAIRS", 50_000)


@pytest.fixture(scope="module")
def crab_runs(run_datasets) -> Datasets:
    """Return maps of two runs of the Crab with the fitted models."""
    datasets = Datasets([dataset.copy(name=dataset.name) for dataset in run_datasets[:2]])
    datasets.models = plain_gammapy.models(*datasets.names)
    skyred.fit(datasets)
    return datasets


@pytest.fixture(scope="module")
def extended(true_models) -> Datasets:
    """Return a simulated map of a Gaussian source, and the fitted models."""
    spatial = GaussianSpatialModel(lon_0="83.65 deg", lat_0="22.03 deg", sigma="0.12 deg",
                                   frame="icrs")  # fmt: skip
    spectral = LogParabolaSpectralModel(amplitude="4e-11 cm-2 s-1 TeV-1", alpha=2.4, beta=0.05)
    spectral.beta.frozen = True
    others = [model for model in true_models.copy() if model.name != "crab"]
    models = Models([SkyModel(spectral, spatial, name="crab"), *others])
    datasets = Datasets([plain_gammapy.simulate(models)])
    datasets.models = models
    skyred.fit(datasets)
    return datasets


def numbers(product: Any) -> list[np.ndarray]:
    """Return all numbers of a product."""
    arrays = []
    for name in ("maps", "flux", "flux_maps"):
        if hasattr(product, name):
            quantities = getattr(product, name)._data
            arrays += [quantities[key].data for key in quantities]
    for curve in getattr(product, "curves", ()):
        arrays += [curve.values, curve.delta_stat]
        arrays += [np.array([limits.errn, limits.errp]) for limits in curve.intervals]
    for pair in getattr(product, "pairs", ()):
        arrays += [getattr(line, axis) for line in pair.contours for axis in ("x", "y")]
    for name in ("comparison", "parameters", "sources"):
        table = getattr(product, name, None)
        if table is not None:
            arrays += [np.asarray(table[column].data) for column in table.colnames]
    assert arrays
    return arrays


def assert_identical(product: Any, expected: Any) -> None:
    for array, expected_array in zip(numbers(product), numbers(expected), strict=True):
        assert array.tobytes() == expected_array.tobytes()


def assert_independent_of_workers(estimator: Estimator, datasets: Datasets) -> None:
    expected = estimator.estimate(datasets, None)
    for workers in (1, 2, 3):
        product = estimator.estimate_with(datasets, None, EmulatedWorkers(workers))
        assert_identical(product, expected)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("name", ["profile", "points", "ts-map", "comparison"])
def test_estimates_of_the_crab_do_not_depend_on_workers(crab_runs, name):
    assert_independent_of_workers(ESTIMATORS[name], crab_runs)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("name", ["contours", "light-curve", "detection"])
def test_slower_estimates_of_the_crab_do_not_depend_on_workers(crab_runs, name):
    assert_independent_of_workers(ESTIMATORS[name], crab_runs)


@pytest.mark.slow
def test_profiles_of_an_extended_source_do_not_depend_on_workers(extended):
    estimator = ProfileLikelihood(parameters=["*.sigma", "*.alpha", "*.amplitude"], points=5)
    assert_independent_of_workers(estimator, extended)


@pytest.mark.slow
@pytest.mark.data
def test_estimates_of_the_crab_are_identical_with_processes(crab_runs, monkeypatch):
    monkeypatch.setattr(engine_tasks, "SECONDS_BEFORE_WORKERS", 0.0)
    monkeypatch.setattr(engine_tasks, "SECONDS_BEFORE_NEW_WORKERS", 0.0)
    with Workers(Processes(workers=2).open) as pool:
        tasks = EngineTasks(pool, 2)
        for name in ("profile", "points", "comparison"):
            product = ESTIMATORS[name].estimate_with(crab_runs, None, tasks)
            assert_identical(product, ESTIMATORS[name].estimate(crab_runs, None))


def test_tasks_run_in_this_process_if_gammapy_evaluates_a_model():
    class NoWorkers(Tasks):
        def map(self, function: Any, shared: Any, items: Any) -> Any:
            raise AssertionError("results of gammapy depend on earlier evaluations")

    objective = Objective(
        names=["x"], start=np.zeros(1), limits=np.array([[-1.0, 1.0]]), steps=np.ones(1),
        stat=lambda x: float(x @ x), notes=("evaluated by gammapy",), clear_caches=lambda: None,
    )  # fmt: skip
    refit = TemporaryFit(Datasets(), objective, None, ())
    assert refit.map(NoWorkers(), lambda fit, item: 2 * item, [1, 2]) == [2, 4]
