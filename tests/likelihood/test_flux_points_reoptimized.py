"""`skyred.flux_points` with `reoptimize`, which fits the other parameters in each energy bin.

gammapy fits them for each norm that it evaluates, so the datasets are small.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets, SpectrumDatasetOnOff
from gammapy.estimators import FluxPoints
from gammapy.modeling import Fit, Parameter
from gammapy.modeling.models import GaussianPrior, PowerLawSpectralModel, SkyModel

import flux_points_comparison as comparison
import skyred
import small_datasets as small
from estimator_tasks import EmulatedWorkers
from skyred.errors import SkyredWarning

WIDE = [1, 10] * u.TeV
# gammapy's errors with other free parameters are MIGRAD's estimates
ERRORS = {"norm_err": 1e-2, "norm_errn": 1e-2, "norm_errp": 1e-2}
SCAN = {"scan_values": [0.5, 2]}


def reoptimized_by_gammapy(datasets: Datasets, **options: Any) -> FluxPoints:
    """Estimate with gammapy's default fit: noise affects its errors with other backends."""
    return comparison.flux_points_by_gammapy(
        datasets, "crab", WIDE, **{"fit": Fit(), "reoptimize": True, **options}
    )


def two_spectra() -> Datasets:
    """Return two datasets with a common source, and a weak source in the second one."""
    crab = PowerLawSpectralModel(index=2.6, amplitude="4e-11 cm-2 s-1 TeV-1")
    weak = PowerLawSpectralModel(index=2.6, amplitude="5e-12 cm-2 s-1 TeV-1")
    weak.index.frozen = True
    datasets = Datasets([small.spectrum_on_off("one"), small.spectrum_on_off("two", seed=5)])
    weak_model = SkyModel(spectral_model=weak, name="weak", datasets_names=["two"])
    datasets.models = [SkyModel(spectral_model=crab, name="crab"), weak_model]
    return datasets


@pytest.mark.slow
def test_all_columns_agree_with_gammapy() -> None:
    options = {"selection_optional": ["errn-errp", "ul", "scan"], "norm": SCAN, "reoptimize": True}
    actual = skyred.flux_points(two_spectra(), "crab", WIDE, **options)
    expected = reoptimized_by_gammapy(two_spectra(), **options)
    comparison.assert_same_points(actual, expected, **ERRORS)


@pytest.mark.slow
def test_sensitivity_agrees_with_gammapy() -> None:
    options = {"selection_optional": ["sensitivity"], "reoptimize": True}
    actual = skyred.flux_points(two_spectra(), "crab", WIDE, **options)
    expected = reoptimized_by_gammapy(two_spectra(), **options)
    comparison.assert_same_points(actual, expected, **ERRORS)


def map_with_free_amplitudes() -> Datasets:
    """Return a map with overlapping sources; amplitudes and background norm are free."""
    datasets = comparison.simulated_map()
    for model in ("steep", "hard"):
        datasets.models[model].spatial_model.freeze()
        datasets.models[model].spectral_model.index.frozen = True
    return datasets


@pytest.mark.slow
def test_points_of_a_map_agree_with_gammapy() -> None:
    options = {"reoptimize": True}
    actual = skyred.flux_points(map_with_free_amplitudes(), "steep", WIDE, **options)
    # with MIGRAD's default tolerance, since a tighter one takes a minute
    expected = comparison.flux_points_by_gammapy(
        map_with_free_amplitudes(), "steep", WIDE, fit=Fit(), **options
    )
    # MIGRAD stops up to 0.01 above the minimum of the statistic, which is 0.1 sigma away
    comparison.assert_same_points(actual, expected, **ERRORS, norm=5e-3, npred_excess=5e-3, ts=0.05)


@pytest.mark.slow
def test_errors_are_larger_with_other_free_parameters() -> None:
    fixed = skyred.flux_points(map_with_free_amplitudes(), "steep", WIDE)
    free = skyred.flux_points(map_with_free_amplitudes(), "steep", WIDE, reoptimize=True)
    assert free.stat.data <= fixed.stat.data
    assert free.norm_err.data > fixed.norm_err.data


def test_priors_of_other_parameters_are_included() -> None:
    def spectra_with_prior() -> Datasets:
        datasets = two_spectra()
        datasets.models["weak"].spectral_model.amplitude.prior = GaussianPrior(
            mu=2e-11, sigma=1e-12
        )
        return datasets

    actual = skyred.flux_points(spectra_with_prior(), "crab", WIDE, reoptimize=True)
    expected = reoptimized_by_gammapy(spectra_with_prior())
    comparison.assert_same_points(actual, expected, **ERRORS)


def test_norm_ends_at_its_limit() -> None:
    options = {"reoptimize": True, "selection_optional": ["errn-errp", "ul"]}
    best = skyred.flux_points(two_spectra(), "crab", WIDE, **options)
    low = 1.2 * float(best.norm.data.squeeze())
    points = skyred.flux_points(two_spectra(), "crab", WIDE, norm={"min": low}, **options)
    assert points.norm.data.squeeze() == pytest.approx(low)
    assert points.stat.data > best.stat.data
    assert np.isnan(points.norm_errn.data.squeeze())


@pytest.mark.slow
def test_each_bin_starts_with_the_original_models() -> None:
    edges = small.ENERGY.edges
    all_points = skyred.flux_points(two_spectra(), "crab", edges, reoptimize=True)
    for index in range(3):
        point = skyred.flux_points(two_spectra(), "crab", edges[index : index + 2], reoptimize=True)
        assert point.norm.data.squeeze() == pytest.approx(all_points.norm.data[index].item())


def test_missing_other_free_parameters_are_rejected_as_in_gammapy() -> None:
    for estimate in (skyred.flux_points, comparison.flux_points_by_gammapy):
        datasets = two_spectra()
        datasets.models["weak"].freeze()
        with pytest.raises(ValueError, match="No free parameters for fitting"):
            estimate(datasets, "crab", WIDE, reoptimize=True)


class UserDataset(SpectrumDatasetOnOff):
    """A class that skyred cannot compile."""


@pytest.mark.slow
def test_datasets_that_cannot_be_compiled_are_estimated_by_gammapy() -> None:
    datasets = two_spectra()
    datasets[1].__class__ = UserDataset
    with pytest.warns(SkyredWarning, match="flux points are estimated by gammapy"):
        actual = skyred.flux_points(datasets, "crab", WIDE, reoptimize=True)
    comparison.assert_same_points(actual, reoptimized_by_gammapy(two_spectra()), **ERRORS)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:flux points are estimated by gammapy")
def test_points_that_gammapy_estimates_do_not_depend_on_workers() -> None:
    datasets = two_spectra()
    datasets[1].__class__ = UserDataset
    options = {"reoptimize": True, "selection_optional": []}
    expected = skyred.flux_points(datasets, "crab", [1, 3, 10] * u.TeV, **options)
    points = skyred.flux_points(
        datasets, "crab", [1, 3, 10] * u.TeV, tasks=EmulatedWorkers(2), **options
    )
    for name in expected._data:
        assert points._data[name].data.tobytes() == expected._data[name].data.tobytes(), name


@pytest.mark.slow
def test_scans_around_the_best_norm_do_not_depend_on_workers() -> None:
    norm = Parameter("norm", 1.0, interp="log", scan_n_sigma=1, error=0.1)
    options = {"reoptimize": True, "selection_optional": ["scan"], "norm": norm}
    expected = skyred.flux_points(two_spectra(), "crab", small.ENERGY.edges, **options)
    points = skyred.flux_points(
        two_spectra(), "crab", small.ENERGY.edges, tasks=EmulatedWorkers(2), **options
    )
    assert points.stat_scan.data.tobytes() == expected.stat_scan.data.tobytes()
