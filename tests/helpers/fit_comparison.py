"""Comparison of `skyred.fit` with gammapy's `Fit`, on small datasets that tests can change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gammapy.datasets import Datasets
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    FoVBackgroundModel,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)

import skyred
import small_datasets as small
from skyred import FitResult

CLOSE = 0.01  # maximum difference between two converged fits, as a fraction of the error
STAT_TOLERANCE = 1e-3  # MIGRAD stops at an estimated distance to the minimum below 2e-3

Change = Callable[[Datasets], None]


def point_source(name: str = "point", lon: float = 83.651, free: bool = False) -> SkyModel:
    spectral = PowerLawSpectralModel(index=2.6, amplitude="4.4e-11 cm-2 s-1 TeV-1")
    spatial = PointSpatialModel(lon_0=f"{lon} deg", lat_0="22.03 deg", frame="icrs")
    model = SkyModel(spectral_model=spectral, spatial_model=spatial, name=name)
    if not free:
        model.spatial_model.freeze()
    return model


def background_model(dataset: str = "map") -> FoVBackgroundModel:
    return FoVBackgroundModel(dataset_name=dataset)


def map_with_source(change: Change | None = None, free: bool = False) -> Datasets:
    """Return a simulated map with a point source; its model starts with an amplitude 10 % too high.

    By default, the position of the model is fixed.
    """
    dataset = small.map_dataset()
    dataset.models = [point_source(), background_model()]
    dataset.models["point"].spectral_model.amplitude.value = 4e-11
    dataset.fake(random_state=3)
    return with_changes([dataset], [point_source(free=free), background_model()], change)


def spectrum(change: Change | None = None, on_off: bool = False) -> Datasets:
    model = point_source("crab")
    source = SkyModel(spectral_model=model.spectral_model, name="crab")
    dataset = small.spectrum_on_off() if on_off else small.spectrum_dataset()
    return with_changes([dataset], [source], change)


def with_changes(datasets: list[Any], models: list[Any], change: Change | None) -> Datasets:
    """Assign models to copies of datasets, and apply a change to them.

    The datasets are copied because gammapy caches models and masks in them.
    """
    copies = Datasets([dataset.copy(name=dataset.name) for dataset in datasets])
    copies.models = models
    if change:
        change(copies)
    return copies


def free_parameters(datasets: Datasets) -> list[Any]:
    return datasets.models.parameters.unique_parameters.free_parameters


def assert_as_good_as_gammapy(create_datasets: Callable[[], Datasets]) -> FitResult:
    """Check that skyred's fit has gammapy's values or a lower statistic; return its result."""
    actual, reference = create_datasets(), create_datasets()
    result = skyred.fit(actual)
    assert result.success, result.message
    assert_consistent(actual, result)
    gammapy_result = Fit().run(reference)
    stats = float(actual.copy().stat_sum()), float(reference.copy().stat_sum())
    if gammapy_result.success:
        assert stats[0] < stats[1] + STAT_TOLERANCE
    pairs = zip(free_parameters(actual), free_parameters(reference), strict=True)
    differences = [
        our_parameter.value - their_parameter.value for our_parameter, their_parameter in pairs
    ]
    close = np.abs(np.array(differences)) <= CLOSE * result.errors
    assert close.all() or stats[0] < stats[1]
    return result


def assert_consistent(datasets: Datasets, result: FitResult) -> None:
    """Check that the models have the values and errors of the result, and can be evaluated."""
    values = [parameter.value for parameter in free_parameters(datasets)]
    assert np.isfinite(values).all()
    assert values == result.values.tolist()
    assert np.isfinite(datasets.stat_sum())
    # gammapy writes and copies NaN errors as 1, so unknown errors are 0
    errors = np.nan_to_num(result.errors)
    for models in (datasets.models, datasets.models.copy()):
        unique = models.parameters.unique_parameters
        model_errors = [parameter.error for parameter in unique if not parameter.frozen]
        assert model_errors == pytest.approx(errors, rel=1e-12)
    datasets.models.to_yaml()
    datasets.models.to_parameters_table()
    str(result)


def assert_fails(datasets: Datasets, *words: str) -> FitResult:
    """Check that the fit fails with a message that contains all words; return its result."""
    result = skyred.fit(datasets)
    assert not result.success
    for word in words:
        assert word in result.message, result.message
    assert_consistent(datasets, result)
    return result
