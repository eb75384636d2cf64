"""The estimator model-comparison: its statistics, significances and notes."""

from __future__ import annotations

import attrs
import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.table import Table
from gammapy.datasets import Datasets
from gammapy.modeling import Fit
from gammapy.modeling.models import LogParabolaSpectralModel
from gammapy.stats.utils import ts_to_sigma

import plain_gammapy
import skyred
from ebl_table import write_table
from skyred import Pipeline
from skyred.components.estimators.comparison_tables import FittedModel, comparison_table
from skyred.components.estimators.model_comparison import ComparisonProduct
from skyred.components.gammapy import Absorption, Alternative, ModelComparison
from skyred.errors import ConfigError, FieldError, ModelError, SkyredWarning
from skyred.likelihood.minimise import minimise

LOG_PARABOLA = {"type": "lp", "alpha": 2.4, "beta": 0.05, "amplitude": "4.6e-11 cm-2 s-1 TeV-1",
                "reference": "1 TeV"}  # fmt: skip
GAUSSIAN = {"type": "gauss", "lon_0": "83.652 deg", "lat_0": "22.031 deg", "sigma": "0.03 deg",
            "frame": "icrs"}  # fmt: skip


@pytest.fixture
def datasets(simulated_dataset, true_models) -> Datasets:
    datasets = Datasets([simulated_dataset.copy(name="sim")])
    datasets.models = true_models.copy()
    skyred.fit(datasets)
    return datasets


def compare(datasets: Datasets, **alternative: object) -> ComparisonProduct:
    model = Alternative(name="other", **alternative)
    return ModelComparison(alternatives=[model]).estimate(datasets, None)


@pytest.mark.slow
def test_log_parabola_agrees_with_the_fit_of_gammapy(datasets):
    # with a fixed position, gammapy does not compute its PSF kernels again
    datasets.models["crab"].spatial_model.freeze()
    product = compare(datasets, replace={"crab": {"spectral": LOG_PARABOLA}})
    first, row = product.table()
    plain_models = datasets.models.copy()
    plain_models["crab"].spectral_model = LogParabolaSpectralModel(
        alpha=2.4, beta=0.05, amplitude="4.6e-11 cm-2 s-1 TeV-1", reference="1 TeV"
    )
    plain_datasets = Datasets([datasets[0].copy(name="sim")])
    plain_datasets.models = plain_models
    expected = Fit().run(plain_datasets).total_stat
    # MIGRAD stops up to 2e-4 above the minimum, and npred is float32 in gammapy
    assert row["stat"] == pytest.approx(expected, abs=2e-3)
    assert (first["free"], row["free"], row["dof"]) == (3, 4, -1)
    assert row["delta_stat"] == pytest.approx(row["stat"] - first["stat"])
    sigma = ts_to_sigma(max(-row["delta_stat"], 0))
    assert row["significance"] == pytest.approx(sigma)
    names = product.parameters["parameter"][product.parameters["model"] == "other"]
    beta = product.parameters[product.parameters["parameter"] == "crab.spectral.beta"][0]
    assert len(names) == 4
    expected_beta = plain_datasets.parameters["beta"].value
    assert beta["value"] == pytest.approx(expected_beta, abs=0.01 * beta["error"])


def test_fit_without_the_source_agrees_with_gammapy(datasets):
    (_, row) = compare(datasets, without=["crab"]).table()
    plain_datasets = Datasets([datasets[0].copy(name="sim")])
    plain_datasets.models = [datasets.models["sim-bkg"].copy(name="sim-bkg")]
    # the norm is the only free parameter, so that gammapy finds the minimum precisely
    assert row["stat"] == pytest.approx(Fit().run(plain_datasets).total_stat, abs=1e-3)
    assert row["dof"] == 4
    expected = ts_to_sigma(row["delta_stat"], df=4)
    if np.isfinite(expected):  # gammapy's function underflows
        assert row["significance"] == pytest.approx(expected)
    assert row["significance"] > 20
    assert "its index, lon_0, lat_0 are undefined" in row["note"]


def test_fixing_a_parameter_two_sigma_off_raises_the_statistic_by_four(datasets):
    index = datasets.parameters["index"]
    fixed_value = index.value + 2 * index.error
    (_, row) = compare(datasets, fix={"crab.index": fixed_value}).table()
    # the likelihood profile is approximately a parabola
    assert row["delta_stat"] == pytest.approx(4, rel=0.1)
    assert (row["dof"], row["note"]) == (1, "")
    assert row["significance"] == pytest.approx(np.sqrt(row["delta_stat"]))


def test_freed_parameter_lowers_the_statistic(datasets):
    (_, row) = compare(datasets, free=["sim-bkg.tilt"]).table()
    assert row["dof"] == -1
    # simulated without a tilt; the chance of more than 3 sigma is 1 in 370
    assert -9 < row["delta_stat"] <= 1e-6


@pytest.mark.slow
def test_spatial_model_is_replaced(datasets):
    product = compare(datasets, replace={"crab": {"spatial": GAUSSIAN}})
    names = set(product.parameters["parameter"])
    assert "crab.spatial.sigma" in names


def test_absorption_stays_when_a_spectrum_is_replaced(datasets, tmp_path):
    table = write_table(tmp_path / "ebl.fits")
    crab = datasets.models["crab"]
    crab.spatial_model.freeze()
    crab.spectral_model = Absorption(file=str(table), redshift=0.05).apply_to(crab.spectral_model)
    power_law = {"type": "pl", "index": 2.3, "amplitude": "4e-11 cm-2 s-1 TeV-1"}
    first, row = compare(datasets, replace={"crab": {"spectral": power_law}}).table()
    # the replacement is the same model with other starting values
    assert row["stat"] == pytest.approx(first["stat"], abs=1e-3)


def test_information_criteria_depend_on_parameters_and_bins(datasets):
    table = compare(datasets, fix={"crab.index": None}).table()
    n_bins = int(datasets[0].mask_safe.data.sum())
    assert table.meta["BINS"] == n_bins
    for row in table:
        assert row["aic"] == pytest.approx(row["stat"] + 2 * row["free"])
        assert row["bic"] == pytest.approx(row["stat"] + row["free"] * np.log(n_bins))


def test_statistic_is_evaluated_without_free_parameters(datasets):
    names = ["crab.index", "crab.amplitude", "crab.lon_0", "crab.lat_0", "sim-bkg.norm"]
    first, row = compare(datasets, fix=dict.fromkeys(names)).table()
    assert row["free"] == 0
    # evaluated by gammapy, which computes the PSF kernel at another position
    assert row["stat"] == pytest.approx(first["stat"], abs=1e-2)


def test_datasets_and_models_are_unchanged(datasets):
    state = [(par.name, par.value, par.error, par.frozen) for par in datasets.parameters]
    covariance = datasets.models.covariance.data.copy()
    compare(datasets, without=["crab"], fix={"sim-bkg.norm": 1})
    assert datasets.models.names == ["crab", "sim-bkg"]
    assert [(par.name, par.value, par.error, par.frozen) for par in datasets.parameters] == state
    np.testing.assert_array_equal(datasets.models.covariance.data, covariance)


class TestNotes:
    """Significances and notes, computed from fit results that each test defines."""

    def compare(self, first: FittedModel, alternative: FittedModel) -> tuple[float, str]:
        """Return the significance and the note of the alternative."""
        row = comparison_table([first, alternative], n_bins=100)[1]
        return float(row["significance"]), str(row["note"])

    def create_fitted_model(self, stat: float, free: int, **options: object) -> FittedModel:
        names = tuple(f"p{index}" for index in range(free))
        ones = np.ones(free)  # values and errors
        return FittedModel("m", stat, names, ("",) * free, ones, ones, **options)

    def test_significance_accounts_for_three_parameters(self):
        sigma, note = self.compare(
            self.create_fitted_model(100, 5), self.create_fitted_model(120, 2)
        )
        assert sigma == pytest.approx(ts_to_sigma(20, df=3))
        assert note == ""

    def test_equal_numbers_of_parameters_have_no_significance(self):
        sigma, note = self.compare(
            self.create_fitted_model(100, 3), self.create_fitted_model(90, 3)
        )
        assert np.isnan(sigma)
        assert "the same number of free parameters" in note

    @pytest.mark.parametrize(
        ("free", "message"),
        [
            (2, "the first model has more free parameters but fits worse"),
            (5, "this model has more free parameters but fits worse"),
        ],
    )
    def test_more_parameters_with_a_worse_fit_have_no_significance(self, free, message):
        stat = 90 if free == 2 else 110
        sigma, note = self.compare(
            self.create_fitted_model(100, 3), self.create_fitted_model(stat, free)
        )
        assert np.isnan(sigma)
        assert message in note

    def test_failed_fits_have_no_significance(self):
        failed_fit = self.create_fitted_model(120, 2, success=False, message="line search failed")
        sigma, note = self.compare(self.create_fitted_model(100, 3), failed_fit)
        assert np.isnan(sigma)
        assert "line search failed" in note

    def test_models_that_are_not_nested_have_no_significance(self):
        sigma, note = self.compare(
            self.create_fitted_model(100, 3), self.create_fitted_model(120, 2, nested=False)
        )
        assert np.isnan(sigma)
        assert "AIC" in note

    def test_limits_of_the_more_general_model_are_noted(self):
        first = self.create_fitted_model(100, 3, caveats=("p1 is at its limit",))
        assert self.compare(first, self.create_fitted_model(101, 2))[1] == "p1 is at its limit"
        # limits of the model with fewer parameters have no effect
        assert self.compare(first, self.create_fitted_model(90, 5))[1] == ""


def test_parameters_at_limits_are_noted(datasets):
    datasets.models["crab"].spectral_model.amplitude.min = 0
    (_, row) = compare(datasets, without=["crab"]).table()
    assert "without crab, its amplitude is at its limit" in row["note"]
    datasets.models["crab"].spectral_model.index.min = 2
    (_, row) = compare(datasets, fix={"crab.index": 2}).table()
    assert row["note"] == "crab.index is fixed at its limit"


def test_failed_fit_causes_a_warning_and_the_others_are_kept(datasets, monkeypatch):
    def fail_for_two_parameters(objective):
        result = minimise(objective)
        if len(objective.names) != 2:
            return result
        return attrs.evolve(result, success=False, message="diverged")

    monkeypatch.setattr("skyred.likelihood.minimise.minimise", fail_for_two_parameters)
    names = ["crab.lon_0", "crab.lat_0", "crab.index"]
    estimator = ModelComparison(
        alternatives=[
            Alternative(name="broken", fix=dict.fromkeys(names)),
            Alternative(name="fine", fix={"crab.index": 2.4}),
        ]
    )
    with pytest.warns(SkyredWarning, match="broken did not converge: diverged"):
        table = estimator.estimate(datasets, None).table()
    assert list(table["success"]) == [True, False, True]
    assert list(np.isnan(table["significance"])) == [True, True, False]
    assert table["note"][1] == "the fit of broken did not converge: diverged"


def test_product_is_read_back(datasets, tmp_path):
    product = compare(datasets, fix={"crab.index": 2.4})
    assert [path.name for path in product.write(tmp_path)] == [
        "model-comparison.fits", "model-comparison.ecsv",
    ]  # fmt: skip
    loaded = ComparisonProduct.read(tmp_path, "model-comparison", None)
    for table, expected in (
        (loaded.comparison, product.comparison),
        (loaded.parameters, product.parameters),
    ):
        assert table.colnames == expected.colnames
        for name in expected.colnames:
            np.testing.assert_array_equal(table[name], expected[name], name)
            assert table[name].description == expected[name].description
    assert len(Table.read(tmp_path / "model-comparison.ecsv")) == 2


def test_plot_labels_the_models_with_their_significance(datasets):
    axes = compare(datasets, fix={"crab.index": 3}).plot()
    (label,) = [tick_label.get_text() for tick_label in axes.get_yticklabels()]
    assert label.startswith("other\n+")
    assert "1 dof" in label
    assert "'fitted'" in axes.get_title()
    plt.close("all")


@pytest.mark.parametrize(
    ("alternative", "message"),
    [
        ({"without": ["carb"]}, "no model is named 'carb'"),
        ({"fix": {"crab.indx": 1}}, "did you mean 'crab.index'"),
        ({"fix": {"crab.index": "1 TeV"}}, "crab.index is fixed at 1 TeV"),
        ({"free": ["sim-bkg.tlt"]}, "did you mean 'sim-bkg.tilt'"),
    ],
    ids=["source", "parameter", "unit", "free"],
)
def test_unknown_sources_and_parameters_are_reported(datasets, alternative, message):
    with pytest.raises(ModelError, match=message):
        compare(datasets, **alternative)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "a"}, "changes nothing"),
        (
            {"name": "a", "replace": {"crab": {"spctral": {"type": "pl"}}}},
            "unknown model of a source",
        ),
        ({"name": "a", "replace": {"crab": {"spectral": {"index": 2}}}}, "missing key 'type'"),
        ({"name": "a", "replace": {"crab": {"spectral": None}}}, "missing key 'type'"),
        ({"name": "a", "replace": {"crab": "pl"}}, "expected a mapping"),
    ],
    ids=["nothing", "part", "type", "null", "no mapping"],
)
def test_invalid_alternatives_are_rejected(options, message):
    with pytest.raises(FieldError, match=message):
        Alternative(**options)


def test_duplicate_names_are_rejected():
    alternative = Alternative(name="a", without=["crab"])
    with pytest.raises(FieldError, match="two models are named 'a'"):
        ModelComparison(alternatives=[alternative, alternative])
    with pytest.raises(FieldError, match="is empty"):
        ModelComparison(alternatives=[])


@pytest.mark.parametrize(
    ("alternative", "message"),
    [
        ("{name: a, without: [carb]}", r"alternatives\[0\]\.without\[0\].*did you mean 'crab'"),
        ("{name: a, fix: {carb.index: 2}}", r"unknown source 'carb'"),
        ("{name: a, fix: {crab.indx: 2}}",
         r"alternatives\[0\]\.fix.*unknown parameter 'crab.indx'.*did you mean 'crab.index'"),
        ("{name: a, free: [crab.beta]}",
         r"alternatives\[0\]\.free\[0\]: unknown parameter 'crab.beta'"),
        ("{name: a, replace: {crab: {spectral: {type: lpp}}}}",
         r"alternatives\[0\]\.replace\.crab\.spectral\.type: unknown spectral model 'lpp'"),
    ],
    ids=["source", "source of a parameter", "fixed", "freed", "model"],
)  # fmt: skip
def test_errors_are_reported_before_data_are_read(alternative, message):
    overrides = ["data.hess.archive=sim:crab",
               f"estimate.0={{kind: model-comparison, alternatives: [{alternative}]}}"]  # fmt: skip
    with pytest.raises(ConfigError, match=message):
        Pipeline.from_yaml(plain_gammapy.EXAMPLE, overrides=overrides)


def test_parameters_of_a_replacement_can_be_fixed():
    overrides = ["data.hess.archive=sim:crab",
               "estimate.0={kind: model-comparison, alternatives: [{name: a, fix: {crab.beta: 0}, "
               "replace: {crab: {spectral: {type: lp}}}}]}"]  # fmt: skip
    assert Pipeline.from_yaml(plain_gammapy.EXAMPLE, overrides=overrides).estimate[0].alternatives
