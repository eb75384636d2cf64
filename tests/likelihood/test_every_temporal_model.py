"""The compiled likelihood of every temporal model of gammapy agrees with gammapy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from astropy import units as u
from gammapy.data import GTI
from gammapy.modeling.models import TEMPORAL_MODEL_REGISTRY, PointSpatialModel, SkyModel

from likelihood_comparison import DatasetsFactory, assert_agrees_with_gammapy, with_models
from small_datasets import (
    CRAB,
    REFERENCE,
    flux_points,
    gti,
    map_dataset,
    spectrum_dataset,
    spectrum_on_off,
)
from spectral_models import power_law
from temporal_models import LIGHT_CURVES

CURVES = {name: make for kinds in LIGHT_CURVES.values() for name, make in kinds.items()}


def _parameter(kind: str) -> Any:
    """Return a test parameter, which is skipped if gammapy cannot integrate the model."""
    times = gti()
    try:
        CURVES[kind]().integral(times.time_start, times.time_stop)
    except ValueError as error:
        # phase curves: newer versions of scipy do not allow an in-place sum in gammapy
        skip = pytest.mark.skip(reason=f"gammapy cannot integrate it: {error}")
        return pytest.param(kind, marks=skip)
    return kind


all_curves = pytest.mark.parametrize("kind", [_parameter(kind) for kind in CURVES])


def source(kind: str, with_position: bool, free: bool = True) -> SkyModel:
    temporal = CURVES[kind]()
    for parameter in temporal.parameters:
        parameter.frozen = not free
    spatial = None
    if with_position:
        spatial = PointSpatialModel(lon_0=f"{CRAB[0]} deg", lat_0=f"{CRAB[1]} deg", frame="icrs")
    return SkyModel(power_law(), spatial, temporal, name="source")


def case(
    dataset: Callable[[], Any], kind: str, with_position: bool = False, free: bool = True
) -> DatasetsFactory:
    return with_models(lambda: [dataset()], lambda: [source(kind, with_position, free)])


def single_gti(start: float, stop: float) -> GTI:
    """Return one good time interval, in hours since the reference time."""
    return GTI.create([start] * u.h, [stop] * u.h, reference_time=REFERENCE)


def test_all_temporal_models_are_tested() -> None:
    assert set(LIGHT_CURVES) == set(TEMPORAL_MODEL_REGISTRY)
    for cls, kinds in LIGHT_CURVES.items():
        assert all(type(make()) is cls for make in kinds.values())


@all_curves
@pytest.mark.parametrize("free", [True, False], ids=["free", "frozen"])
def test_point_source_with_any_light_curve_agrees_with_gammapy(kind: str, free: bool) -> None:
    assert_agrees_with_gammapy(case(lambda: map_dataset(psf="none"), kind, True, free), 2)


@all_curves
@pytest.mark.parametrize("dataset", [spectrum_dataset, spectrum_on_off, flux_points])
def test_any_light_curve_in_other_datasets_agrees_with_gammapy(
    kind: str, dataset: Callable[[], Any]
) -> None:
    # without convolution, sums differ only by rounding
    assert_agrees_with_gammapy(case(dataset, kind), 2, stat=1e-6, counts=1e-9)


@all_curves
def test_light_curve_is_integrated_over_the_times_of_each_dataset(kind: str) -> None:
    def datasets() -> list[Any]:
        first, later = spectrum_dataset("first"), spectrum_dataset("later", seed=5)
        first.gti, later.gti = single_gti(1, 4), single_gti(5, 8)
        return [first, later]

    make = with_models(datasets, lambda: [source(kind, False)])
    likelihood = assert_agrees_with_gammapy(make, 2)
    first, later = likelihood.npred(likelihood.initial_state[likelihood.space.free]).values()
    assert kind == "const" or abs(first.sum() - later.sum()) > 0.1
