"""Signs, errors and limits of fluxes for positive and negative reference amplitudes.

Expected values are computed with gammapy's `stat_sum` as a function of the amplitude.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets
from gammapy.estimators import FluxPoints
from gammapy.modeling.models import (
    GaussianSpatialModel,
    Models,
    PowerLawSpectralModel,
    SkyModel,
)
from hypothesis import given, settings, strategies as st

import skyred
import small_datasets as small

WIDE = [1, 10] * u.TeV
OPTIONAL = ["errn-errp", "ul", "sensitivity"]
UNIT = "cm-2 s-1 TeV-1"
COUNTS = st.lists(st.integers(0, 300) | st.integers(0, 3), min_size=3, max_size=3)
AMPLITUDES = st.builds(
    lambda sign, exponent: sign * 10.0**exponent, st.sampled_from([-1, 1]), st.integers(-20, -10)
)


def on_off_spectrum(on: Sequence[int], off: Sequence[int], amplitude: float) -> Datasets:
    """Return an on-off spectrum with three energy bins."""
    dataset = small.spectrum_on_off()
    dataset.counts.data = np.reshape(np.array(on, dtype=float), (3, 1, 1))
    dataset.counts_off.data = np.reshape(np.array(off, dtype=float), (3, 1, 1))
    return with_model(dataset, amplitude)


def simulated_map(seed: int, ratio: float, amplitude: float) -> Datasets:
    """Return a map with expected counts of `ratio` times the background."""
    dataset = small.map_dataset()
    counts = np.random.default_rng(seed).poisson(ratio * dataset.background.data)
    dataset.counts.data = counts.astype(float)
    centre = {"lon_0": f"{small.CRAB[0]} deg", "lat_0": f"{small.CRAB[1]} deg", "frame": "icrs"}
    return with_model(dataset, amplitude, GaussianSpatialModel(sigma="0.15 deg", **centre))


def with_model(dataset: Any, amplitude: float, spatial: Any = None) -> Datasets:
    spectral = PowerLawSpectralModel(index=2.3, amplitude=amplitude * u.Unit(UNIT))
    datasets = Datasets([dataset])
    datasets.models = [SkyModel(spectral, spatial, name="crab")]
    return datasets


def stat_by_norm(datasets: Datasets) -> Callable[[float], float]:
    """Return gammapy's statistic as a function of the norm of the flux points."""
    parameter = datasets.models["crab"].spectral_model.amplitude
    magnitude = abs(parameter.value)

    def stat(norm: float) -> float:
        parameter.value = norm * magnitude
        return float(datasets.stat_sum())

    return stat


def value(points: FluxPoints, name: str) -> float:
    return float(np.squeeze(getattr(points, name).data))


def assert_signs(points: FluxPoints) -> None:
    """Check that the limit is above the estimate, and the signs of all columns."""
    assert points.success.data.all()
    assert value(points, "dnde_ref") > 0
    assert value(points, "dnde_ul") > value(points, "dnde")
    for name in ("dnde_sensitivity", "dnde_errn", "dnde_errp"):
        assert value(points, name) > 0, name
    flux, significance = value(points, "flux"), value(points, "sqrt_ts")
    if abs(significance) > 1e-3:
        assert np.sign(significance) == np.sign(flux)
    assert np.sign(flux) == np.sign(value(points, "dnde"))


def stat_rounding_error(dataset: Any) -> float:
    """Return how much the statistic changes with the rounding of a source that is convolved.

    gammapy convolves in float32, with errors of about 1e-6 of the source (measured: 1.2e-6). Where
    a negative source nearly cancels the background of a bin with counts, the logarithm of the
    prediction multiplies this error.
    """
    if dataset.psf is None:
        return 0.0
    counts, npred = dataset.counts.data, dataset.npred().data
    is_relevant = (counts > 0) & (npred > 0)
    signal = np.abs(dataset.npred_signal().data[is_relevant])
    return 2 * 3e-6 * float(np.sum(counts[is_relevant] * signal / npred[is_relevant]))


def assert_agrees_with_scan(datasets: Datasets, points: FluxPoints) -> None:
    """Compare the columns with gammapy's statistic, which is convex, at other norms."""
    stat, norm = stat_by_norm(datasets), value(points, "norm")
    error, errn, errp = (value(points, f"norm_{name}") for name in ("err", "errn", "errp"))
    minimum = stat(norm)
    rounding = stat_rounding_error(datasets[0])
    assert value(points, "stat") == pytest.approx(minimum, rel=1e-7, abs=1e-7 + rounding)
    assert value(points, "ts") == pytest.approx(stat(0) - minimum, rel=1e-6, abs=1e-4 + rounding)
    assert stat(norm - 0.1 * errn) > minimum
    assert stat(norm + 0.1 * errp) > minimum
    ul = value(points, "norm_ul") - norm
    for side, distance, sigma in ((1, errp, 1), (-1, errn, 1), (1, ul, 2)):
        nearer, farther = (stat(norm + side * factor * distance) for factor in (0.999, 1.001))
        assert nearer - minimum < sigma**2 < farther - minimum
    if np.isnan(error):  # the first derivative is discontinuous without on and off counts
        dataset = datasets[0]
        assert np.any((dataset.counts.data == 0) & (dataset.counts_off.data == 0))
        return
    # equal errors are not sufficient for a parabola: the first derivative is discontinuous at a
    # norm if a bin without on counts has off counts
    stat_differences = [stat(norm + side) - minimum for side in (-0.5 * errn, 0.5 * errp)]
    if abs(errp - errn) < 0.05 * (errp + errn) and stat_differences == pytest.approx(
        [0.25] * 2, rel=0.05
    ):
        assert error == pytest.approx(0.5 * (errp + errn), rel=0.02)


@pytest.mark.slow
@settings(max_examples=40)
@given(on=COUNTS, off=COUNTS, amplitude=AMPLITUDES)
def test_columns_of_on_off_spectra_agree_with_a_scan(
    on: list[int], off: list[int], amplitude: float
) -> None:
    datasets = on_off_spectrum(on, off, amplitude)
    points = skyred.flux_points(datasets, "crab", WIDE, selection_optional=OPTIONAL)
    assert_signs(points)
    assert_agrees_with_scan(datasets, points)


@pytest.mark.slow
@settings(max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    ratio=st.sampled_from([0.01, 0.1, 0.7, 1.0, 1.3]),
    amplitude=AMPLITUDES,
)
def test_columns_of_maps_agree_with_a_scan(seed: int, ratio: float, amplitude: float) -> None:
    datasets = simulated_map(seed, ratio, amplitude)
    points = skyred.flux_points(datasets, "crab", WIDE, selection_optional=OPTIONAL)
    assert_signs(points)
    assert_agrees_with_scan(datasets, points)


@pytest.mark.slow
@pytest.mark.parametrize("reoptimize", [False, True])
def test_fluxes_do_not_depend_on_the_sign_of_the_amplitude(reoptimize: bool) -> None:
    on, off, edges = [30, 14, 1], [200, 61, 0], small.ENERGY.edges
    options = {"selection_optional": "all", "reoptimize": reoptimize}
    points_by_sign = []
    for amplitude in (1e-12, -1e-12):
        datasets = on_off_spectrum(on, off, amplitude)
        weak = PowerLawSpectralModel(index=2.6, amplitude=f"5e-13 {UNIT}")
        weak.index.frozen = True
        datasets.models = Models([*datasets.models, SkyModel(weak, name="weak")])
        if reoptimize:
            weak.amplitude.min = weak.amplitude.value
            weak.amplitude.max = 1.2 * weak.amplitude.value
        points_by_sign.append(skyred.flux_points(datasets, "crab", edges, **options))
    tables = [points.to_table(sed_type="likelihood") for points in points_by_sign]
    for name in tables[0].colnames:
        positive, negative = (np.asarray(table[name], dtype=float) for table in tables)
        np.testing.assert_allclose(negative, positive, rtol=2e-3, atol=1e-9, err_msg=name)
