"""Invalid input of fits is rejected, and the message names the dataset or model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from gammapy.datasets import Dataset, Datasets, FluxPointsDataset
from gammapy.estimators import FluxPoints
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    ConstantSpectralModel,
    GaussianSpatialModel,
    Models,
    SkyModel,
)

import skyred
import small_datasets as small
from fit_comparison import (
    CLOSE,
    Change,
    assert_as_good_as_gammapy,
    background_model,
    map_with_source,
    point_source,
    spectrum,
)
from skyred.errors import FitError
from skyred.likelihood import Likelihood, objective_of

EXACT = 1e-8  # relative, of the statistic


def assert_rejected(datasets: Datasets, message: str) -> None:
    initial_values = [parameter.value for parameter in datasets.models.parameters]
    with pytest.raises(FitError, match=message):
        skyred.fit(datasets)
    assert [parameter.value for parameter in datasets.models.parameters] == pytest.approx(
        initial_values, nan_ok=True
    )


# -- data ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kind"), [(np.nan, "not finite"), (np.inf, "not finite"), (-1.0, "negative")]
)
@pytest.mark.parametrize("attribute", ["counts", "counts_off"])
def test_invalid_counts_are_rejected(attribute: str, value: float, kind: str) -> None:
    def set_invalid(datasets: Datasets) -> None:
        getattr(datasets[0], attribute).data[1, 0, 0] = value

    name = "off counts" if attribute == "counts_off" else "counts"
    assert_rejected(
        spectrum(set_invalid, on_off=True), f"the {name} of 'on-off' are {kind} in 1 of the fitted"
    )


class Parabola(Dataset):
    """A dataset without counts and masks; the best value of its constant is 3."""

    tag, data_shape, meta_table = "parabola", (1,), None

    def __init__(self) -> None:
        self._name = "parabola"
        spectrum = ConstantSpectralModel(const="2 cm-2 s-1 TeV-1")
        self._models = Models([SkyModel(spectral_model=spectrum, name="source")])

    @property
    def models(self) -> Models:
        return self._models

    def stat_sum(self) -> float:
        return float((self._models.parameters["const"].value - 3) ** 2)

    def stat_array(self) -> None:
        """Return nothing, since fits do not call this method."""


def test_dataset_without_counts_and_masks_is_fitted() -> None:
    result = skyred.fit(Parabola())
    assert result.success
    assert result.values == pytest.approx([3], abs=1e-4)  # the error is 1


def test_number_of_bins_with_invalid_counts_is_reported() -> None:
    def set_invalid(datasets: Datasets) -> None:
        datasets[0].counts.data[1, 3:6, 4] = -1

    assert_rejected(
        map_with_source(set_invalid), "the counts of 'map' are negative in 3 of the fitted bins"
    )


@pytest.mark.slow
def test_invalid_counts_outside_the_mask_are_ignored() -> None:
    def set_invalid(datasets: Datasets) -> None:
        datasets[0].counts.data[1, 3:6, 4] = [np.nan, np.inf, -1]
        datasets[0].mask_safe.data[1, 3:6, 4] = False

    assert_as_good_as_gammapy(lambda: map_with_source(set_invalid))


def points(errors: list[float], masked: bool = False) -> Datasets:
    """Return three flux points; `errors` are those of the third one."""
    energy = [1, 3, 9] * u.TeV
    dnde = 4e-11 * energy.value**-2.6 * u.Unit("TeV-1 s-1 cm-2")
    table = Table({"e_ref": energy, "dnde": dnde}, meta={"SED_TYPE": "dnde"})
    table["dnde_err"] = [*(0.1 * dnde[:2].value), *errors] * dnde.unit
    dataset = FluxPointsDataset(data=FluxPoints.from_table(table), name="points")
    if masked:
        dataset.mask_fit = np.array([True, True, False]).reshape(3, 1, 1)
    datasets = Datasets([dataset])
    datasets.models = [point_source()]
    return datasets


def test_parameter_with_equal_limits_is_fixed_as_in_gammapy() -> None:
    def set_equal_limits(datasets: Datasets) -> None:
        index = datasets.models["crab"].parameters["index"]
        index.min = index.max = index.value

    actual, expected = spectrum(set_equal_limits), spectrum(set_equal_limits)
    result, gammapy_result = skyred.fit(actual), Fit().run(expected)
    assert result.success, result.message
    assert gammapy_result.success
    assert result.names == ("crab.spectral.amplitude",)
    amplitudes = [datasets.models.parameters["amplitude"].value for datasets in (actual, expected)]
    assert abs(amplitudes[0] - amplitudes[1]) < CLOSE * result.errors[0]


def test_equal_limits_at_another_value_are_rejected() -> None:
    def set_equal_limits(datasets: Datasets) -> None:
        index = datasets.models["crab"].parameters["index"]
        index.min = index.max = index.value + 1

    assert_rejected(spectrum(set_equal_limits), "index starts at .*, but both its limits are")


def test_model_with_infinite_predictions_is_rejected() -> None:
    datasets = map_with_source()
    original = datasets.models["point"]
    gauss = GaussianSpatialModel(
        lon_0=original.spatial_model.lon_0.quantity,
        lat_0=original.spatial_model.lat_0.quantity,
        sigma="0 deg",
        frame=original.spatial_model.frame,
    )
    model = SkyModel(original.spectral_model, gauss, name="point")
    datasets.models = [model, background_model()]
    assert_rejected(datasets, r"predicted by model 'point' are not finite .* \(sigma = 0 deg")


@pytest.mark.parametrize("value", [np.nan, 0.0, -1e-14, np.inf])
def test_flux_points_without_errors_are_rejected(value: float) -> None:
    assert_rejected(
        points([value]),
        "the error is not positive and finite for 1 of the fitted flux points of 'points'",
    )


def test_masked_flux_points_need_no_errors() -> None:
    likelihood = Likelihood(points([np.nan], masked=True))
    x = likelihood.initial_state[likelihood.space.free]
    expected = likelihood.space.datasets.stat_sum()
    assert likelihood.stat(x) == pytest.approx(expected, rel=EXACT, abs=1e-12)


def test_acceptances_that_are_not_finite_are_treated_as_in_gammapy() -> None:
    def set_invalid(datasets: Datasets) -> None:
        acceptance = np.array([1.0, np.nan, 1.0]).reshape(3, 1, 1)
        datasets[0].acceptance = datasets[0].counts.copy(data=acceptance)

    datasets = spectrum(set_invalid, on_off=True)
    likelihood = Likelihood(datasets)
    x = likelihood.initial_state[likelihood.space.free]
    assert likelihood.stat(x) == pytest.approx(datasets.stat_sum(), rel=EXACT)


def test_fit_is_rejected_if_all_masks_are_empty() -> None:
    def clear_mask(datasets: Datasets) -> None:
        datasets[0].mask_safe.data[...] = False

    assert_rejected(map_with_source(clear_mask), "no bin is fitted: the mask of 'map' is empty")
    datasets = Datasets([*map_with_source(clear_mask), small.map_dataset("other")])
    datasets.models = [point_source(), background_model("map"), background_model("other")]
    datasets.models["map-bkg"].freeze()
    assert objective_of(datasets).names


@pytest.mark.parametrize("make", [small.map_dataset, small.map_on_off])
def test_numeric_masks_are_used_as_bool(make: Any) -> None:
    stats = []
    for kind in (bool, float):
        dataset = make("map")
        weights = np.linspace(-0.5, 2, dataset.mask_safe.data.size).round(1)
        mask = dataset.mask_safe.data & (weights.reshape(dataset.mask_safe.data.shape) != 0)
        weighted_mask = np.where(mask, weights.reshape(mask.shape), 0)
        dataset.mask_safe.data = mask if kind is bool else weighted_mask
        datasets = Datasets([dataset])
        datasets.models = [point_source()]
        likelihood = Likelihood(datasets)
        stats.append(likelihood.stat(likelihood.initial_state[likelihood.space.free]))
        if kind is bool:
            assert stats[0] == pytest.approx(datasets.stat_sum(), rel=1e-7)
    assert stats[0] == stats[1]


# -- parameters ------------------------------------------------------------------------------


def test_limits_without_valid_values_are_rejected() -> None:
    def limit(datasets: Datasets) -> None:
        datasets.models["point"].spectral_model.index.min = 3
        datasets.models["point"].spectral_model.index.max = 2

    assert_rejected(
        map_with_source(limit), "point.spectral.index has a minimum, 3, above its maximum, 2"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_start_that_is_not_finite_is_rejected(value: float) -> None:
    def set_invalid(datasets: Datasets) -> None:
        datasets.models["point"].spectral_model.index.value = value

    assert_rejected(map_with_source(set_invalid), f"point.spectral.index starts at {value}")


def test_start_outside_its_limits_is_changed_with_a_note() -> None:
    def limit(datasets: Datasets) -> None:
        datasets.models["point"].spectral_model.index.max = 2

    datasets = map_with_source(limit)
    objective = objective_of(datasets)
    assert objective.start[objective.names.index("point.spectral.index")] == 2
    note = "point.spectral.index starts at 2.6, above its limit: the fit begins at 2"
    assert note in objective.notes
    assert note in skyred.fit(datasets).notes


# -- sources ---------------------------------------------------------------------------------


def map_with_distant_source(change: Change | None = None, free: bool = False) -> Datasets:
    datasets = map_with_source()
    datasets.models = [*datasets.models, point_source("far", lon=90, free=free)]
    if change:
        change(datasets)
    return datasets


@pytest.mark.parametrize("free", [False, True])
def test_source_outside_all_datasets_is_rejected(free: bool) -> None:
    message = (
        r"source 'far' does not reach any dataset: its position, longitude 90 deg, "
        r"latitude 22.03 deg \(icrs\), is outside the fitted part of the maps of 'map'"
    )
    assert_rejected(map_with_distant_source(free=free), message)


def test_source_in_a_masked_area_is_rejected() -> None:
    def mask_source(datasets: Datasets) -> None:
        """Mask the map except for the corner that is farthest from the source."""
        datasets.models["point"].spatial_model.lon_0.value = 84.1
        datasets.models["point"].spatial_model.lat_0.value = 22.45
        datasets[0].mask_safe.data[:, 4:] = datasets[0].mask_safe.data[:, :, :16] = False

    assert_rejected(map_with_source(mask_source), "source 'point' does not reach any dataset")


def test_source_in_one_of_two_datasets_is_fitted() -> None:
    datasets = Datasets([*map_with_source(), small.map_dataset("other", lonlat=(90.0, 22.03))])
    datasets.models = [
        point_source(),
        point_source("far", lon=90),
        background_model("map"),
        background_model("other"),
    ]
    assert objective_of(datasets).names


def test_frozen_source_outside_the_map_is_ignored() -> None:
    datasets = map_with_distant_source(lambda datasets: datasets.models["far"].freeze())
    assert objective_of(datasets).names


def test_outside_source_with_shared_parameters_is_ignored() -> None:
    def link(datasets: Datasets) -> None:
        far, point = datasets.models["far"], datasets.models["point"]
        far.spectral_model = point.spectral_model

    assert objective_of(map_with_distant_source(link)).names
