"""The summary of a source: significance, flux and limit over the whole energy range."""

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets
from gammapy.estimators import FluxPointsEstimator
from gammapy.maps import MapAxis
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    FoVBackgroundModel,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)

import skyred
import small_datasets as small
from skyred.report.sources import MAX_SOURCES, N_SIGMA_LIMIT, summarise_sources


def crab_on_map(amplitude: float = 2e-11) -> Datasets:
    dataset = small.map_dataset("map")
    spatial = PointSpatialModel(lon_0="83.65 deg", lat_0="22.03 deg", frame="icrs")
    spatial.freeze()
    spectrum = PowerLawSpectralModel(index=2.3, amplitude=f"{amplitude} cm-2 s-1 TeV-1")
    dataset.models = [
        SkyModel(spectrum, spatial, name="crab"),
        FoVBackgroundModel(dataset_name="map"),
    ]
    dataset.fake(random_state=3)
    return Datasets([dataset])


def test_summary_agrees_with_gammapy() -> None:
    datasets = crab_on_map()
    skyred.fit(datasets)
    (summary,) = summarise_sources(datasets, datasets.models)
    estimator = FluxPointsEstimator(
        energy_edges=[1, 10] * u.TeV, source="crab", selection_optional=["ul"],
        n_sigma_ul=N_SIGMA_LIMIT, reoptimize=True, fit=Fit(optimize_opts={"tol": 1e-3}),
    )  # fmt: skip
    points = estimator.run(datasets)
    # the tolerances of flux points
    assert summary.sqrt_ts == pytest.approx(float(points.sqrt_ts.data.squeeze()), rel=1e-3)
    for name, quantity in (("flux", summary.flux), ("flux_ul", summary.flux_limit)):
        expected = getattr(points, name).quantity.squeeze()
        assert quantity is not None
        assert quantity.to_value(expected.unit) == pytest.approx(expected.value, rel=2e-3)
    assert summary.is_detected
    assert u.allclose(summary.energies, [1, 10] * u.TeV)


def test_weak_source_is_not_detected_and_has_a_limit() -> None:
    datasets = crab_on_map(1e-14)
    skyred.fit(datasets)
    (summary,) = summarise_sources(datasets, datasets.models)
    assert abs(summary.sqrt_ts) < 3
    assert not summary.is_detected
    assert summary.flux_limit is not None
    assert summary.flux_limit > 0 * summary.flux_limit.unit


def test_sources_with_a_frozen_flux_have_no_summary() -> None:
    datasets = crab_on_map()
    datasets.models["crab"].spectral_model.amplitude.frozen = True
    assert list(summarise_sources(datasets, datasets.models)) == []


def test_summaries_leave_datasets_and_models_unchanged() -> None:
    datasets = crab_on_map()
    skyred.fit(datasets)
    before = datasets.models.to_dict(full_output=True)
    counts = datasets[0].counts.data.copy()
    list(summarise_sources(datasets, datasets.models))
    assert datasets.models.to_dict(full_output=True) == before
    np.testing.assert_array_equal(datasets[0].counts.data, counts)


def test_source_that_cannot_be_estimated_has_a_reason() -> None:
    datasets = crab_on_map()
    skyred.fit(datasets)
    datasets[0].counts = None
    (summary,) = summarise_sources(datasets, datasets.models)
    assert summary.reason
    assert np.isnan(summary.sqrt_ts)
    assert MAX_SOURCES > 1


def test_flux_that_cannot_be_fitted_is_neither_detected_nor_limited() -> None:
    datasets = crab_on_map()
    skyred.fit(datasets)
    datasets[0].mask_safe.data[...] = False
    (summary,) = summarise_sources(datasets, datasets.models)
    assert summary.reason
    assert summary.flux_limit is None


def test_instruments_with_other_energy_axes_have_the_flux_of_the_model() -> None:
    datasets = crab_on_map()
    axis = MapAxis.from_energy_bounds("1.3 TeV", "9 TeV", nbin=2)
    spectrum_dataset = small.spectrum_dataset("other").resample_energy_axis(axis, name="other")
    spectrum_dataset.models = [datasets.models["crab"]]
    datasets.append(spectrum_dataset)
    skyred.fit(datasets)
    (summary,) = summarise_sources(datasets, datasets.models)
    spectrum = datasets.models["crab"].spectral_model
    assert summary.energies is not None
    flux, *errors = spectrum.integral_error(*summary.energies)
    assert summary.flux == flux
    assert summary.flux_error == max(errors)
    assert summary.flux_limit is None
    assert summary.sqrt_ts > 5
