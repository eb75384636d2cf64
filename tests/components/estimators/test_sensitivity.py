"""The estimator sensitivity against `SensitivityEstimator` and the definition of sensitivity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.data import FixedPointingInfo, Observation, observatory_locations
from gammapy.datasets import Datasets, SpectrumDataset, SpectrumDatasetOnOff
from gammapy.estimators import SensitivityEstimator
from gammapy.irf import load_irf_dict_from_file
from gammapy.makers import SpectrumDatasetMaker
from gammapy.maps import MapAxis, RegionGeom
from gammapy.modeling.models import PowerLawSpectralModel
from gammapy.stats import CashCountsStatistic
from hypothesis import given, strategies as st
from regions import CircleSkyRegion

import flux_points_comparison
import light_curve_comparison as comparison
import plain_gammapy
import small_datasets as small
from component_checks import problems_of
from skyred import Pipeline
from skyred.components.estimators.sensitivity_curve import detectable_excess
from skyred.components.gammapy import Sensitivity
from skyred.errors import ConfigError, FieldError, ModelError

ON = CircleSkyRegion(SkyCoord(83.633, 22.014, unit="deg"), 0.2 * u.deg)
ON_REGION = "icrs; circle(83.633, 22.014, 0.2)"
IRFS = "Prod5-South-20deg-AverageAz-14MSTs37SSTs.180000s-v0.1.fits.gz"
EXAMPLE = plain_gammapy.EXAMPLE.with_name("sensitivity.yaml")
COLUMNS = ("e_ref", "e_min", "e_max", "e2dnde", "excess", "background")


def sensitivity_by_gammapy(dataset: SpectrumDatasetOnOff, **options: Any) -> Any:
    gammapy_names = {"background_systematics": "bkg_syst_fraction"}
    options = {gammapy_names.get(name, name): value for name, value in options.items()}
    spectral = PowerLawSpectralModel(index=options.pop("index", 2))
    copy = dataset.copy(name=dataset.name)  # gammapy does not remove its model from the dataset
    return SensitivityEstimator(spectral_model=spectral, **options).run(copy)


def assert_same(table: Any, expected: Any, bins: Any = slice(None)) -> None:
    """Compare the columns of two tables in some bins; some of gammapy's counts are float32."""
    for name in COLUMNS:
        values, expected_values = table[name].quantity, expected[name].quantity
        np.testing.assert_allclose(
            values.to_value(expected_values.unit)[bins], expected_values.value[bins], rtol=1e-5
        )
    assert table["criterion"][bins].tolist() == expected["criterion"][bins].tolist()


@pytest.fixture(scope="module")
def cta() -> SpectrumDataset:
    """Return a dataset of 50 h on the Crab with CTA South, as in gammapy's tutorial."""
    path = plain_gammapy.archive().parent / "cta-caldb" / IRFS
    if not path.is_file():
        pytest.skip("needs $GAMMAPY_DATA/cta-caldb")
    energy = MapAxis.from_energy_bounds("0.03 TeV", "30 TeV", nbin=8)
    energy_true = MapAxis.from_energy_bounds("0.01 TeV", "100 TeV", nbin=30, name="energy_true")
    geom = RegionGeom.create("icrs;circle(83.63, 22.01, 0.1)", axes=[energy])
    pointing = FixedPointingInfo(fixed_icrs=SkyCoord(83.63, 21.51, unit="deg"))
    observation = Observation.create(
        pointing=pointing, irfs=load_irf_dict_from_file(path), livetime="50 h",
        location=observatory_locations["ctao_south"],
    )  # fmt: skip
    maker = SpectrumDatasetMaker(selection=["exposure", "edisp", "background"])
    empty = SpectrumDataset.create(geom, energy_axis_true=energy_true, name="cta")
    return maker.run(empty, observation)


class TestCTA:
    @pytest.mark.parametrize(
        "options",
        [{}, {"index": 3.0, "n_sigma": 3.0, "gamma_min": 40.0, "background_systematics": 0.5}],
        ids=["default", "other"],
    )
    def test_sensitivity_with_off_counts_agrees_with_gammapy(
        self, cta: SpectrumDataset, options: dict[str, float]
    ) -> None:
        on_off = SpectrumDatasetOnOff.from_spectrum_dataset(
            dataset=cta, acceptance=1, acceptance_off=5, counts_off=cta.background * 5, name="cta"
        )
        expected = sensitivity_by_gammapy(on_off, **options)
        for dataset, alpha in ((on_off, None), (cta, 0.2)):
            estimator = Sensitivity(alpha=alpha, **options)
            assert_same(estimator.estimate(Datasets([dataset]), None).table(), expected)
        # the two sets of options test all three criteria
        criteria = {"gamma", "bkg"} if options else {"significance"}
        assert set(expected["criterion"]) == criteria

    def test_excess_over_a_known_background_has_the_required_significance(
        self, cta: SpectrumDataset
    ) -> None:
        estimator = Sensitivity(n_sigma=4, gamma_min=0, background_systematics=0)
        table = estimator.estimate(Datasets([cta]), None).table()
        counts = CashCountsStatistic(table["excess"] + table["background"], table["background"])
        np.testing.assert_allclose(counts.sqrt_ts, 4, rtol=1e-6)
        assert set(table["criterion"]) == {"significance"}

    def test_sensitivity_is_better_if_the_background_is_known(self, cta: SpectrumDataset) -> None:
        exact_background, measured_background = (
            Sensitivity(alpha=alpha).estimate(Datasets([cta]), None).table()
            for alpha in (None, 0.2)
        )
        limited_by_significance = exact_background["criterion"] == "significance"
        assert limited_by_significance.any()
        ratio = exact_background["e2dnde"] / measured_background["e2dnde"]
        assert (ratio[limited_by_significance] < 1).all()


@pytest.mark.data
class TestHess:
    @pytest.fixture
    def spectra(self) -> Datasets:
        datasets = flux_points_comparison.crab_spectra((23523, 23526))
        datasets.models = None
        return datasets

    def test_several_runs_agree_with_gammapy_for_their_stack(self, spectra: Datasets) -> None:
        table = Sensitivity().estimate(spectra, None).table()
        stacked = spectra.stack_reduce(name="all")
        expected = sensitivity_by_gammapy(stacked)
        safe = stacked.mask_safe.data.ravel()
        assert_same(table, expected, safe)
        assert (table["criterion"][~safe] == "masked").all()
        assert np.isnan(table["e2dnde"][~safe]).all()
        hours = sum(dataset.exposure.meta["livetime"].to_value("h") for dataset in spectra)
        assert table.meta["LIVETIME"] == pytest.approx(hours)

    def test_bins_are_merged_between_energy_edges(self, spectra: Datasets) -> None:
        edges = [1, 3, 10] * u.TeV
        table = Sensitivity(energy_edges=edges).estimate(spectra, None).table()
        axis = MapAxis.from_energy_edges(edges)
        stacked = spectra.stack_reduce(name="all").resample_energy_axis(axis, name="all")
        assert_same(table, sensitivity_by_gammapy(stacked))
        assert len(table) == 2

    def test_datasets_are_unchanged(self, spectra: Datasets) -> None:
        expected_datasets = comparison.copy_datasets(spectra)
        Sensitivity().estimate(spectra, None)
        for dataset, expected in zip(spectra, expected_datasets, strict=True):
            np.testing.assert_array_equal(dataset.counts_off.data, expected.counts_off.data)
            np.testing.assert_array_equal(dataset.mask_safe.data, expected.mask_safe.data)
            assert dataset.models is None


class TestMaps:
    def test_map_has_the_sensitivity_of_its_spectrum_in_the_region(self) -> None:
        dataset = small.map_dataset()
        table = Sensitivity(region=ON_REGION, alpha=0.2).estimate(Datasets([dataset]), None).table()
        spectrum = dataset.to_spectrum_dataset(ON, containment_correction=True, name="map")
        on_off = SpectrumDatasetOnOff.from_spectrum_dataset(
            dataset=spectrum, acceptance=1, acceptance_off=5, counts_off=spectrum.background * 5
        )
        assert_same(table, sensitivity_by_gammapy(on_off))

    def test_containment_correction_raises_the_detectable_flux(self) -> None:
        datasets = Datasets([small.map_dataset()])
        corrected, uncorrected = (
            Sensitivity(region=ON_REGION, containment=containment).estimate(datasets, None).table()
            for containment in (True, False)
        )
        assert (corrected["e2dnde"] > uncorrected["e2dnde"]).all()

    def test_on_off_maps_keep_their_off_counts(self) -> None:
        dataset = small.map_on_off()
        table = Sensitivity(region=ON_REGION).estimate(Datasets([dataset]), None).table()
        spectrum = dataset.to_spectrum_dataset(ON, containment_correction=True, name="map")
        assert_same(table, sensitivity_by_gammapy(spectrum))


@given(
    st.lists(st.floats(0.1, 1e4), min_size=1, max_size=5),
    st.floats(0, 1e5),
    st.floats(0, 100),
    st.floats(0, 1),
)
def test_detectable_excess_is_the_largest_of_the_three_criteria(
    significant: list[float], background: float, gamma_min: float, systematics: float
) -> None:
    options = Sensitivity(gamma_min=gamma_min, background_systematics=systematics)
    backgrounds = np.full(len(significant), background)
    excess, criterion = detectable_excess(np.array(significant), backgrounds, options)
    candidates = np.stack(
        [significant, np.full(len(backgrounds), gamma_min), systematics * backgrounds]
    )
    np.testing.assert_array_equal(excess, candidates.max(axis=0))
    names = np.array(["significance", "gamma", "bkg"])
    rows = {name: row for row, name in enumerate(names)}
    for index, name in enumerate(criterion):
        assert candidates[rows[name], index] == excess[index]


def test_files_are_read_back(tmp_path: Path) -> None:
    dataset = small.spectrum_on_off()
    dataset.mask_safe.data[0] = False
    product = Sensitivity().estimate(Datasets([dataset]), None)
    product.write(tmp_path)
    expected, table = product.table(), type(product).read(tmp_path, product.name, None).table()
    assert table.colnames == expected.colnames
    assert table.meta == expected.meta
    for name in expected.colnames:
        assert table[name].unit == expected[name].unit
        assert table[name].description == expected[name].description
        assert expected[name].description
        if expected[name].dtype.kind == "f":
            np.testing.assert_array_equal(np.asarray(table[name]), np.asarray(expected[name]))
        else:
            assert table[name].tolist() == expected[name].tolist()


def test_plot_shows_units_and_the_limiting_criterion() -> None:
    import matplotlib.pyplot as plt

    ax = Sensitivity().estimate(Datasets([small.spectrum_on_off()]), None).plot()
    assert ax.get_xlabel() == "Reconstructed energy [TeV]"
    assert "erg" in ax.get_ylabel()
    assert all("limited by" in label.get_text() for label in ax.get_legend().get_texts())
    plt.close(ax.figure)


def test_plot_can_be_drawn_without_safe_bins() -> None:
    dataset = small.spectrum_dataset()
    dataset.mask_safe.data[...] = False
    product = Sensitivity().estimate(Datasets([dataset]), None)
    assert np.isnan(product.table()["e2dnde"]).all()
    product.plot().figure.canvas.draw()


class TestInvalidOptionsAndData:
    def test_maps_without_a_region_are_rejected(self) -> None:
        with pytest.raises(ModelError, match="'map' is a map: set the on region"):
            Sensitivity().estimate(Datasets([small.map_dataset()]), None)
        overrides = ["estimate=[{kind: sensitivity}]"]
        with pytest.raises(ConfigError, match="is not set, but the data are maps"):
            Pipeline.from_yaml(plain_gammapy.EXAMPLE, overrides=overrides)

    def test_region_outside_the_map_is_rejected(self) -> None:
        estimator = Sensitivity(region="icrs; circle(83.633, 22.014, 3)")
        with pytest.raises(
            ModelError, match=r"cannot extract a spectrum of 'map' from the region: .*contained"
        ):
            estimator.estimate(Datasets([small.map_dataset()]), None)

    @pytest.mark.parametrize(
        ("region", "message"),
        [
            ("icrs; box(83.6, 22, 0.2, 0.2, 0)", "the containment is computed for circles only"),
            (["icrs; circle(83.6, 22, 0.1)", "icrs; circle(84, 22, 0.1)"], "2 regions"),
            ("icrs; nonsense(1)", "is not a DS9 region"),
        ],
    )
    def test_invalid_regions_are_reported(self, region: Any, message: str) -> None:
        (problem,) = problems_of(Sensitivity(region=region))
        assert message in problem.message
        assert attrs.asdict(problem)["path"] == ("region",)

    def test_mixed_or_incomplete_data_are_rejected(self) -> None:
        datasets = Datasets([small.spectrum_dataset(), small.spectrum_on_off()])
        with pytest.raises(ModelError, match="datasets of one type, not"):
            Sensitivity().estimate(datasets, None)
        with pytest.raises(ModelError, match="'points' has no counts or no exposure"):
            Sensitivity().estimate(Datasets([small.flux_points()]), None)
        dataset = small.spectrum_dataset("spectrum")
        dataset.background = None
        with pytest.raises(ModelError, match="'spectrum' has no background"):
            Sensitivity().estimate(Datasets([dataset]), None)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"n_sigma": 0}, "at least 0.1"),
            ({"alpha": 0}, "at least"),
            ({"energy_edges": ["2 TeV", "1 TeV"]}, "must increase"),
        ],
    )
    def test_invalid_options_are_rejected(self, options: Any, message: str) -> None:
        with pytest.raises(FieldError, match=message):
            Sensitivity(**options)

    @pytest.mark.data
    def test_edges_outside_the_axis_are_reported_before_data_are_read(self) -> None:
        overrides = ["estimate.0.energy_edges=[0.1 TeV, 1 TeV]"]
        with pytest.raises(ConfigError, match="extends beyond the energy axis"):
            Pipeline.from_yaml(EXAMPLE, overrides=overrides)
