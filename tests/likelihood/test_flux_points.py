"""`skyred.flux_points` against gammapy's `FluxPointsEstimator`, column by column."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets
from gammapy.estimators import FluxPoints
from gammapy.maps import Map, MapAxis
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianPrior,
    PowerLawNormSpectralModel,
    PowerLawSpectralModel,
    SkyModel,
    TemplateSpatialModel,
)
from gammapy.utils.parallel import multiprocessing_manager

import flux_points_comparison as comparison
import skyred
import small_datasets as small
from skyred.errors import FitError, SkyredWarning

WIDE = [1, 10] * u.TeV


def power_law(amplitude: float = 4e-11, name: str = "crab") -> SkyModel:
    spectral = PowerLawSpectralModel(index=2.6, amplitude=f"{amplitude} cm-2 s-1 TeV-1")
    return SkyModel(spectral_model=spectral, name=name)


def on_off(models: list[SkyModel] | None = None) -> Datasets:
    datasets = Datasets([small.spectrum_on_off()])
    datasets.models = models or [power_law()]
    return datasets


@pytest.mark.slow
def test_columns_of_one_of_several_sources_on_a_map_agree_with_gammapy() -> None:
    options = {"selection_optional": ["errn-errp", "ul", "scan"], "norm": {"scan_values": [0.5, 2]}}
    comparison.assert_agrees_with_gammapy(
        comparison.simulated_map(), "steep", [1, 3] * u.TeV, **options
    )


@pytest.mark.slow
def test_each_bin_of_a_map_agrees_with_gammapy() -> None:
    comparison.assert_agrees_with_gammapy(comparison.simulated_map(), "hard", [1, 2, 10] * u.TeV)


@pytest.mark.slow
@pytest.mark.data("joint-crab")
def test_joint_on_off_spectra_agree_with_gammapy() -> None:
    optional = ["errn-errp", "ul"]
    edges = [0.7, 2, 10] * u.TeV
    comparison.assert_agrees_with_gammapy(
        comparison.crab_spectra(), "crab", edges, selection_optional=optional
    )


@pytest.mark.slow
@pytest.mark.data("joint-crab")
def test_bins_outside_the_data_agree_with_gammapy() -> None:
    edges = [0.001, 0.002, 1, 3, 500, 1000] * u.TeV
    datasets = comparison.crab_spectra((23523,))
    points = comparison.assert_agrees_with_gammapy(
        datasets, "crab", edges, selection_optional=["ul", "scan"]
    )
    assert points.success.data.ravel().tolist() == [False, True, True, True, False]


@pytest.mark.slow
@pytest.mark.data("joint-crab")
def test_other_confidence_levels_agree_with_gammapy() -> None:
    sigmas = {"n_sigma": 2, "n_sigma_ul": 3, "n_sigma_sensitivity": 3}
    datasets = comparison.crab_spectra((23523,))
    points = comparison.assert_agrees_with_gammapy(
        datasets, "crab", [1, 3] * u.TeV, selection_optional="all", **sigmas
    )
    assert (points.n_sigma, points.n_sigma_ul) == (2, 3)


@pytest.mark.slow
def test_joint_map_and_spectrum_agree_with_gammapy() -> None:
    datasets = Datasets([small.spectrum_dataset(), small.map_dataset()])
    datasets.models = [comparison.sources()["steep"], FoVBackgroundModel(dataset_name="map")]
    optional = ["ul", "scan"]
    norm = {"scan_values": [0.5, 1, 2]}
    comparison.assert_agrees_with_gammapy(
        datasets, "steep", WIDE, selection_optional=optional, norm=norm
    )


def test_sensitivity_with_known_background_agrees_with_gammapy() -> None:
    datasets = Datasets([small.spectrum_dataset()])
    datasets.models = [power_law()]
    points = comparison.assert_agrees_with_gammapy(
        datasets, "crab", WIDE, selection_optional=["sensitivity"]
    )
    assert np.isfinite(points.norm_sensitivity.data).all()


def test_edges_between_those_of_the_axis_agree_with_gammapy() -> None:
    edges = [1.3, 3.9, 8] * u.TeV
    points = comparison.assert_agrees_with_gammapy(on_off(), "crab", edges)
    axis = small.ENERGY.edges.to_value("TeV")
    assert points.energy_min.to_value("TeV") == pytest.approx(axis[[0, 2]])


def test_edges_within_one_bin_have_no_fluxes_as_in_gammapy() -> None:
    points = comparison.assert_agrees_with_gammapy(on_off(), "crab", [1, 1.1, 1.2] * u.TeV)
    assert not points.success.data.any()


@pytest.mark.slow
def test_masked_bins_are_ignored_as_in_gammapy() -> None:
    datasets = Datasets([small.spectrum_on_off("one"), small.spectrum_on_off("two", seed=5)])
    axis = small.ENERGY.edges
    datasets[0].mask_fit = datasets[0].counts.geom.energy_mask(axis[1], axis[2])
    datasets[1].mask_fit = datasets[1].counts.geom.energy_mask(axis[1], axis[3])
    datasets.models = [power_law()]
    points = comparison.assert_agrees_with_gammapy(
        datasets, "crab", axis, selection_optional=["ul"]
    )
    assert points.success.data.ravel().tolist() == [False, True, True]


def test_models_of_some_datasets_agree_with_gammapy() -> None:
    datasets = Datasets([small.spectrum_on_off("one"), small.spectrum_on_off("two", seed=5)])
    second_model = power_law(1e-11, "other")
    second_model.datasets_names = ["two"]
    datasets.models = [power_law(), second_model]
    comparison.assert_agrees_with_gammapy(datasets, "crab", WIDE)


def test_energy_dependent_template_agrees_with_gammapy() -> None:
    dataset = small.map_dataset()
    image = dataset.counts.geom.to_image()
    separation = image.separation(small.centre()).to_value("deg")
    energy = small.ENERGY_TRUE.center.to_value("TeV")[:, None, None]
    shape = np.exp(-0.5 * (separation / (0.15 * energy**-0.2)) ** 2) * 1e-8 * energy**-2.5
    unit = "cm-2 s-1 TeV-1 sr-1"
    template = Map.from_geom(image.to_cube([small.ENERGY_TRUE]), data=shape, unit=unit)
    source = SkyModel(
        spectral_model=PowerLawNormSpectralModel(),
        spatial_model=TemplateSpatialModel(template, normalize=False),
        name="template",
    )
    datasets = Datasets([dataset])
    datasets.models = [source, FoVBackgroundModel(dataset_name="map")]
    comparison.assert_agrees_with_gammapy(datasets, "template", [1, 3] * u.TeV)


@pytest.mark.slow
def test_priors_shift_the_statistic_as_in_gammapy() -> None:
    datasets = comparison.simulated_map()
    datasets.models["hard"].spectral_model.index.prior = GaussianPrior(mu=2.5, sigma=0.2)
    datasets.models["steep"].spatial_model.lon_0.prior = GaussianPrior(mu=83.6, sigma=0.02)
    # gammapy replaces the spectrum of the source, and discards its priors
    datasets.models["steep"].spectral_model.index.prior = GaussianPrior(mu=9, sigma=0.1)
    points = comparison.assert_agrees_with_gammapy(datasets, "steep", [1, 3] * u.TeV)
    datasets.models["hard"].spectral_model.index.prior = None
    datasets.models["steep"].spatial_model.lon_0.prior = None
    without_priors = skyred.flux_points(datasets, "steep", [1, 3] * u.TeV)
    difference, sigma = np.array([0.5, 0.051]), np.array([0.2, 0.02])
    expected = np.sum((difference / sigma) ** 2 + np.log(2 * np.pi * sigma**2))
    assert points.stat.data - without_priors.stat.data == pytest.approx(expected)


@pytest.mark.slow
def test_datasets_and_models_are_not_changed() -> None:
    datasets = comparison.simulated_map()
    skyred.fit(datasets)
    datasets.models["hard"].spectral_model.index.frozen = True

    def parameter_settings() -> list[tuple[Any, ...]]:
        get_settings = attrgetter("name", "value", "error", "frozen", "min", "max")
        return [get_settings(parameter) for parameter in datasets.models.parameters]

    original_settings = parameter_settings()
    covariance = datasets.models.covariance.data.copy()
    models = list(datasets[0].models)
    for reoptimize in (False, True):
        optional = ["sensitivity"] if reoptimize else "all"
        skyred.flux_points(
            datasets, "steep", WIDE, selection_optional=optional, reoptimize=reoptimize
        )
        np.testing.assert_equal(parameter_settings(), original_settings)
        assert (datasets.models.covariance.data == covariance).all()
        assert all(
            model is original for model, original in zip(datasets[0].models, models, strict=True)
        )


def test_points_can_be_written_read_and_plotted(tmp_path: Path) -> None:
    points = skyred.flux_points(on_off(), "crab", comparison.EDGES, selection_optional="all")
    path = tmp_path / "points.fits"
    points.write(path, sed_type="likelihood", format="gadf-sed")
    loaded = FluxPoints.read(path, format="gadf-sed", reference_model=points.reference_model)
    for name in ("dnde", "dnde_err", "dnde_ul", "stat_scan", "counts"):
        actual, expected = getattr(loaded, name).data, getattr(points, name).data
        assert np.squeeze(actual) == pytest.approx(np.squeeze(expected), nan_ok=True)
    import matplotlib.pyplot as plt

    plt.close("all")  # gammapy draws on the current axes, perhaps those of another test
    assert points.plot(sed_type="e2dnde").lines
    points.plot_ts_profiles(sed_type="e2dnde")
    plt.close("all")


# -- invalid input -----------------------------------------------------------------------------


def test_datasets_without_aligned_bins_are_rejected() -> None:
    coarse_dataset = small.spectrum_dataset("other")
    coarse = MapAxis.from_energy_edges([1, 3, 10] * u.TeV)
    coarse_dataset = coarse_dataset.resample_energy_axis(coarse, name="other")
    datasets = Datasets([small.spectrum_dataset(), coarse_dataset])
    datasets.models = [power_law()]
    message = (
        r"spectrum \(1 TeV to 10 TeV in 3 bins\) and other \(1 TeV to 10 TeV in 2 bins\) are not "
        "sections of one axis"
    )
    with pytest.raises(FitError, match=message):
        skyred.flux_points(datasets, "crab", WIDE)


def test_several_telescopes_are_rejected_unless_allowed() -> None:
    from astropy.table import Table

    datasets = Datasets([small.spectrum_on_off("one"), small.spectrum_on_off("two")])
    for dataset, name in zip(datasets, ("HESS", "VERITAS"), strict=True):
        dataset.meta_table = Table({"TELESCOP": [name]})
    datasets.models = [power_law()]
    with pytest.raises(ValueError, match="same value of the 'TELESCOP'"):
        skyred.flux_points(datasets, "crab", WIDE)
    points = skyred.flux_points(datasets, "crab", WIDE, allow_multiple_telescopes=True)
    assert points.success.data.all()


@pytest.mark.parametrize("source", ["crob", "sim-bkg", ""])
def test_unknown_source_is_reported_with_the_available_ones(source: str) -> None:
    with pytest.raises(FitError, match=r"no source is named .*; available: steep, hard"):
        skyred.flux_points(comparison.simulated_map(), source, WIDE)


def test_datasets_without_models_have_no_sources() -> None:
    with pytest.raises(FitError, match="no source is named 'crab'; available: none"):
        skyred.flux_points(small.spectrum_dataset(), "crab", WIDE)


def test_list_and_single_dataset_are_accepted() -> None:
    datasets = on_off()
    norms = [skyred.flux_points(argument, "crab", WIDE).norm.data
               for argument in (datasets, datasets[0], list(datasets))]  # fmt: skip
    assert norms[0].tolist() == norms[1].tolist() == norms[2].tolist()


def test_reference_flux_of_zero_has_no_norm() -> None:
    with pytest.warns(SkyredWarning, match="the reference flux is zero"):
        points = skyred.flux_points(
            on_off([power_law(0.0)]), "crab", WIDE, selection_optional="all"
        )
    assert not points.success.data.any()
    assert np.isnan([points.norm.data, points.norm_err.data, points.norm_ul.data]).all()


def test_points_do_not_depend_on_the_processes_that_gammapy_may_start() -> None:
    edges = small.ENERGY.edges
    expected = skyred.flux_points(on_off(), "crab", edges)
    with multiprocessing_manager(pool_kwargs={"processes": 2}):
        points = skyred.flux_points(on_off(), "crab", edges)
    np.testing.assert_array_equal(points.norm.data, expected.norm.data)
