"""Fits by `skyred.fit` beside those of gammapy's `Fit`, on small datasets that can be spoilt."""

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

CLOSE = 0.01  # of an error, between two fits of which both converge
GAIN = 1e-3  # in the statistic, by which MIGRAD may end lower: it stops below 2e-3

Change = Callable[[Datasets], None]


def point(name: str = "point", lon: float = 83.651, free: bool = False) -> SkyModel:
    spectral = PowerLawSpectralModel(index=2.6, amplitude="4.4e-11 cm-2 s-1 TeV-1")
    spatial = PointSpatialModel(lon_0=f"{lon} deg", lat_0="22.03 deg", frame="icrs")
    model = SkyModel(spectral_model=spectral, spatial_model=spatial, name=name)
    if not free:
        model.spatial_model.freeze()
    return model


def background(dataset: str = "map") -> FoVBackgroundModel:
    return FoVBackgroundModel(dataset_name=dataset)


def seen(change: Change | None = None, free: bool = False) -> Datasets:
    """A map on which a source is seen with 800 counts; it starts with a tenth more."""
    dataset = small.map_dataset()
    dataset.models = [point(), background()]
    dataset.models["point"].spectral_model.amplitude.value = 4e-11
    dataset.fake(random_state=3)
    return changed([dataset], [point(free=free), background()], change)


def spectrum(change: Change | None = None, on_off: bool = False) -> Datasets:
    model = point("crab")
    source = SkyModel(spectral_model=model.spectral_model, name="crab")
    dataset = small.spectrum_on_off() if on_off else small.spectrum_dataset()
    return changed([dataset], [source], change)


def changed(datasets: list[Any], models: list[Any], change: Change | None) -> Datasets:
    """Give new datasets: gammapy keeps what it knows of sources and masks in old ones."""
    fresh = Datasets([each.copy(name=each.name) for each in datasets])
    fresh.models = models
    if change:
        change(fresh)
    return fresh


def free(datasets: Datasets) -> list[Any]:
    return datasets.models.parameters.unique_parameters.free_parameters


def assert_as_good_as_gammapy(make: Callable[[], Datasets]) -> FitResult:
    """Fit by both: the same values where both converge, unless ours has the lower statistic."""
    ours, theirs = make(), make()
    result = skyred.fit(ours)
    assert result.success, result.message
    assert_sane(ours, result)
    by_gammapy = Fit().run(theirs)
    stats = float(ours.copy().stat_sum()), float(theirs.copy().stat_sum())
    if by_gammapy.success:
        assert stats[0] < stats[1] + GAIN
    away = [one.value - other.value for one, other in zip(free(ours), free(theirs), strict=True)]
    near = np.abs(np.array(away)) <= CLOSE * result.errors
    assert near.all() or stats[0] < stats[1]
    return result


def assert_sane(datasets: Datasets, result: FitResult) -> None:
    """Check that the models hold what the result says, and that they can be used."""
    values = [parameter.value for parameter in free(datasets)]
    assert np.isfinite(values).all()
    assert values == result.values.tolist()
    assert np.isfinite(datasets.stat_sum())
    # gammapy makes 1 of NaN when models are copied or written: errors that are not known are 0
    errors = np.nan_to_num(result.errors)
    for models in (datasets.models, datasets.models.copy()):
        own = [each.error for each in models.parameters.unique_parameters if not each.frozen]
        assert own == pytest.approx(errors, rel=1e-12)
    datasets.models.to_yaml()
    datasets.models.to_parameters_table()
    str(result)


def assert_fails(datasets: Datasets, *words: str) -> FitResult:
    """Fit, and check that the result says why it is none."""
    result = skyred.fit(datasets)
    assert not result.success
    for word in words:
        assert word in result.message, result.message
    assert_sane(datasets, result)
    return result
