"""`skyred.flux_points` accepts and rejects the same sources and datasets as gammapy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from gammapy.datasets import Datasets, MapDataset, SpectrumDataset
from gammapy.estimators import FluxPoints, FluxPointsEstimator
from gammapy.maps import MapAxis, RegionGeom, WcsGeom
from gammapy.modeling.models import GaussianSpatialModel, PowerLawSpectralModel, SkyModel

import flux_points_comparison as comparison
import skyred
import small_datasets as small
from skyred.errors import FitError
from skyred.likelihood import light_curve

WIDE = [1, 10] * u.TeV
Estimate = Callable[..., FluxPoints]


def flux_points_by_gammapy(
    datasets: Datasets, source: str | int, edges: u.Quantity, **options: bool
) -> FluxPoints:
    return FluxPointsEstimator(source=source, energy_edges=edges, **options).run(datasets)


both_estimators = pytest.mark.parametrize("estimate", [flux_points_by_gammapy, skyred.flux_points])


def on_off(name: str = "on-off") -> Datasets:
    datasets = Datasets([small.spectrum_on_off(name)])
    spectral = PowerLawSpectralModel(index=2.6, amplitude="4e-11 cm-2 s-1 TeV-1")
    datasets.models = [SkyModel(spectral_model=spectral, name="crab")]
    return datasets


@pytest.mark.slow
@pytest.mark.parametrize("source", [0, 1, -2])
def test_source_can_be_selected_by_index(source: int) -> None:
    comparison.assert_agrees_with_gammapy(comparison.simulated_map(), source, [1, 3] * u.TeV)


def test_source_of_a_light_curve_can_be_selected_by_index() -> None:
    by_name, by_index = (light_curve(on_off(), source) for source in ("crab", 0))
    np.testing.assert_array_equal(by_index.flux.norm.data, by_name.flux.norm.data)


@both_estimators
@pytest.mark.parametrize("source", [5, "vela"])
def test_unknown_source_is_rejected(estimate: Estimate, source: str | int) -> None:
    with pytest.raises((IndexError, ValueError)):
        estimate(on_off(), source, WIDE)


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        (
            [1, 1.1, 1.2, 10] * u.TeV,
            "have the same nearest edge of the energy axis; expected edges near",
        ),
        ([1, 2, 2, 10] * u.TeV, "expected two or more finite energies without duplicates"),
        ([1, np.nan, 10] * u.TeV, "expected two or more finite energies"),
        ([1] * u.TeV, "expected two or more"),
        ([1, 10], r"expected energies, such as \[1, 10\] \* u.TeV"),
        ([1, 10] * u.m, "expected energies"),
    ],
)
def test_invalid_energy_edges_are_rejected(edges: u.Quantity, message: str) -> None:
    with pytest.raises(FitError, match=message):
        skyred.flux_points(on_off(), "crab", edges)


def test_energy_edges_can_be_a_list_of_energies() -> None:
    points = skyred.flux_points(on_off(), "crab", [1000 * u.GeV, 10 * u.TeV])
    expected = skyred.flux_points(on_off(), "crab", WIDE.to("GeV"))
    np.testing.assert_array_equal(points.norm.data, expected.norm.data)
    curve = light_curve(on_off(), "crab", energy_edges=[1000 * u.GeV, 10 * u.TeV]).flux
    assert curve.norm.data.squeeze() == pytest.approx(expected.norm.data.squeeze())


@pytest.mark.parametrize("width", [0 * u.h, -3 * u.h, np.inf * u.h, 3 * u.m, [1, 2] * u.h])
def test_intervals_without_positive_width_are_rejected(width: u.Quantity) -> None:
    with pytest.raises(FitError, match=r"the width of the intervals is .*; expected a positive"):
        light_curve(on_off(), "crab", width)


def test_light_curve_without_intervals_is_rejected() -> None:
    with pytest.raises(FitError, match="intervals is empty"):
        light_curve(on_off(), "crab", [])


def test_index_out_of_range_is_reported() -> None:
    with pytest.raises(FitError, match="there is no model with index 5: the datasets have 1"):
        skyred.flux_points(on_off(), 5, WIDE)


def spectra(bins: tuple[int, int], telescopes: tuple[str, str]) -> Datasets:
    datasets = Datasets()
    for name, number, telescope in zip("ab", bins, telescopes, strict=True):
        axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=number)
        geom = RegionGeom.create("icrs;circle(0, 0, 0.1)", axes=[axis])
        table = Table({"TELESCOP": [telescope]})
        datasets.append(SpectrumDataset.create(geom=geom, name=name, meta_table=table))
    return datasets


@both_estimators
def test_misaligned_energy_axes_are_rejected_before_models_are_checked(estimate: Estimate) -> None:
    with pytest.raises(ValueError, match="All datasets must have aligned energy axes"):
        estimate(spectra((10, 7), ("A", "A")), 0, WIDE)


@both_estimators
def test_two_telescopes_are_rejected_before_models_are_checked(estimate: Estimate) -> None:
    match = "All datasets must use the same value of the 'TELESCOP' meta keyword"
    with pytest.raises(ValueError, match=match):
        estimate(spectra((10, 10), ("A", "B")), 0, WIDE)


@both_estimators
def test_reoptimize_without_free_parameters_is_rejected(estimate: Estimate) -> None:
    with pytest.raises(ValueError, match="No free parameters for fitting"):
        estimate(on_off(), "crab", WIDE, reoptimize=True)


@both_estimators
def test_predicted_counts_without_exposure_are_the_background(estimate: Estimate) -> None:
    axis = MapAxis.from_energy_edges([1, 3, 10], unit="TeV")
    dataset = MapDataset.create(WcsGeom.create(binsz=1, width=3, axes=[axis]), name="empty")
    dataset.gti = dataset.psf = dataset.edisp = dataset.mask_safe = None
    dataset.background.data += 0.5
    dataset.counts.data += 1
    shape = GaussianSpatialModel()
    dataset.models = SkyModel(PowerLawSpectralModel(), spatial_model=shape, name="source")
    points = estimate(Datasets([dataset]), "source", WIDE)
    assert points.counts.data.item() == 18
    assert points.npred.data.item() == pytest.approx(9)
    assert points.npred_excess.data.item() == 0
