"""Excess, significance and TS maps, and detected sources, compared with plain gammapy."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from gammapy.datasets import Datasets, MapDataset, SpectrumDataset
from gammapy.estimators import ExcessMapEstimator, FluxMaps, TSMapEstimator
from gammapy.estimators.utils import find_peaks
from gammapy.maps import Map, MapAxis, RegionGeom
from gammapy.modeling.models import Models, PointSpatialModel, PowerLawSpectralModel, SkyModel
from regions import Regions
from scipy.stats import norm

import plain_gammapy
import plain_msh
from skyred import Pipeline
from skyred.components.gammapy import (
    ExcessMap,
    FluxPoints,
    ModelFile,
    Residuals,
    SignificanceMap,
    SourceDetection,
    TSMap,
)
from skyred.errors import ConfigError, FieldError, ModelError, SkyredWarning

RADIUS = 0.08 * u.deg
EDGES = [1, 2.2, 10] * u.TeV


@pytest.fixture(scope="module")
def msh(compute_once: Any) -> plain_msh.Msh:
    return compute_once("plain-msh", lambda _: plain_msh.reduce())


@pytest.fixture(scope="module")
def crab_ts(compute_once: Any, plain_reduction: plain_gammapy.Reduced) -> FluxMaps:
    """Return gammapy's TS map of the Crab, computed with skyred's tolerance."""

    def make(_: Path) -> FluxMaps:
        return TSMapEstimator(kernel_width=0.3 * u.deg, rtol=1e-9).run(plain_reduction.dataset)

    return compute_once("plain-crab-ts", make)


def run_without_warnings(estimator: Any, dataset: Any) -> FluxMaps:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.run(dataset)


def write_and_read(product: Any, folder: Path) -> Any:
    assert all(path.is_file() for path in product.write(folder))
    return type(product).read(folder, product.name, None)


@pytest.mark.data
class TestSignificance:
    """Data of gammapy's ring background tutorial, with off counts or a background template."""

    @pytest.mark.parametrize("correlated", [True, False])
    def test_map_with_off_counts_agrees_with_gammapy(
        self, msh: plain_msh.Msh, correlated: bool
    ) -> None:
        ring = msh.ring
        estimator = SignificanceMap(correlation_radius=RADIUS, correlate_off=correlated)
        actual = estimator.estimate(Datasets([ring]), None).maps
        plain_estimator = ExcessMapEstimator(
            RADIUS, correlate_off=correlated, selection_optional=[]
        )
        expected = run_without_warnings(plain_estimator, ring)
        for name in ("sqrt_ts", "npred_excess", "counts", "flux", "flux_err"):
            values, expected_values = getattr(actual, name).data, getattr(expected, name).data
            scale = np.nanmax(np.abs(expected_values))
            # float32 maps, convolved by FFT
            np.testing.assert_allclose(
                values, expected_values, rtol=1e-5, atol=1e-6 * scale, err_msg=name
            )
        assert np.nanmax(actual.sqrt_ts.data) > 4.5

    def test_map_of_several_runs_agrees_with_their_stack(self, msh: plain_msh.Msh) -> None:
        estimator = SignificanceMap(correlation_radius=RADIUS)
        actual = estimator.estimate(Datasets(msh.rings), None).maps
        expected = run_without_warnings(ExcessMapEstimator(RADIUS, selection_optional=[]), msh.ring)
        np.testing.assert_allclose(actual.sqrt_ts.data, expected.sqrt_ts.data, atol=1e-4)

    def test_distribution_agrees_with_gammapy(self, msh: plain_msh.Msh) -> None:
        estimator = SignificanceMap(correlation_radius=RADIUS, exclude=plain_msh.REGION)
        product = estimator.estimate(Datasets([msh.ring]), None)
        sqrt_ts = run_without_warnings(
            ExcessMapEstimator(RADIUS, selection_optional=[]), msh.ring
        ).sqrt_ts
        excluded_region = sqrt_ts.geom.region_mask([*Regions.parse(plain_msh.REGION, format="ds9")])
        values = sqrt_ts.data[~excluded_region.data & np.isfinite(sqrt_ts.data)]
        mean, sigma = norm.fit(values)
        row = product.table()[0]
        assert row["pixels"] == len(values)
        assert row["mean"] == pytest.approx(mean, abs=1e-4)
        assert row["sigma"] == pytest.approx(sigma, abs=1e-4)
        # no other source is detected in this field with these three runs; the map has about 400
        # independent disks, so the standard error of the mean is 0.05
        assert abs(mean) < 0.2
        assert 0.85 < sigma < 1.15
        all_values = sqrt_ts.data[np.isfinite(sqrt_ts.data)]
        assert all_values.std() > sigma

    def test_map_with_a_background_template_in_energy_bins_agrees_with_gammapy(
        self, msh: plain_msh.Msh
    ) -> None:
        estimator = SignificanceMap(correlation_radius=RADIUS, energy_edges=EDGES)
        product = estimator.estimate(Datasets([msh.template]), None)
        plain_estimator = ExcessMapEstimator(RADIUS, energy_edges=EDGES, selection_optional=[])
        expected = run_without_warnings(plain_estimator, msh.template)
        # float32 maps, convolved by FFT
        np.testing.assert_allclose(product.maps.sqrt_ts.data, expected.sqrt_ts.data, atol=1e-3)
        assert len(product.table()) == 2

    def test_product_is_read_back(self, msh: plain_msh.Msh, tmp_path: Path) -> None:
        estimator = SignificanceMap(name="ring", exclude=plain_msh.REGION)
        product = estimator.estimate(Datasets([msh.ring]), None)
        loaded = write_and_read(product, tmp_path)
        np.testing.assert_allclose(loaded.maps.sqrt_ts.data, product.maps.sqrt_ts.data, atol=1e-5)
        np.testing.assert_array_equal(loaded.mask_outside.data, product.mask_outside.data)
        assert list(loaded.plot_functions()) == ["", "-distribution"]

    def test_excess_map_with_off_counts_uses_wstat(self, msh: plain_msh.Msh) -> None:
        actual = ExcessMap(correlation_radius=RADIUS).estimate(Datasets([msh.ring]), None).maps
        expected = run_without_warnings(ExcessMapEstimator(RADIUS, selection_optional=[]), msh.ring)
        np.testing.assert_allclose(actual.sqrt_ts.data, expected.sqrt_ts.data, atol=1e-4)

    def test_residuals_with_off_counts_and_a_source_use_wstat(self, msh: plain_msh.Msh) -> None:
        ring = msh.ring.copy(name="ring")
        spectral = PowerLawSpectralModel(amplitude="4e-12 cm-2 s-1 TeV-1")
        position = PointSpatialModel(lon_0="228.5 deg", lat_0="-59.15 deg", frame="icrs")
        ring.models = [SkyModel(spectral, position, name="msh")]
        actual = Residuals(correlation_radius=RADIUS).estimate(Datasets([ring]), None)
        expected = run_without_warnings(ExcessMapEstimator(RADIUS, selection_optional=[]), ring)
        np.testing.assert_allclose(actual.maps["sqrt_ts"].data, expected.sqrt_ts.data, atol=1e-3)
        excess_maps = ExcessMap(correlation_radius=RADIUS).estimate(Datasets([ring]), None).maps
        residual, excess = (
            sqrt_ts.get_by_coord((228.5 * u.deg, -59.15 * u.deg, 3 * u.TeV))[0]
            for sqrt_ts in (actual.maps["sqrt_ts"], excess_maps.sqrt_ts)
        )
        assert residual < excess - 2

    def test_off_counts_and_known_backgrounds_cannot_be_combined(self, msh: plain_msh.Msh) -> None:
        known_background = msh.ring.to_map_dataset(name="known")
        with pytest.raises(ModelError, match="only one of ring and known has off counts"):
            ExcessMap().estimate(Datasets([msh.ring, known_background]), None)


@pytest.mark.data
class TestTSMap:
    def test_map_of_the_crab_agrees_with_gammapy(
        self, plain_reduction: plain_gammapy.Reduced, crab_ts: FluxMaps
    ) -> None:
        product = TSMap(kernel_width="0.3 deg").estimate(Datasets([plain_reduction.dataset]), None)
        for name in ("ts", "sqrt_ts", "norm", "norm_err", "flux", "npred_excess", "stat"):
            values, expected_values = getattr(product.maps, name).data, getattr(crab_ts, name).data
            # kernels agree to 1e-6; near zero the tolerance is relative to the median
            scale = np.nanmedian(np.abs(expected_values))
            np.testing.assert_allclose(
                values, expected_values, rtol=1e-4, atol=1e-4 * scale, err_msg=name
            )
        row = product.table()[0]
        position = SkyCoord(row["lon"], row["lat"], unit="deg")
        # SIMBAD's position of the pulsar; pixels are 0.02 deg wide
        assert position.separation(SkyCoord(83.63308, 22.01450, unit="deg")) < 0.02 * u.deg
        assert row["sqrt_ts_max"] > 30

    @pytest.mark.slow
    def test_maps_in_several_energy_bins_agree_with_gammapy(self, msh: plain_msh.Msh) -> None:
        cutout = msh.template.cutout(plain_msh.CENTER, width="1 deg", name="cutout")
        options = {"kernel_width": 0.33 * u.deg, "sum_over_energy_groups": False}
        actual = TSMap(energy_edges=EDGES, **options).estimate(Datasets([cutout]), None).maps
        estimator = TSMapEstimator(energy_edges=EDGES, rtol=1e-9, **options)
        expected = run_without_warnings(estimator, cutout)
        is_valid = expected.success.data & np.isfinite(expected.ts.data)
        np.testing.assert_allclose(actual.ts.data[is_valid], expected.ts.data[is_valid], 1e-4, 1e-4)
        np.testing.assert_allclose(
            actual.norm.data[is_valid], expected.norm.data[is_valid], 1e-4, 1e-4
        )
        np.testing.assert_allclose(
            actual.energy_axis.edges.value, expected.energy_axis.edges.value, rtol=1e-9
        )

    def test_off_counts_are_treated_as_known_background_with_a_warning(
        self, msh: plain_msh.Msh
    ) -> None:
        cutout = msh.ring.cutout(plain_msh.CENTER, width="0.6 deg", name="cutout")
        with pytest.warns(SkyredWarning, match="cutout: the background of its off counts"):
            actual = TSMap(kernel_width="0.33 deg").estimate(Datasets([cutout]), None).maps
        known_background = cutout.to_map_dataset(name="known")
        expected = run_without_warnings(
            TSMapEstimator(kernel_width=0.33 * u.deg, rtol=1e-9), known_background
        )
        np.testing.assert_allclose(actual.ts.data, expected.ts.data, rtol=1e-4, atol=1e-4)


class TestSimulatedCounts:
    """Simulated data, with known true parameters."""

    @pytest.fixture
    def datasets(self, simulated_dataset: MapDataset) -> Datasets:
        return Datasets([simulated_dataset.copy(name="sim")])

    def test_ts_map_does_not_change_datasets_and_models(
        self, datasets: Datasets, true_models: Models
    ) -> None:
        datasets.models = true_models.copy()
        expected_models = datasets.models.to_dict()
        expected_counts = datasets["sim"].counts.data.copy()
        TSMap(without=["crab"]).estimate(datasets, None)
        assert datasets.models.to_dict() == expected_models
        np.testing.assert_array_equal(datasets["sim"].counts.data, expected_counts)

    def test_ts_map_recovers_the_true_flux(self, datasets: Datasets, true_models: Models) -> None:
        product = TSMap(
            spectral={"type": "pl", "index": 2.4}, columns=["ul", "errn-errp"]
        ).estimate(datasets, None)
        row = product.table()[0]
        spatial = true_models["crab"].spatial_model
        assert row["lon"] == pytest.approx(spatial.lon_0.value, abs=0.05)
        assert row["lat"] == pytest.approx(spatial.lat_0.value, abs=0.05)
        expected = true_models["crab"].spectral_model.integral(1 * u.TeV, 10 * u.TeV)
        # within 4 standard errors plus 5 %: the kernel contains 99 % of the counts, and is centred
        # on a pixel
        difference = abs(row["flux"] - expected.value)
        assert difference < 4 * row["flux_err"] + 0.05 * expected.value
        assert product.table()["flux"].unit == expected.unit

    def test_ts_map_is_read_back_with_its_source(self, datasets: Datasets, tmp_path: Path) -> None:
        product = TSMap(
            spatial={"type": "gauss", "sigma": "0.05 deg"},
            spectral={"type": "pl", "index": 2.6},
            columns=["ul"],
            n_sigma_ul=3.0,
            name="gauss",
        ).estimate(datasets, None)
        loaded = write_and_read(product, tmp_path)
        for name in ("ts", "norm", "norm_ul", "flux", "dnde", "success", "niter"):
            values, expected_values = (
                getattr(loaded.maps, name).data,
                getattr(product.maps, name).data,
            )
            np.testing.assert_allclose(values, expected_values, rtol=1e-6, err_msg=name)
        assert loaded.maps.n_sigma_ul == 3
        assert loaded.maps.reference_model.spatial_model.sigma.value == 0.05
        assert FluxMaps.read(tmp_path / "gauss.fits").flux.unit == "cm-2 s-1"

    def test_two_sources_are_detected_at_their_positions(self, true_models: Models) -> None:
        second = true_models["crab"].copy(name="second")  # 0.45 deg away
        second.spatial_model.lon_0.value -= 0.3
        second.spatial_model.lat_0.value += 0.36
        models = Models([*true_models, second])
        datasets = Datasets([plain_gammapy.simulate(models, seed=5)])
        product = SourceDetection(min_distance="0.15 deg").estimate(datasets, None)
        table = product.table()
        assert len(table) == 2
        assert list(table["sqrt_ts"]) == sorted(table["sqrt_ts"], reverse=True)
        for name in ("crab", "second"):
            position = models[name].spatial_model.position
            # half the diagonal of a pixel (0.035 deg), plus 0.015 deg for the noise
            assert min(product.positions.separation(position)) < 0.05 * u.deg
        assert list(table["at_edge"][np.argsort(-table["ra"])]) == [False, True]

    def test_peaks_agree_with_gammapy(self, datasets: Datasets) -> None:
        estimator = SourceDetection(on=ExcessMap(), threshold=2.0, min_distance="0.1 deg")
        product = estimator.estimate(datasets, None)
        expected = find_peaks(product.maps.sqrt_ts, 2.0, 0.1 * u.deg)
        table = product.table()
        assert len(table) == len(expected) > 2
        np.testing.assert_array_equal(table["x"], expected["x"])
        np.testing.assert_array_equal(table["y"], expected["y"])
        np.testing.assert_allclose(table["ra"], expected["ra"])
        np.testing.assert_allclose(table["sqrt_ts"], expected["value"])
        np.testing.assert_allclose(table["flux"], product.maps.flux.data[0, table["y"], table["x"]])

    def test_min_distance_below_one_pixel_is_rounded_up(self, datasets: Datasets) -> None:
        # with 0 pixels gammapy treats every pixel above the threshold as a peak
        product = SourceDetection(min_distance="0.01 deg").estimate(datasets, None)
        pixels_above = (product.maps.sqrt_ts.data > 5).sum()
        assert 1 <= len(product.table()) < pixels_above / 4

    def test_table_without_sources_has_units(self, datasets: Datasets, tmp_path: Path) -> None:
        product = SourceDetection(threshold=1000.0, name="none").estimate(datasets, None)
        loaded = write_and_read(product, tmp_path)
        for table in (product.table(), loaded.table()):
            assert len(table) == 0
            assert table["flux"].unit == "cm-2 s-1"
            assert table["ra"].unit == "deg"
            assert table["at_edge"].dtype == bool
        assert len(Models.read(tmp_path / "none.yaml")) == 0
        assert "circle" not in (tmp_path / "none.reg").read_text()
        assert list(loaded.plot_functions()) == [""]

    def test_model_and_region_files_contain_the_detected_sources(
        self, datasets: Datasets, tmp_path: Path
    ) -> None:
        product = SourceDetection(name="detected").estimate(datasets, None)
        row = product.table()[0]
        write_and_read(product, tmp_path)
        models = ModelFile(path=str(tmp_path / "detected.yaml")).build(datasets)
        assert models.names == [row["name"]]
        assert models[0].position.separation(product.positions[0]) < 1 * u.arcsec
        flux = models[0].spectral_model.integral(1 * u.TeV, 10 * u.TeV)
        assert flux.to_value("cm-2 s-1") == pytest.approx(row["flux"], rel=1e-6)
        region = Regions.read(tmp_path / "detected.reg", format="ds9")[0]
        assert region.radius == 0.2 * u.deg
        assert region.center.separation(product.positions[0]) < 1 * u.arcsec
        assert region.meta["text"] == row["name"]

    def test_sources_detected_in_an_excess_map_are_point_sources(self, datasets: Datasets) -> None:
        models = SourceDetection(on=ExcessMap()).estimate(datasets, None).models()
        assert isinstance(models[0].spatial_model, PointSpatialModel)

    def test_sources_are_detected_in_maps_of_a_gammapy_estimator(self, datasets: Datasets) -> None:
        plain_estimator = TSMapEstimator(kernel_width=0.3 * u.deg)
        product = SourceDetection(on=plain_estimator).estimate(datasets, None)
        actual = SourceDetection(on=TSMap(kernel_width="0.3 deg")).estimate(datasets, None)
        assert list(product.table()["name"]) == list(actual.table()["name"])

    def test_maps_of_a_gammapy_estimator_in_several_energy_bins_are_rejected(
        self, datasets: Datasets
    ) -> None:
        plain_estimator = ExcessMapEstimator(0.1 * u.deg, energy_edges=EDGES, selection_optional=[])
        with pytest.raises(ModelError, match="has maps in 2 energy bins"):
            SourceDetection(on=plain_estimator).estimate(datasets, None)


class TestInvalidOptionsAndData:
    @pytest.fixture
    def dataset(self, simulated_dataset: MapDataset) -> MapDataset:
        return simulated_dataset.copy(name="sim")

    def test_point_source_without_psf_is_rejected(self, dataset: MapDataset) -> None:
        dataset.psf = None
        with pytest.raises(ModelError, match="sim has no PSF, so a point source would be one"):
            TSMap().estimate(Datasets([dataset]), None)
        # an extended source needs no PSF
        shape = {"type": "gauss", "sigma": "0.1 deg"}
        assert TSMap(spatial=shape).estimate(Datasets([dataset]), None).table()["sqrt_ts_max"] > 5

    def test_maps_with_different_pixels_are_rejected(self, dataset: MapDataset) -> None:
        cutout = dataset.cutout(dataset.counts.geom.center_skydir, width="0.5 deg", name="cutout")
        with pytest.raises(ModelError, match="sim and cutout have different pixels"):
            TSMap().estimate(Datasets([dataset, cutout]), None)

    @pytest.mark.parametrize("estimator", [TSMap(), SignificanceMap(), SourceDetection()])
    def test_spectra_are_rejected(self, estimator: Any) -> None:
        axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
        geom = RegionGeom.create("icrs;circle(83, 22, 0.1)", axes=[axis])
        spectrum = SpectrumDataset(counts=Map.from_geom(geom), name="spectrum")
        with pytest.raises(ModelError, match="no map dataset; available: spectrum"):
            estimator.estimate(Datasets([spectrum]), None)

    def test_flux_without_exposure_is_rejected(self, dataset: MapDataset) -> None:
        dataset.exposure = None
        with pytest.raises(ModelError, match="sim has no exposure, so fluxes cannot be computed"):
            SignificanceMap().estimate(Datasets([dataset]), None)

    def test_source_detection_needs_one_energy_bin(self) -> None:
        with pytest.raises(FieldError, match=r"on\.energy_edges: define 2 energy bins"):
            SourceDetection(on=TSMap(energy_edges=EDGES))

    def test_source_detection_needs_significance_maps(self) -> None:
        with pytest.raises(
            FieldError, match="on: 'flux-points' does not create a significance map"
        ):
            SourceDetection(on=FluxPoints(source="crab", energy_edges=EDGES))

    @pytest.mark.parametrize(
        ("estimate", "message"),
        [
            ("{kind: ts-map, energy_edges: [2 TeV, 1 TeV]}", "energy_edges.*must increase"),
            ("{kind: ts-map, energy_edges: [1 TeV, 30 TeV]}", "extends beyond the energy axis"),
            (
                "{kind: ts-map, without: [krab]}",
                r"without\[0\]: unknown source 'krab'.*did you mean 'crab'",
            ),
            ("{kind: ts-map, kernel_width: 0 deg}", "kernel_width.*at least"),
            ("{kind: ts-map, columns: [ull]}", r"columns.*did you mean 'ul'"),
            ("{kind: ts-map, spatial: {type: pont}}", "did you mean 'point'"),
            ("{kind: ts-map, spatial: {type: const}}", "type const has no position"),
            ("{kind: ts-map, spectral: {type: pl, index: 2 TeV}}", "spectral.index"),
            ("{kind: ts-map, n_sigma: 0}", "n_sigma"),
            ("{kind: significance-map, exclude: [circle(83]}", "exclude"),
            ("{kind: significance-map, energy_edges: [1 TeV, 1.1 TeV]}", "same nearest edge"),
            ("{kind: source-detection, min_distance: 3 TeV}", "min_distance"),
            ("{kind: source-detection, on: {kind: ts-map, without: [krab]}}", r"on\.without\[0\]"),
            ("{kind: source-detection, on: {kind: tsmap}}", "did you mean 'ts-map'"),
        ],
    )
    def test_errors_are_reported_before_data_are_read(self, estimate: str, message: str) -> None:
        example = plain_gammapy.EXAMPLE.read_text(encoding="utf-8")
        head = example.replace("$GAMMAPY_DATA/hess-dl3-dr1", "sim:crab").split("estimate:")[0]
        with pytest.raises(ConfigError, match=f"(?s){message}"):
            Pipeline.from_yaml(f"{head}estimate:\n  - {estimate}\n")
