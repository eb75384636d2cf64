"""The estimator flux-profile against `FluxProfileEstimator` and the simulated flux."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.datasets import Datasets, MapDataset
from gammapy.estimators import FluxPoints
from gammapy.maps import MapAxis
from gammapy.modeling.models import FoVBackgroundModel, Models, PowerLawSpectralModel
from gammapy.utils.regions import (
    make_concentric_annulus_sky_regions,
    make_orthogonal_rectangle_sky_regions,
)
from regions import CircleSkyRegion

import light_curve_comparison as comparison
import plain_gammapy
import small_datasets as small
from skyred import Pipeline
from skyred.components.gammapy import FluxProfile, Line, Rings
from skyred.errors import ConfigError, FieldError, FitError, ModelError, SkyredWarning
from skyred.likelihood import flux_profile

EDGES = [1, 3.16, 10] * u.TeV
STEEP = PowerLawSpectralModel(index=2.6)
ERRORS_AND_LIMITS = ["errn-errp", "ul"]
CRAB = SkyCoord(83.633, 22.014, unit="deg")
EXAMPLE = plain_gammapy.EXAMPLE.with_name("profile.yaml")


def boxes(dataset: MapDataset, bins: int, length: float = 0.5) -> list[Any]:
    """Return `bins` adjacent boxes on a line of `length` degrees through the map centre."""
    center, wcs = dataset.counts.geom.center_skydir, dataset.counts.geom.wcs
    ends = [center.directional_offset_by(angle * u.deg, length / 2 * u.deg) for angle in (110, 290)]
    return make_orthogonal_rectangle_sky_regions(*ends, wcs, 0.2 * u.deg, bins)


@pytest.mark.slow
@pytest.mark.data
class TestCrab:
    @pytest.fixture
    def crab(self, plain_reduction: plain_gammapy.Reduced) -> Datasets:
        return Datasets([plain_reduction.dataset.copy(name="hess")])

    def test_boxes_on_a_line_agree_with_gammapy(self, crab: Datasets) -> None:
        regions = boxes(crab[0], 2)
        profile = flux_profile(crab, regions, STEEP, EDGES, selection_optional=ERRORS_AND_LIMITS)
        expected = comparison.profile_by_gammapy(
            crab,
            regions,
            spectral_model=STEEP,
            energy_edges=EDGES,
            selection_optional=ERRORS_AND_LIMITS,
        )
        comparison.assert_same(profile.flux, expected)
        np.testing.assert_allclose(
            profile.flux.geom.axes["projected-distance"].edges,
            expected.geom.axes["projected-distance"].edges,
        )
        assert profile.reasons == ("",) * 2

    def test_rings_agree_with_gammapy(self, crab: Datasets) -> None:
        rings = Rings(center=CRAB, radii=[0, 0.1, 0.3] * u.deg)
        estimator = FluxProfile(rings=rings, index=2.6, columns=())
        profile = estimator.estimate(crab, None)
        regions = make_concentric_annulus_sky_regions(
            CRAB, radius_min=1e-5 * u.deg, radius_max=0.1 * u.deg, nbin=2
        ) + make_concentric_annulus_sky_regions(
            CRAB, radius_min=0.1 * u.deg, radius_max=0.3 * u.deg, nbin=2
        )
        expected = comparison.profile_by_gammapy(
            crab, regions, spectral_model=STEEP, energy_edges=[1, 10] * u.TeV
        )
        comparison.assert_same(profile.flux, expected)
        area = np.pi * np.diff(np.array([0, 0.1, 0.3]) ** 2)
        np.testing.assert_allclose(profile.details["solid_angle"], area, rtol=1e-6)

    def test_good_time_intervals_are_not_repeated(self, crab: Datasets) -> None:
        # gammapy repeats the intervals for each region
        flux = flux_profile(crab, boxes(crab[0], 3)).flux
        assert flux.gti.time_sum == crab.gti.time_sum


class TestSmallMaps:
    """Small maps with IRFs that vary with energy and position."""

    @pytest.mark.parametrize(
        "create_dataset",
        [
            lambda: small.map_dataset(edisp="kernel"),
            lambda: small.map_dataset(edisp="migra"),
            lambda: small.map_dataset(edisp="none"),
            small.map_on_off,
        ],
        ids=["edisp kernel", "edisp migra", "no edisp", "on-off"],
    )
    def test_profile_agrees_with_gammapy(self, create_dataset: Callable[[], MapDataset]) -> None:
        dataset = create_dataset()
        regions = [CircleSkyRegion(center, 0.12 * u.deg) for center in centers(dataset)]
        profile = flux_profile(dataset, regions, STEEP, EDGES)
        expected = comparison.profile_by_gammapy(
            Datasets([dataset]), regions, spectral_model=STEEP, energy_edges=EDGES
        )
        comparison.assert_same(profile.flux, expected)

    @pytest.mark.slow
    def test_joint_profile_of_several_datasets_agrees_with_gammapy(self) -> None:
        datasets = Datasets([small.map_dataset("one"), small.map_dataset("two", seed=7)])
        regions = boxes(datasets[0], 2)
        options = {
            "selection_optional": ["scan", "sensitivity"],
            "energy_edges": [1, 10] * u.TeV,
            "n_sigma_sensitivity": 3,
            "norm": {"scan_min": 0.5, "scan_max": 2, "scan_n_values": 5},
        }
        profile = flux_profile(datasets, regions, STEEP, **options)
        expected = comparison.profile_by_gammapy(datasets, regions, spectral_model=STEEP, **options)
        comparison.assert_same(profile.flux, expected)

    @pytest.mark.slow
    def test_background_sources_are_subtracted(self, simulated_dataset: Any) -> None:
        dataset = simulated_dataset.copy(name="sim")
        datasets = Datasets([dataset])
        datasets.models = plain_gammapy.models("sim")
        line = line_through(boxes(dataset, 2))
        background = Models([FoVBackgroundModel(dataset_name="sim")])
        for names, models in (([], background), (["crab"], datasets.models)):
            estimator = FluxProfile(line=line, columns=(), background_sources=names)
            norm = estimator.estimate(datasets, None).flux.norm.data
            plain_datasets = Datasets([dataset.copy(name="sim")])
            plain_datasets.models = models
            expected = comparison.profile_by_gammapy(
                plain_datasets, boxes(dataset, 2), energy_edges=[1, 10] * u.TeV
            )
            np.testing.assert_allclose(norm, expected.norm.data, rtol=1e-3)

    def test_rings_add_up_to_the_simulated_flux(
        self, simulated_dataset: MapDataset, true_models: Models
    ) -> None:
        # the rings contain the source up to four widths of the PSF
        spatial = true_models["crab"].spatial_model
        rings = Rings(center=spatial.position, radii=[0, 0.1, 0.2, 0.32] * u.deg)
        datasets = Datasets([simulated_dataset.copy(name="sim")])
        product = FluxProfile(rings=rings, index=2.4, columns=()).estimate(datasets, None)
        flux, error = product.flux.flux.quantity.sum(), product.flux.flux_err.data.ravel()
        expected = true_models["crab"].spectral_model.integral(1 * u.TeV, 10 * u.TeV)
        difference = (flux - expected).to_value(product.flux.flux.unit)
        assert abs(difference) < 4 * np.sqrt((error**2).sum())
        assert np.sqrt((error**2).sum()) < 0.2 * expected.to_value(product.flux.flux.unit)

    def test_datasets_are_unchanged(self, simulated_dataset: MapDataset) -> None:
        datasets = Datasets([simulated_dataset.copy(name="sim")])
        datasets.models = plain_gammapy.models("sim")
        expected = comparison.copy_datasets(datasets)
        line = line_through(boxes(datasets[0], 3))
        FluxProfile(line=line, background_sources=["crab"]).estimate(datasets, None)
        for name in ("counts", "background", "mask_safe", "exposure"):
            data = [getattr(dataset, name).data for dataset in (datasets[0], expected[0])]
            np.testing.assert_array_equal(*data)
        assert datasets.models.names == expected.models.names
        assert datasets.parameters.value.tolist() == expected.parameters.value.tolist()


def centers(dataset: MapDataset) -> list[SkyCoord]:
    """Return two positions on opposite sides of the map centre."""
    map_center = dataset.counts.geom.center_skydir
    return [map_center.directional_offset_by(angle * u.deg, 0.15 * u.deg) for angle in (40, 250)]


def distance_axis(bins: int) -> MapAxis:
    return MapAxis.from_edges(np.arange(bins + 1), unit="deg", name="projected-distance")


def line_through(regions: list[Any]) -> Line:
    """Return the `Line` that is divided into these boxes."""
    first, last = regions[0].center, regions[-1].center
    half_length = first.separation(last) / (len(regions) - 1) / 2
    start = first.directional_offset_by(last.position_angle(first), half_length)
    stop = last.directional_offset_by(first.position_angle(last), half_length)
    return Line(start=start, stop=stop, width=regions[0].height, bins=len(regions))


class TestRegionsWithoutFlux:
    def test_other_regions_are_not_affected(self) -> None:
        dataset = small.map_dataset()
        dataset.mask_safe.data[:, 14:, :] = False
        map_center = dataset.counts.geom.center_skydir
        regions = [
            CircleSkyRegion(
                map_center.directional_offset_by(angle * u.deg, offset * u.deg), 0.1 * u.deg
            )
            for angle, offset in (
                (180, 0.0),
                (180, 0.25),
                (180, 0.45),
                (180, 5.0),
                (0, 0.2),
                (0, 0.35),
            )
        ]
        profile = flux_profile(dataset, regions, STEEP, EDGES, distance=distance_axis(6))
        expected = comparison.profile_by_gammapy(
            Datasets([dataset]), regions[:2], spectral_model=STEEP, energy_edges=EDGES
        )
        comparison.assert_same(profile.flux, expected, slice(2))
        assert np.isnan(profile.flux.norm.data[2:]).all()
        outside_message, partly_masked_message = (
            "the region extends beyond the map",
            "the region is only partly inside the mask",
        )
        assert profile.reasons == (
            "",
            "",
            outside_message,
            outside_message,
            partly_masked_message,
            "masked in all datasets",
        )

    def test_zero_counts_cause_a_warning(self) -> None:
        dataset = small.map_dataset()
        dataset.counts.data[...] = 0
        rings = Rings(center=CRAB, radii=[0, 0.1, 0.2] * u.deg)
        with pytest.warns(
            SkyredWarning, match="no flux could be estimated: the statistic has no minimum"
        ):
            product = FluxProfile(rings=rings, columns=()).estimate(Datasets([dataset]), None)
        assert np.isnan(product.table()["flux"]).all()
        assert product.details["reason"].tolist() == ["the statistic has no minimum"] * 2

    def test_zero_exposure_causes_a_warning(self) -> None:
        dataset = small.map_dataset()
        dataset.exposure.data[...] = 0
        rings = Rings(center=CRAB, radii=[0, 0.1, 0.2] * u.deg)
        with pytest.warns(
            SkyredWarning, match="no flux could be estimated: the source predicts no counts"
        ):
            product = FluxProfile(rings=rings, columns=()).estimate(Datasets([dataset]), None)
        assert np.isnan(product.table()["flux"]).all()

    def test_region_without_pixels_is_reported(self) -> None:
        dataset = small.map_dataset()
        corner = dataset.counts.geom.to_image().pix_to_coord((9.5, 9.5))
        small_circle = CircleSkyRegion(SkyCoord(*corner, frame="icrs"), 0.01 * u.deg)
        large_circle = CircleSkyRegion(small_circle.center, 0.2 * u.deg)
        profile = flux_profile(
            dataset, [large_circle, small_circle], STEEP, distance=distance_axis(2)
        )
        assert profile.reasons == ("", "the region contains no pixel centre")


class TestFiles:
    @pytest.fixture
    def product(self) -> Any:
        dataset = small.map_dataset("sim")
        line = line_through(boxes(dataset, 8, length=1.1))
        return FluxProfile(line=line, index=2.6, energy_edges=EDGES).estimate(
            Datasets([dataset]), None
        )

    def test_files_are_read_by_skyred_and_gammapy(self, product: Any, tmp_path: Path) -> None:
        assert "the region extends beyond the map" in product.details["reason"]
        for path in product.write(tmp_path):
            flux_points = FluxPoints.read(path, format="profile", reference_model=STEEP)
            flux_ul = np.ma.filled(flux_points.flux_ul.data, np.nan)
            np.testing.assert_allclose(flux_ul, product.flux.flux_ul.data, rtol=1e-6)
        expected, table = product.table(), type(product).read(tmp_path, product.name, None).table()
        assert table.colnames == expected.colnames
        for name in expected.colnames:
            assert table[name].unit == expected[name].unit
            assert expected[name].description
            assert table[name].description == expected[name].description
            if expected[name].dtype.kind == "f":
                np.testing.assert_allclose(np.asarray(table[name]), np.asarray(expected[name]))
            else:
                assert table[name].tolist() == expected[name].tolist()

    def test_unequal_rings_keep_their_edges(self, tmp_path: Path) -> None:
        # gammapy's reader places the edges half way between the bin centres
        dataset = small.map_dataset()
        rings = Rings(center=dataset.counts.geom.center_skydir, radii=[0, 0.1, 0.2, 0.4] * u.deg)
        product = FluxProfile(rings=rings, columns=()).estimate(Datasets([dataset]), None)
        product.write(tmp_path)
        loaded = type(product).read(tmp_path, product.name, None)
        for profile in (product, loaded):
            edges = profile.flux.geom.axes["projected-distance"].edges.to_value("deg")
            np.testing.assert_allclose(edges, [0, 0.1, 0.2, 0.4])
        np.testing.assert_allclose(loaded.flux.flux.data, product.flux.flux.data)

    def test_distances_are_measured_from_the_start_of_the_line(self, product: Any) -> None:
        axis = product.flux.geom.axes["projected-distance"]
        np.testing.assert_allclose(axis.edges.to_value("deg"), np.linspace(0, 1.1, 9), rtol=1e-3)

    def test_plot_has_units(self, product: Any) -> None:
        import matplotlib.pyplot as plt

        ax = product.plot()
        assert ax.get_xlabel() == "Projected distance [deg]"
        assert "deg⁻²" in ax.get_ylabel()
        plt.close(ax.figure)


class TestInvalidOptionsAndData:
    def test_exactly_one_of_line_and_rings_is_required(self) -> None:
        with pytest.raises(
            FieldError, match="neither line nor rings is set; set exactly one of them"
        ):
            FluxProfile()
        rings = Rings(center=CRAB, radii=[0, 0.1, 0.2] * u.deg)
        line = Line(start=CRAB, stop=["84 deg", "22 deg"])
        with pytest.raises(FieldError, match="both line and rings are set"):
            FluxProfile(rings=rings, line=line)

    @pytest.mark.parametrize("radii", [[0, 0.1], [0, 0.2, 0.1]])
    def test_too_few_or_unsorted_radii_are_rejected(self, radii: list[float]) -> None:
        with pytest.raises(FieldError, match="expected three or more increasing radii"):
            Rings(center=CRAB, radii=radii * u.deg)

    def test_line_of_zero_length_is_rejected(self) -> None:
        with pytest.raises(FieldError, match="is equal to start"):
            Line(start=CRAB, stop=CRAB)

    @pytest.mark.data
    @pytest.mark.parametrize(
        ("override", "message"),
        [
            ("estimate.0.background_sources=[crab]", "unknown source 'crab'"),
            ("estimate.1.energy_edges=[0.1 TeV, 1 TeV]", "extends beyond the energy axis"),
        ],
    )
    def test_errors_are_reported_before_data_are_read(self, override: str, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            Pipeline.from_yaml(EXAMPLE, overrides=[override])

    def test_spectra_and_maps_without_exposure_are_rejected(self) -> None:
        spectrum, dataset = small.spectrum_dataset(), small.map_dataset()
        with pytest.raises(FitError, match="'spectrum' is not a map"):
            flux_profile(spectrum, boxes(dataset, 2))
        with pytest.raises(ModelError, match="no map dataset"):
            FluxProfile(line=line_through(boxes(dataset, 2))).estimate(Datasets([spectrum]), None)
        dataset.exposure = None
        with pytest.raises(FitError, match="'map' has no exposure"):
            flux_profile(dataset, boxes(dataset, 2))

    def test_regions_without_an_order_need_distances(self) -> None:
        dataset = small.map_dataset()
        first, second = boxes(dataset, 2)
        with pytest.raises(FitError, match=r"distances of the 3 regions do not increase .*; pass"):
            flux_profile(dataset, [first, second, first])

    def test_edges_with_the_same_nearest_axis_edge_are_rejected(self) -> None:
        dataset = small.map_dataset()
        with pytest.raises(FitError, match="have the same nearest edge"):
            flux_profile(dataset, boxes(dataset, 2), STEEP, [1, 1.1, 3, 10] * u.TeV)
