"""`skyred.fit` where something is amiss: it does as gammapy does, or says more clearly why not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gammapy.datasets import Datasets, MapDataset

import skyred
import small_datasets as small
from fits_side_by_side import (
    Change,
    assert_as_good_as_gammapy,
    assert_sane,
    point,
    seen,
)
from skyred import FitResult
from skyred.components.fitters.minuit import Minuit
from skyred.errors import FitError


def test_a_fit_without_trouble_is_gammapys() -> None:
    assert assert_as_good_as_gammapy(seen).at_limit == ()


# -- limits ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "limits"),
    [("index", {"min": 2.75}), ("index", {"max": 2.0}), ("amplitude", {"max": 3e-11})],
)
def test_a_parameter_at_its_limit_is_named(name: str, limits: dict[str, float]) -> None:
    def limit(datasets: Datasets) -> None:
        parameter = getattr(datasets.models["point"].spectral_model, name)
        for side, value in limits.items():
            setattr(parameter, side, value)

    result = assert_as_good_as_gammapy(lambda: seen(limit))
    assert result.at_limit == (f"point.spectral.{name}",)
    assert result.values[result.names.index(f"point.spectral.{name}")] in limits.values()


# -- starts ----------------------------------------------------------------------------------


def negative_amplitude(datasets: Datasets) -> None:
    datasets.models["point"].spectral_model.amplitude.value = -1e-11


def negative_norm(datasets: Datasets) -> None:
    datasets.models["map-bkg"].spectral_model.norm.value = -0.5


@pytest.mark.slow
@pytest.mark.parametrize("start", [negative_amplitude, negative_norm])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # gammapy's, far out where it is lost
def test_a_start_with_negative_predicted_counts_leads_out_of_them(start: Change) -> None:
    assert_as_good_as_gammapy(lambda: seen(start))


def test_a_source_that_starts_half_a_map_away_is_found() -> None:
    datasets = seen(free=True)
    datasets.models["point"].spatial_model.lon_0.value -= 0.3
    result = skyred.fit(datasets)
    assert result.success, result.message
    errors = dict(zip(result.names, result.errors, strict=True))
    # the counts are drawn with this position
    away = datasets.models["point"].spatial_model.lon_0.value - 83.651
    assert abs(away) < 4 * errors["point.spatial.lon_0"]


@pytest.mark.slow
def test_a_source_at_the_edge_ends_in_a_minimum_or_says_that_it_does_not() -> None:
    datasets = seen()
    edge = point("edge", lon=84.15, free=True)
    edge.spectral_model.index.frozen = edge.spatial_model.lat_0.frozen = True
    datasets.models = [*datasets.models, edge]
    without = float(skyred.fit(seen()).stat)
    result = skyred.fit(datasets)
    assert_sane(datasets, result)
    assert result.stat <= without
    assert result.success or result.message


@pytest.mark.parametrize("name", ["index", "amplitude"])
def test_a_start_that_is_not_finite_is_named(name: str) -> None:
    datasets = seen()
    getattr(datasets.models["point"].spectral_model, name).value = np.nan
    with pytest.raises(FitError, match=f"point.spectral.{name} starts at nan"):
        skyred.fit(datasets)


# -- data ------------------------------------------------------------------------------------


def test_exposure_that_is_not_finite_is_taken_as_by_gammapy() -> None:
    def spoil(datasets: Datasets) -> None:
        datasets[0].exposure.data[:, 3:6, 4] = np.nan

    assert_as_good_as_gammapy(lambda: seen(spoil))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_background_that_is_not_finite_is_refused_with_the_number_of_bins(bad: float) -> None:
    def spoil(datasets: Datasets) -> None:
        datasets[0].background.data[1, 3:6, 4] = bad

    with pytest.raises(FitError, match="background of 'map' is not finite in 3 of the fitted bins"):
        skyred.fit(seen(spoil))


def test_background_that_is_not_finite_outside_the_mask_does_no_harm() -> None:
    def spoil(datasets: Datasets) -> None:
        datasets[0].background.data[1, 3:6, 4] = np.nan
        datasets[0].mask_safe.data[1, 3:6, 4] = False

    assert_as_good_as_gammapy(lambda: seen(spoil))


def test_a_dataset_without_models_changes_nothing_but_the_statistic() -> None:
    alone, together = seen(), seen()
    together.append(small.map_dataset("other"))
    result_alone, result_together = skyred.fit(alone), skyred.fit(together)
    assert result_together.values == pytest.approx(result_alone.values, rel=1e-9)
    assert result_together.stat == pytest.approx(together.stat_sum())


def test_a_mask_that_hides_part_of_the_source_is_taken_as_by_gammapy() -> None:
    def hide(datasets: Datasets) -> None:
        position = datasets.models["point"].spatial_model.position
        away = datasets[0].counts.geom.separation(position).deg
        datasets[0].mask_safe.data &= away > 0.1

    assert_as_good_as_gammapy(lambda: seen(hide))


# -- ends ------------------------------------------------------------------------------------


class Mine(MapDataset):
    """No class that skyred knows, so that MIGRAD has to do without derivatives."""


def test_the_limit_on_calls_is_said_and_leaves_values_that_can_be_used() -> None:
    datasets = seen()
    datasets[0].__class__ = Mine
    result = skyred.fit(datasets, Minuit(calls=5))
    assert not result.success
    assert "the limit on calls was reached; allow more with calls" in result.message
    assert_sane(datasets, result)


def test_without_free_parameters_there_is_nothing_to_fit() -> None:
    datasets = seen()
    datasets.models.freeze()
    with pytest.raises(FitError, match="No free parameters"):
        skyred.fit(datasets)


def test_without_models_there_is_nothing_to_fit() -> None:
    with pytest.raises(FitError, match="no models"):
        skyred.fit(small.map_dataset())


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_whatever_stops_a_fit_the_models_are_as_before(error: type[BaseException]) -> None:
    class Stopping(Minuit):
        def fit(self, objective: Any) -> FitResult:
            objective.total(1.5 * objective.start)
            raise error

    datasets = seen(free=True)
    before = [parameter.value for parameter in datasets.models.parameters]
    with pytest.raises(error):
        skyred.fit(datasets, Stopping())
    assert [parameter.value for parameter in datasets.models.parameters] == before


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_start_of_no_statistic_leaves_the_models_as_before() -> None:
    datasets = seen()
    datasets.models["point"].spectral_model.amplitude.value = 1e300
    before = [parameter.value for parameter in datasets.models.parameters]
    with pytest.raises(
        FitError, match=r"counts of 'map' predicted by model 'point' are not finite"
    ):
        skyred.fit(datasets)
    assert [parameter.value for parameter in datasets.models.parameters] == before
