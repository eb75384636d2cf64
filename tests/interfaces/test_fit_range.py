"""Fit ranges agree with gammapy's masks, and empty ranges are rejected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy import units as u
from regions import CircleSkyRegion

import small_datasets as small
from component_checks import problems_of
from skyred.errors import FieldError, ModelError
from skyred.interfaces import FitRange


def messages(**fields: Any) -> list[str]:
    return [str(problem) for problem in problems_of(FitRange(**fields))]


@pytest.mark.parametrize("make", [small.map_dataset, small.spectrum_on_off, small.map_on_off])
def test_energy_range_agrees_with_the_energy_mask_of_gammapy(make: Any) -> None:
    dataset = make()
    low, high = dataset.counts.geom.axes["energy"].edges[[1, 3]]
    FitRange(energy=[low, high]).apply(dataset)
    expected = dataset.counts.geom.energy_mask(low, high)
    assert expected.data.any()
    assert not expected.data.all()
    np.testing.assert_array_equal(dataset.mask_fit.data, expected.data)


def test_edges_can_be_in_another_unit() -> None:
    # edges in MeV differ from those of the axis in the last digit, which must not exclude a bin
    dataset = small.map_dataset()
    edges = dataset.counts.geom.axes["energy"].edges
    FitRange(energy=[f"{edge.to_value('MeV'):.12g} MeV" for edge in edges[[0, -1]]]).apply(dataset)
    assert dataset.mask_fit.data.all()


def test_bin_that_is_partly_inside_is_excluded() -> None:
    dataset = small.map_dataset()
    edges = dataset.counts.geom.axes["energy"].edges
    FitRange(energy=[1.05 * edges[0], edges[-1]]).apply(dataset)
    assert dataset.mask_fit.data[0].sum() == 0
    assert dataset.mask_fit.data[1:].all()


def test_region_agrees_with_the_region_mask_of_gammapy() -> None:
    dataset = small.map_dataset()
    FitRange(region=small.CIRCLE).apply(dataset)
    circle = CircleSkyRegion(small.centre(), 0.2 * u.deg)
    expected = dataset.counts.geom.region_mask([circle])
    np.testing.assert_array_equal(dataset.mask_fit.data, expected.data)


def test_energy_and_region_are_combined() -> None:
    dataset = small.map_dataset()
    edges = dataset.counts.geom.axes["energy"].edges
    FitRange(energy=edges[[0, 1]], region=small.CIRCLE).apply(dataset)
    assert dataset.mask_fit.data[0].any()
    assert not dataset.mask_fit.data[0].all()
    assert not dataset.mask_fit.data[1:].any()


def test_flux_points_are_selected_by_reference_energy() -> None:
    dataset = small.flux_points()
    FitRange(energy=["1 TeV", "12 TeV"]).apply(dataset)
    energy = dataset.data.energy_ref
    is_inside = (energy > 1 * u.TeV) & (energy < 12 * u.TeV)
    assert 0 < is_inside.sum() < len(is_inside)
    np.testing.assert_array_equal(dataset.mask_fit.squeeze(), is_inside)


def test_empty_range_is_reported_with_the_dataset_and_its_energies() -> None:
    with pytest.raises(
        ModelError, match=r"\(30.0 TeV to 40.0 TeV\) contains no bins of the dataset 'map', .* 10"
    ):
        FitRange(energy=["30 TeV", "40 TeV"]).apply(small.map_dataset())
    with pytest.raises(ModelError, match="contains no bins of the dataset 'points'"):
        FitRange(energy=["30 TeV", "40 TeV"]).apply(small.flux_points())


def test_region_outside_the_map_reports_the_position_of_the_map() -> None:
    with pytest.raises(
        ModelError, match=r"contains no bins of the dataset 'map', .* on a map .* wide .* around"
    ):
        FitRange(region="icrs; circle(200, -60, 0.1)").apply(small.map_dataset())


def test_range_outside_the_safe_mask_is_empty() -> None:
    dataset = small.map_dataset()
    dataset.mask_safe.data[0] = False
    edges = dataset.counts.geom.axes["energy"].edges
    with pytest.raises(ModelError, match="contains no bins"):
        FitRange(energy=edges[[0, 1]]).apply(dataset)


def test_region_for_a_spectrum_is_rejected() -> None:
    with pytest.raises(ModelError, match="'on-off' is a spectrum, not a map"):
        FitRange(region=small.CIRCLE).apply(small.spectrum_on_off())
    with pytest.raises(ModelError, match="'points' contains flux points"):
        FitRange(region=small.CIRCLE).apply(small.flux_points())


def test_invalid_range_is_rejected() -> None:
    with pytest.raises(FieldError, match="neither energy nor region"):
        FitRange()
    with pytest.raises(FieldError, match=r"10.0 TeV is not below 1.0 TeV; expected \[lowest"):
        FitRange(energy=["10 TeV", "1 TeV"])
    with pytest.raises(FieldError, match="is a length"):
        FitRange(energy=["1 m", "10 m"])


def test_invalid_region_is_reported_before_data_are_read(tmp_path: Any) -> None:
    (problem,) = messages(region="icrs; cirle(83.6, 22.0, 0.2)")
    assert "is not a DS9 region" in problem
    (problem,) = messages(region=str(tmp_path / "nowhere.reg"))
    assert "cannot be read" in problem
    assert any("mask map" in problem for problem in messages(region=str(tmp_path / "mask.fits")))


def test_ranges_in_different_units_are_equal() -> None:
    assert FitRange(energy=["700 GeV", "10 TeV"]) == FitRange(energy=["0.7 TeV", "10000 GeV"])
