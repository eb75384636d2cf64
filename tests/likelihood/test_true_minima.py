"""Fits that start far away reach the minimum found by gammapy, or the simulated values."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from gammapy.datasets import Datasets, MapDataset, SpectrumDatasetOnOff
from gammapy.modeling.models import (
    FoVBackgroundModel,
    LogParabolaSpectralModel,
    Models,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from hypothesis import given, settings, strategies as st

import skyred
import small_datasets as small
from fit_comparison import background_model, map_with_source, point_source
from skyred.components.fitters.minuit import Minuit, Newton


def stat_after_reassigning_models(datasets: Datasets) -> float:
    """Return gammapy's statistic with the IRFs at the current positions."""
    models = datasets.models
    datasets.models = models
    return float(datasets.stat_sum())


@pytest.fixture(scope="module")
def galactic_centre() -> MapDataset:
    """Return a Fermi-LAT map of the Galactic centre."""
    path = Path(os.environ["GAMMAPY_DATA"], "fermi-3fhl-gc", "fermi-3fhl-gc.fits.gz")
    return MapDataset.read(path, name="fermi-gc")


def with_source_at(dataset: MapDataset, lon: float, lat: float) -> Datasets:
    spectral = PowerLawSpectralModel(
        amplitude="1e-11 cm-2 s-1 TeV-1", reference="100 GeV", index=2.7
    )
    spatial = PointSpatialModel(lon_0=f"{lon} deg", lat_0=f"{lat} deg", frame="galactic")
    datasets = Datasets([dataset.copy(name="fermi-gc")])
    datasets.models = Models(
        [SkyModel(spectral, spatial, name="gc"), FoVBackgroundModel(dataset_name="fermi-gc")]
    )
    return datasets


@pytest.mark.data("fermi-3fhl-gc")
@pytest.mark.slow
@pytest.mark.parametrize("fitter", [Newton(), Minuit()], ids=lambda fitter: fitter.kind)
@pytest.mark.parametrize("start", [(0, 0), (-0.1, -0.1), (0.15, 0.1)])
def test_galactic_centre_is_reached_across_a_barrier(
    galactic_centre: MapDataset, start: tuple[float, float], fitter: Newton | Minuit
) -> None:
    datasets = with_source_at(galactic_centre, *start)
    result = skyred.fit(datasets, fitter)
    assert result.success, result.message
    # the position of the minimum that gammapy's fit reaches from (-0.04, -0.04) deg
    expected = with_source_at(galactic_centre, -0.0476, -0.0491)
    for name in ("index", "amplitude"):
        expected.models["gc"].spectral_model.parameters[name].value = float(
            datasets.models["gc"].spectral_model.parameters[name].value
        )
    expected.models["fermi-gc-bkg"].parameters["norm"].value = float(
        datasets.models["fermi-gc-bkg"].parameters["norm"].value
    )
    assert stat_after_reassigning_models(datasets) <= stat_after_reassigning_models(expected) + 0.01
    assert result.stat == pytest.approx(stat_after_reassigning_models(datasets), rel=1e-8)


@pytest.mark.parametrize("fitter", [Newton(), Minuit()], ids=lambda fitter: fitter.kind)
def test_undetected_source_is_searched_for_on_the_map(fitter: Newton | Minuit) -> None:
    datasets = map_with_source(free=True)
    true_lon = datasets.models["point"].spatial_model.lon_0.value
    shifted = point_source(free=True)
    shifted.spatial_model.lon_0.value = true_lon + 0.6
    datasets.models = [shifted, background_model()]
    result = skyred.fit(datasets, fitter)
    assert result.success, result.message
    index = [name.endswith("lon_0") for name in result.names].index(True)
    assert abs(result.values[index] - true_lon) < 5 * result.errors[index]
    assert any("not detected at its fitted position" in note for note in result.notes)


def two_sources() -> Datasets:
    """Return a map of two equally bright sources; the first is at a corner of four pixels."""
    dataset = small.map_dataset()
    models = [point_source("first", 83.408), point_source("second", 83.9)]
    models[0].spatial_model.lat_0.value, models[1].spatial_model.lat_0.value = 21.839, 22.24
    dataset.models = [*models, background_model()]
    dataset.fake(random_state=5)
    for model in models:
        model.spatial_model.unfreeze()
    datasets = Datasets([dataset.copy(name="map")])
    datasets.models = [*models, background_model()]
    return datasets


@pytest.mark.slow
@pytest.mark.parametrize("fitter", [Newton(), Minuit()], ids=lambda fitter: fitter.kind)
@pytest.mark.parametrize("shift", [0.02, 0.06, 0.1])
def test_two_models_are_fitted_to_two_sources(fitter: Newton | Minuit, shift: float) -> None:
    expected = skyred.fit(two_sources())
    datasets = two_sources()
    first, second = (datasets.models[name].spatial_model for name in ("first", "second"))
    # start both models near the first source, so that both seem to be detected
    second.lon_0.value, second.lat_0.value = first.lon_0.value + shift, first.lat_0.value + shift
    first.lon_0.value -= shift
    result = skyred.fit(datasets, fitter)
    assert result.success, result.message
    assert result.stat == pytest.approx(expected.stat, abs=0.01)  # the models can be exchanged


def hess_spectra() -> Datasets:
    """Return the H.E.S.S. spectra of the Crab nebula."""
    folder = Path(os.environ["GAMMAPY_DATA"], "joint-crab", "spectra", "hess")
    return Datasets([SpectrumDatasetOnOff.read(path) for path in sorted(folder.glob("pha_obs*"))])


@pytest.mark.slow
@pytest.mark.data("joint-crab")
@settings(deadline=None, max_examples=8)
@given(decades=st.floats(-4, 1), unit=st.sampled_from(["cm-2 s-1 TeV-1", "m-2 s-1 GeV-1"]))
def test_errors_do_not_depend_on_reference_energy_and_units(decades: float, unit: str) -> None:
    datasets, energy_ratio = hess_spectra(), 10**decades
    original = LogParabolaSpectralModel(
        amplitude="4e-11 cm-2 s-1 TeV-1", reference="1 TeV", alpha=2.5, beta=0.2
    )
    datasets.models = [SkyModel(spectral_model=original, name="crab")]
    expected = skyred.fit(datasets)
    beta = expected.names.index("crab.spectral.beta")
    # the same spectrum with another reference energy
    shift = np.log(energy_ratio)
    equivalent = LogParabolaSpectralModel(
        amplitude=original(energy_ratio * original.reference.quantity).to(unit),
        reference=energy_ratio * original.reference.quantity,
        alpha=original.alpha.value + 2 * original.beta.value * shift,
        beta=original.beta.value,
    )
    datasets.models = [SkyModel(spectral_model=equivalent, name="crab")]
    result = skyred.fit(datasets)
    assert result.success, result.message
    assert result.stat == pytest.approx(expected.stat, abs=1e-3)
    assert result.errors[beta] == pytest.approx(expected.errors[beta], rel=0.01)


def test_fit_with_a_single_call_fails() -> None:
    result = skyred.fit(map_with_source(), Minuit(calls=1))
    assert not result.success
    assert "limit on calls" in result.message
