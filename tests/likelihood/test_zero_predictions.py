"""The statistic of bins with almost zero predicted counts, and its derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gammapy.datasets import Datasets, SpectrumDatasetOnOff
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    FoVBackgroundModel,
    Models,
    PowerLawSpectralModel,
    SkyModel,
    SuperExpCutoffPowerLaw4FGLDR3SpectralModel,
)
from gammapy.stats import cash, wstat
from hypothesis import given, settings, strategies as st

import plain_gammapy
import skyred
import small_datasets as small
from skyred.likelihood import Likelihood
from skyred.likelihood.convolution_rounding import TOLERANCE
from skyred.likelihood.statistics import Cash, WStat

RELATIVE_TOLERANCE = 1e-8  # of the statistic
LEVELS = [0.0, 1e-30, 1e-25, 1e-20, 1e-12, 1e-6, -1e-30, -1e-6, -0.3, 0.2]


def point_source() -> SkyModel:
    model = plain_gammapy.models()["crab"].copy(name="crab")
    model.spatial_model.freeze()
    return model


def create_datasets_with_tiny_background(
    kind: str, seed: int, fraction: float, float32: bool
) -> Datasets:
    """Return a dataset with values of `LEVELS` in a fraction of its background bins."""
    makers = {
        "spectrum": lambda: small.spectrum_dataset("data"),
        "map": lambda: small.map_dataset("data", psf="none"),
        "map with PSF": lambda: small.map_dataset("data"),
    }
    dataset, random = makers[kind](), np.random.default_rng(seed)
    background = np.array(dataset.background.data, dtype=np.float32 if float32 else float)
    selection = random.random(background.shape) < fraction
    background[selection] = random.choice(LEVELS, size=int(selection.sum()))
    dataset.background.data = background
    dataset.mask_fit = dataset.counts.copy(data=random.random(background.shape) < 0.9)
    datasets = Datasets([dataset])
    datasets.models = Models([point_source(), FoVBackgroundModel(dataset_name="data")])
    return datasets


def stat_after_reassigning_models(datasets: Datasets) -> float:
    models = datasets.models
    datasets.models = models
    return float(datasets.stat_sum())


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(
    kind=st.sampled_from(["spectrum", "map", "map with PSF"]),
    seed=st.integers(0, 10**6),
    fraction=st.sampled_from([0.01, 0.2, 1.0]),
    float32=st.booleans(),
    factor=st.sampled_from([1.0, 0.3, 0.0, -0.2]),
)
def test_statistic_of_predictions_near_zero_agrees_with_gammapy(
    kind: str, seed: int, fraction: float, float32: bool, factor: float
) -> None:
    datasets = create_datasets_with_tiny_background(kind, seed, fraction, float32)
    likelihood = Likelihood(datasets)
    x = likelihood.initial_state[likelihood.space.free].copy()
    x[likelihood.space.names().index("crab.spectral.amplitude")] *= factor
    actual = likelihood.stat(x)
    likelihood.space.set(x)
    # models with larger rounding errors of the convolution are evaluated by gammapy
    rounding = TOLERANCE if kind == "map with PSF" else 0
    assert actual == pytest.approx(
        stat_after_reassigning_models(datasets), rel=RELATIVE_TOLERANCE, abs=rounding
    )


@given(
    counts=st.lists(st.integers(0, 5), min_size=6, max_size=6),
    predicted=st.lists(st.sampled_from([*LEVELS, 1.0, 30.0]), min_size=6, max_size=6),
)
def test_derivatives_of_cash_are_correct(counts: list[int], predicted: list[float]) -> None:
    n, mu = np.array(counts, dtype=float), np.array(predicted)
    statistic = Cash(n)
    assert statistic.value(mu, float(mu.sum())) == pytest.approx(
        float(cash(n, mu).sum()), rel=RELATIVE_TOLERANCE
    )
    derivatives = statistic.derivatives(mu)
    is_predicted = mu > 1e-25
    # 2 (1 - n / mu) above the truncation value; constant below zero
    expected = np.where(
        is_predicted, 2 - 2 * n / np.where(is_predicted, mu, 1), np.where(mu < 0, 0, 2)
    )
    assert derivatives.first + derivatives.total == pytest.approx(expected, rel=1e-12)
    assert np.all(derivatives.second[~is_predicted] == 0)
    assert np.all(np.isfinite(derivatives.second))


@given(
    on=st.integers(0, 3),
    off=st.integers(0, 3),
    alpha=st.sampled_from([0.0, 0.1, 1.0, np.inf]),
    signal=st.sampled_from([0.0, 1e-30, 1e-9, 0.5, 20.0, -1e-9, -0.3, -40.0]),
)
def test_wstat_agrees_with_gammapy_and_its_slope_with_finite_differences(
    on: int, off: int, alpha: float, signal: float
) -> None:
    n_on, n_off, mu = (np.array([float(count)]) for count in (on, off, signal))
    ratio = np.nan_to_num(np.array([alpha]))
    with np.errstate(all="ignore"):
        expected = np.nan_to_num(wstat(n_on, n_off, ratio, mu))[0]
    statistic = WStat(n_on, n_off, ratio)
    assert statistic.value(mu) == pytest.approx(expected, rel=RELATIVE_TOLERANCE, abs=1e-12)
    derivatives = statistic.derivatives(mu)
    assert np.isfinite([*derivatives.first, *derivatives.second]).all()
    step = 1e-6
    stats = [statistic.value(mu + offset) for offset in (-step, 0, step)]
    # gammapy's statistic is constant where it is not defined
    if stats[0] == stats[1] == stats[2]:
        assert derivatives.first[0] == 0
    elif abs(signal) > 0.1 and np.ptp(stats) < 1e-3:  # defined on both sides
        assert derivatives.first[0] == pytest.approx((stats[2] - stats[0]) / (2 * step), abs=1e-3)


@pytest.mark.parametrize("signal", [np.nan, np.inf, -np.inf, 1e200])
def test_wstat_of_a_signal_that_is_huge_or_not_finite_is_nan(signal: float) -> None:
    """Check signals for which gammapy's wstat is zero, which is below any minimum."""
    on, off, alpha = np.array([3.0, 2.0]), np.array([1.0, 4.0]), np.array([0.5, 0.5])
    statistic = WStat(on, off, alpha)
    assert np.isnan(statistic.value(np.array([1.0, signal])))
    assert np.isfinite(statistic.value(np.array([1.0, 1e100])))


def test_fit_does_not_end_at_infinite_fluxes() -> None:
    spectral = SuperExpCutoffPowerLaw4FGLDR3SpectralModel(
        amplitude="1e-11 cm-2 s-1 TeV-1", reference="1 TeV"
    )
    datasets = Datasets([small.spectrum_on_off()])  # three bins for four parameters
    datasets.models = [SkyModel(spectral_model=spectral, name="crab")]
    initial_stat = datasets.stat_sum()
    result = skyred.fit(datasets)
    assert 0 < result.stat < initial_stat
    assert result.stat == pytest.approx(
        stat_after_reassigning_models(datasets), rel=RELATIVE_TOLERANCE
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["spectrum", "map"])
def test_fit_with_bins_without_background_agrees_with_gammapy(kind: str) -> None:
    def create_datasets() -> Datasets:
        datasets = create_datasets_with_tiny_background(kind, 3, 0.0, True)
        datasets[0].background.data[1] = 0
        return datasets

    actual, expected = create_datasets(), create_datasets()
    result = skyred.fit(actual)
    assert result.success, result.message
    Fit().run(expected)
    assert result.stat == pytest.approx(
        stat_after_reassigning_models(actual), rel=RELATIVE_TOLERANCE
    )
    assert result.stat <= stat_after_reassigning_models(expected) + 0.01


def map_with_partial_background() -> Datasets:
    dataset = small.map_dataset("map")
    dataset.psf.psf_map.data[..., 5:, :, :] = 0  # a kernel smaller than the map
    dataset.background.data[2] = 0
    dataset.counts.data[2, 1, 1] = 1
    datasets = Datasets([dataset])
    datasets.models = Models([point_source(), FoVBackgroundModel(dataset_name="map")])
    return datasets


def test_bins_with_counts_but_only_rounding_errors_predicted_cause_a_note() -> None:
    datasets = map_with_partial_background()
    likelihood = Likelihood(datasets)
    (note,) = likelihood.notes
    assert note.startswith("crab in map is evaluated by gammapy: ")
    assert "predicted counts are only rounding errors of the PSF convolution" in note
    x = likelihood.initial_state[likelihood.space.free]
    assert likelihood.stat(x) == pytest.approx(
        stat_after_reassigning_models(datasets), rel=RELATIVE_TOLERANCE
    )
    result = skyred.fit(datasets)
    assert result.notes[0] == note
    assert result.stat == pytest.approx(
        stat_after_reassigning_models(datasets), rel=RELATIVE_TOLERANCE
    )


@pytest.mark.parametrize("sign", [1, -1])
def test_model_with_either_sign_of_the_amplitude_is_compiled(sign: int) -> None:
    dataset = small.map_dataset("map")
    dataset.background.data[:, :10] = 0
    dataset.models = Models([point_source(), FoVBackgroundModel(dataset_name="map")])
    predicted = np.maximum(dataset.npred().data, 0)
    dataset.counts.data = np.random.default_rng(1).poisson(predicted).astype(float)
    datasets = Datasets([dataset.copy(name="map")])
    datasets.models = Models([point_source(), FoVBackgroundModel(dataset_name="map")])
    datasets.models["crab"].spectral_model.amplitude.value *= sign
    assert not Likelihood(datasets).notes
    result = skyred.fit(datasets)
    assert result.success, result.message
    assert result.values[1] > 0


def test_model_is_compiled_if_all_bins_have_background() -> None:
    datasets = map_with_partial_background()
    datasets[0].background.data[2] = 0.1
    assert not Likelihood(datasets).notes


def on_off_without_off_counts() -> Any:
    dataset = small.spectrum_on_off("on-off")
    dataset.counts_off.data[:] = 0
    dataset.counts.data[0] = 0
    return dataset


@pytest.mark.parametrize("amplitude", [0.0, 1e-30, 4e-11, -1e-12])
def test_on_off_data_without_off_counts_agree_with_gammapy(amplitude: float) -> None:
    dataset: SpectrumDatasetOnOff = on_off_without_off_counts()
    spectrum = PowerLawSpectralModel(index=2.6, amplitude=f"{amplitude} cm-2 s-1 TeV-1")
    datasets = Datasets([dataset])
    datasets.models = [SkyModel(spectral_model=spectrum, name="source")]
    likelihood = Likelihood(datasets)
    x = likelihood.initial_state[likelihood.space.free]
    assert likelihood.stat(x) == pytest.approx(
        stat_after_reassigning_models(datasets), rel=RELATIVE_TOLERANCE
    )
    assert np.isfinite(likelihood.gradient(x)).all()
