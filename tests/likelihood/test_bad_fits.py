"""`skyred.fit` of difficult data and models gives gammapy's results or a clear message."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gammapy.datasets import Datasets, MapDataset

import skyred
import small_datasets as small
from fit_comparison import (
    Change,
    assert_as_good_as_gammapy,
    assert_consistent,
    map_with_source,
    point_source,
)
from skyred import FitResult
from skyred.components.fitters.minuit import Minuit
from skyred.errors import FitError


@pytest.mark.slow
def test_simple_fit_agrees_with_gammapy() -> None:
    assert assert_as_good_as_gammapy(map_with_source).at_limit == ()


# -- limits ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "limits"),
    [("index", {"min": 2.75}), ("index", {"max": 2.0}), ("amplitude", {"max": 3e-11})],
)
def test_parameter_at_its_limit_is_reported(name: str, limits: dict[str, float]) -> None:
    def limit(datasets: Datasets) -> None:
        parameter = getattr(datasets.models["point"].spectral_model, name)
        for side, value in limits.items():
            setattr(parameter, side, value)

    result = assert_as_good_as_gammapy(lambda: map_with_source(limit))
    assert result.at_limit == (f"point.spectral.{name}",)
    assert result.values[result.names.index(f"point.spectral.{name}")] in limits.values()


# -- start values ----------------------------------------------------------------------------------


def negative_amplitude(datasets: Datasets) -> None:
    datasets.models["point"].spectral_model.amplitude.value = -1e-11


def negative_norm(datasets: Datasets) -> None:
    datasets.models["map-bkg"].spectral_model.norm.value = -0.5


@pytest.mark.slow
@pytest.mark.parametrize("start", [negative_amplitude, negative_norm])
@pytest.mark.filterwarnings(
    "ignore::RuntimeWarning"
)  # from gammapy's fit, which ends far from the minimum
def test_start_with_negative_predicted_counts_converges(start: Change) -> None:
    assert_as_good_as_gammapy(lambda: map_with_source(start))


def test_position_that_starts_far_away_is_fitted() -> None:
    datasets = map_with_source(free=True)
    datasets.models["point"].spatial_model.lon_0.value -= 0.3
    result = skyred.fit(datasets)
    assert result.success, result.message
    errors = dict(zip(result.names, result.errors, strict=True))
    # the difference from the simulated longitude
    difference = datasets.models["point"].spatial_model.lon_0.value - 83.651
    assert abs(difference) < 4 * errors["point.spatial.lon_0"]


@pytest.mark.slow
def test_source_at_the_edge_converges_or_has_a_message() -> None:
    datasets = map_with_source()
    edge = point_source("edge", lon=84.15, free=True)
    edge.spectral_model.index.frozen = edge.spatial_model.lat_0.frozen = True
    datasets.models = [*datasets.models, edge]
    stat_without_source = float(skyred.fit(map_with_source()).stat)
    result = skyred.fit(datasets)
    assert_consistent(datasets, result)
    assert result.stat <= stat_without_source
    assert result.success or result.message


@pytest.mark.parametrize("name", ["index", "amplitude"])
def test_start_that_is_not_finite_is_reported(name: str) -> None:
    datasets = map_with_source()
    getattr(datasets.models["point"].spectral_model, name).value = np.nan
    with pytest.raises(FitError, match=f"point.spectral.{name} starts at nan"):
        skyred.fit(datasets)


# -- data ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_exposure_that_is_not_finite_is_treated_as_in_gammapy() -> None:
    def set_invalid(datasets: Datasets) -> None:
        datasets[0].exposure.data[:, 3:6, 4] = np.nan

    assert_as_good_as_gammapy(lambda: map_with_source(set_invalid))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_background_that_is_not_finite_is_rejected_with_the_number_of_bins(value: float) -> None:
    def set_invalid(datasets: Datasets) -> None:
        datasets[0].background.data[1, 3:6, 4] = value

    with pytest.raises(FitError, match="background of 'map' is not finite in 3 of the fitted bins"):
        skyred.fit(map_with_source(set_invalid))


@pytest.mark.slow
def test_background_that_is_not_finite_outside_the_mask_is_ignored() -> None:
    def set_invalid(datasets: Datasets) -> None:
        datasets[0].background.data[1, 3:6, 4] = np.nan
        datasets[0].mask_safe.data[1, 3:6, 4] = False

    assert_as_good_as_gammapy(lambda: map_with_source(set_invalid))


def test_dataset_without_models_changes_only_the_statistic() -> None:
    expected = skyred.fit(map_with_source())
    datasets = map_with_source()
    datasets.append(small.map_dataset("other"))
    result = skyred.fit(datasets)
    assert result.values == pytest.approx(expected.values, rel=1e-9)
    assert result.stat == pytest.approx(datasets.stat_sum())


@pytest.mark.slow
def test_partly_masked_source_is_fitted_as_in_gammapy() -> None:
    def mask_source(datasets: Datasets) -> None:
        position = datasets.models["point"].spatial_model.position
        separation = datasets[0].counts.geom.separation(position).deg
        datasets[0].mask_safe.data &= separation > 0.1

    assert_as_good_as_gammapy(lambda: map_with_source(mask_source))


# -- failures --------------------------------------------------------------------------------


class UnknownDataset(MapDataset):
    """A class that skyred cannot compile, so that MIGRAD has no derivatives."""


def test_fit_that_reaches_the_limit_on_calls_is_reported() -> None:
    datasets = map_with_source()
    datasets[0].__class__ = UnknownDataset
    result = skyred.fit(datasets, Minuit(calls=5))
    assert not result.success
    assert "the limit on calls was reached; increase calls" in result.message
    assert_consistent(datasets, result)


def test_fit_without_free_parameters_is_rejected() -> None:
    datasets = map_with_source()
    datasets.models.freeze()
    with pytest.raises(FitError, match="No free parameters"):
        skyred.fit(datasets)


def test_fit_without_models_is_rejected() -> None:
    with pytest.raises(FitError, match="no models"):
        skyred.fit(small.map_dataset())


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_models_are_restored_after_any_error(error: type[BaseException]) -> None:
    class FailingFitter(Minuit):
        def fit(self, objective: Any) -> FitResult:
            objective.total(1.5 * objective.start)
            raise error

    datasets = map_with_source(free=True)
    initial_values = [parameter.value for parameter in datasets.models.parameters]
    with pytest.raises(error):
        skyred.fit(datasets, FailingFitter())
    assert [parameter.value for parameter in datasets.models.parameters] == initial_values


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_models_are_restored_after_an_invalid_start() -> None:
    datasets = map_with_source()
    datasets.models["point"].spectral_model.amplitude.value = 1e300
    initial_values = [parameter.value for parameter in datasets.models.parameters]
    with pytest.raises(
        FitError, match=r"counts of 'map' predicted by model 'point' are not finite"
    ):
        skyred.fit(datasets)
    assert [parameter.value for parameter in datasets.models.parameters] == initial_values
