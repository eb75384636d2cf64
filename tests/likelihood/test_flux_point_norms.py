"""Norms of flux points at limits, and for data with few or no counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.modeling import Parameter
from gammapy.modeling.models import (
    GaussianPrior,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)

import flux_points_comparison as comparison
import skyred
import small_datasets as small
from skyred.errors import FitError, SkyredWarning

WIDE = [1, 10] * u.TeV
OPTIONAL = ["errn-errp", "ul", "scan"]


def with_model(dataset: Any) -> Datasets:
    spectral = PowerLawSpectralModel(index=2.6, amplitude="4e-11 cm-2 s-1 TeV-1")
    datasets = Datasets([dataset])
    datasets.models = [SkyModel(spectral_model=spectral, name="crab")]
    return datasets


def on_off() -> Datasets:
    return with_model(small.spectrum_on_off())


def value(points: Any, name: str) -> float:
    return float(np.squeeze(getattr(points, name).data))


@pytest.fixture(scope="module")
def best_norm() -> float:
    """Return the norm without limits."""
    return value(skyred.flux_points(on_off(), "crab", WIDE), "norm")


@pytest.mark.slow
@pytest.mark.parametrize(
    "norm",
    [
        pytest.param({"min": -10, "max": 10}, id="limits"),
        pytest.param({"value": 3.0, "scan_n_values": 3}, id="start"),
        pytest.param({"scan_min": 0.01, "scan_max": 2, "scan_n_values": 4}, id="range"),
        pytest.param({"scan_values": [0.5, 1, 2]}, id="values"),
        pytest.param(Parameter("norm", 0.5, scan_n_sigma=3, scan_n_values=5), id="sigma"),
        pytest.param(Parameter("norm", 1, frozen=True), id="frozen"),
    ],
)
def test_options_of_the_norm_agree_with_gammapy(norm: Any) -> None:
    comparison.assert_agrees_with_gammapy(
        on_off(), "crab", WIDE, selection_optional=OPTIONAL, norm=norm
    )


@pytest.mark.parametrize(("low", "high"), [(1.5, None), (None, 0.5), (0.9, 1.1)])
def test_norm_outside_its_limits_ends_at_the_limit(best_norm: float, low: Any, high: Any) -> None:
    limits = {name: factor * best_norm for name, factor in (("min", low), ("max", high)) if factor}
    options = {"selection_optional": OPTIONAL, "norm": limits}
    actual = skyred.flux_points(on_off(), "crab", WIDE, **options)
    expected = comparison.flux_points_by_gammapy(on_off(), "crab", WIDE, **options)
    # gammapy's errors come from Minuit's sine transformation, and tend to zero at a limit
    skip = ("norm_err", "norm_errn", "norm_errp", "norm_ul", "norm_scan", "stat_scan")
    comparison.assert_same_points(actual, expected, skip)
    if None in (low, high):
        assert value(actual, "norm") == next(iter(limits.values()))
        assert np.isnan(value(actual, "norm_errn" if low else "norm_errp"))


@pytest.mark.slow
def test_source_without_background_agrees_with_gammapy() -> None:
    # in bins without predicted counts, rounding errors of the PSF convolution have both signs
    dataset = small.map_dataset()
    datasets = Datasets([dataset])
    dataset.background.data[...] = 0
    spectral = PowerLawSpectralModel(index=2.6, amplitude="4e-11 cm-2 s-1 TeV-1")
    spatial = PointSpatialModel(lon_0="83.651 deg", lat_0="22.03 deg", frame="icrs")
    datasets.models = [SkyModel(spectral_model=spectral, spatial_model=spatial, name="crab")]
    options = {"selection_optional": ["errn-errp", "ul"]}
    comparison.assert_agrees_with_gammapy(datasets, "crab", small.ENERGY.edges, **options)


def empty_spectrum() -> SpectrumDataset:
    dataset = small.spectrum_dataset()
    dataset.counts.data[...] = 0
    return dataset


def test_no_counts_with_known_background_have_only_an_upper_limit() -> None:
    # the statistic decreases with the norm, to zero where no counts are predicted
    datasets = with_model(empty_spectrum())
    points = skyred.flux_points(datasets, "crab", WIDE, selection_optional="all")
    assert not points.success.data.any()
    for name in ("norm", "norm_err", "norm_errn", "norm_errp"):
        assert np.isnan(value(points, name)), name
    background = datasets[0].npred_background().data.sum()
    assert value(points, "ts") == pytest.approx(2 * background)
    assert value(points, "sqrt_ts") == pytest.approx(-np.sqrt(2 * background))
    datasets.models["crab"].spectral_model.amplitude.value *= value(points, "norm_ul")
    assert datasets.stat_sum() == pytest.approx(4, rel=1e-3)


def test_no_counts_with_positive_norms_have_the_poisson_limit() -> None:
    datasets = with_model(empty_spectrum())
    points = skyred.flux_points(
        datasets, "crab", WIDE, selection_optional=OPTIONAL, norm={"min": 0}
    )
    # -2 log L = 2 s norm, which increases by 1 and 4 at norms of 0.5 / s and 2 / s
    signal = datasets[0].npred_signal().data.sum()
    assert value(points, "norm") == 0
    assert value(points, "ts") == 0
    assert value(points, "norm_errp") == pytest.approx(0.5 / signal, rel=1e-5)
    assert value(points, "norm_ul") == pytest.approx(2 / signal, rel=1e-5)
    assert np.isnan(value(points, "norm_errn"))


def test_no_on_counts_agree_with_gammapy() -> None:
    datasets = on_off()
    datasets[0].counts.data[...] = 0
    actual = skyred.flux_points(datasets, "crab", WIDE, selection_optional=OPTIONAL)
    expected = comparison.flux_points_by_gammapy(
        datasets, "crab", WIDE, selection_optional=OPTIONAL
    )
    comparison.assert_same_points(actual, expected)


def test_no_on_and_off_counts_have_a_norm_of_zero_and_a_limit() -> None:
    datasets = on_off()
    datasets[0].counts.data[...] = datasets[0].counts_off.data[...] = 0
    points = skyred.flux_points(datasets, "crab", WIDE, selection_optional=OPTIONAL)
    signal = datasets[0].npred_signal().data.sum()
    # -2 log L = 2 s norm, since the most likely background is zero; for negative norms it is
    # -2 s norm / alpha, with alpha = 0.25
    assert value(points, "norm") == pytest.approx(0, abs=1e-6)
    assert value(points, "norm_ul") == pytest.approx(2 / signal, rel=1e-4)
    assert value(points, "norm_errp") == pytest.approx(0.5 / signal, rel=1e-4)
    assert value(points, "norm_errn") == pytest.approx(0.25 * 0.5 / signal, rel=1e-4)
    assert np.isnan(value(points, "norm_err"))


def test_no_off_counts_agree_with_gammapy() -> None:
    datasets = on_off()
    datasets[0].counts_off.data[...] = 0
    comparison.assert_agrees_with_gammapy(datasets, "crab", WIDE, selection_optional=OPTIONAL)


@pytest.mark.parametrize("make", [small.spectrum_dataset, small.spectrum_on_off])
def test_norm_without_exposure_is_nan(make: Any) -> None:
    datasets = with_model(make())
    datasets[0].exposure.data[...] = 0
    points = skyred.flux_points(datasets, "crab", WIDE, selection_optional="all")
    assert not points.success.data.any()
    assert np.isnan(value(points, "norm"))
    assert np.isnan(value(points, "norm_ul"))
    assert value(points, "counts") == datasets[0].counts.data.sum()


def test_norm_with_a_prior_is_estimated_by_gammapy() -> None:
    norm = Parameter("norm", 1, prior=GaussianPrior(mu=2, sigma=0.05))
    with pytest.warns(SkyredWarning, match="estimated by gammapy: the norm has a prior"):
        actual = skyred.flux_points(on_off(), "crab", WIDE, norm=norm)
    comparison.assert_same_points(
        actual, comparison.flux_points_by_gammapy(on_off(), "crab", WIDE, norm=norm)
    )


def test_datasets_that_cannot_be_compiled_are_estimated_by_gammapy() -> None:
    class UserDataset(SpectrumDataset):
        """A class that skyred cannot compile."""

    dataset = small.spectrum_dataset()
    dataset.__class__ = UserDataset
    message = "by gammapy: .* UserDataset is a class that skyred does not support"
    with pytest.warns(SkyredWarning, match=message):
        actual = skyred.flux_points(with_model(dataset), "crab", WIDE)
    expected = comparison.flux_points_by_gammapy(with_model(small.spectrum_dataset()), "crab", WIDE)
    comparison.assert_same_points(actual, expected)


def test_flux_points_as_data_are_rejected() -> None:
    with pytest.raises(FitError, match="'points' contains flux points; expected counts"):
        skyred.flux_points(with_model(small.flux_points()), "crab", WIDE)
