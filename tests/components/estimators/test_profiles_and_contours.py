"""Likelihood profiles and contours: comparison with gammapy, files, plots and errors."""

from __future__ import annotations

import os
from pathlib import Path

import attrs
import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets, SpectrumDatasetOnOff
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    GaussianPrior,
    PowerLawSpectralModel,
    SkyModel,
)

import plain_gammapy
import skyred
from skyred import Pipeline
from skyred.components.estimators.contours import ContoursProduct
from skyred.components.estimators.profile_likelihood import ProfileProduct
from skyred.components.gammapy import Contours, ProfileLikelihood
from skyred.errors import ConfigError, FieldError, ModelError, SkyredWarning
from skyred.likelihood.minimise import minimise


@pytest.fixture
def spectrum() -> Datasets:
    """Return one H.E.S.S. spectrum of the Crab (joint-crab) with a fitted power law."""
    path = Path(os.environ["GAMMAPY_DATA"], "joint-crab", "spectra", "hess", "pha_obs23523.fits")
    datasets = Datasets([SpectrumDatasetOnOff.read(path)])
    power_law = PowerLawSpectralModel(amplitude="3e-11 cm-2 s-1 TeV-1", index=2.6)
    datasets.models = [SkyModel(spectral_model=power_law, name="crab")]
    skyred.fit(datasets)
    return datasets


@pytest.fixture
def simulation(simulated_dataset, true_models) -> Datasets:
    datasets = Datasets([simulated_dataset.copy(name="sim")])
    datasets.models = true_models.copy()
    skyred.fit(datasets)
    return datasets


def profile_by_gammapy(datasets: Datasets, name: str, values: np.ndarray) -> np.ndarray:
    """Return gammapy's statistic minus that at the minimum, with other parameters refitted."""
    parameter = datasets.models.parameters[name]
    parameter.scan_values = np.append(values, parameter.value)
    scan = Fit().stat_profile(datasets, parameter, reoptimize=True)["stat_scan"]
    return scan[:-1] - scan[-1]


def state_of(datasets: Datasets) -> list[object]:
    """Return copies of all data, parameters and covariances that an estimator could change."""
    parameters = [
        (par.name, par.value, par.error, par.frozen, par.min, par.max)
        for par in datasets.parameters
    ]
    arrays = [dataset.counts.data.copy() for dataset in datasets]
    return [repr(parameters), datasets.names, datasets.models.names, arrays,
            datasets.models.covariance.data.copy()]  # fmt: skip


class TestProfiles:
    @pytest.mark.data
    def test_profile_of_a_spectrum_agrees_with_gammapy(self, spectrum):
        estimator = ProfileLikelihood(parameters=["crab.index"], points=5, width=2)
        (curve,) = estimator.estimate(spectrum, None).curves
        assert curve.value == pytest.approx(spectrum.parameters["index"].value, rel=1e-3)
        expected = profile_by_gammapy(spectrum, "index", curve.values)
        # MIGRAD stops up to 2e-4 above the minimum
        np.testing.assert_allclose(curve.delta_stat, expected, atol=2e-3)

    @pytest.mark.slow
    @pytest.mark.data
    def test_intervals_agree_with_minos(self, spectrum):
        product = ProfileLikelihood(sigmas=[1, 2], points=3).estimate(spectrum, None)
        for curve in product.curves:
            name = curve.name.split(".")[-1]
            for interval in curve.intervals:
                errors = Fit().confidence(spectrum, spectrum.parameters[name], sigma=interval.sigma)
                # each search stops within about 5e-4 sigma
                assert interval.errp == pytest.approx(errors["errp"], rel=1e-3), name
                assert interval.errn == pytest.approx(errors["errn"], rel=1e-3), name

    @pytest.mark.slow
    @pytest.mark.data
    def test_profile_of_the_crab_map_agrees_with_gammapy(self, plain_reduction, plain_fit):
        datasets = Datasets([plain_reduction.dataset.copy(name="hess")])
        datasets.models = plain_fit.models.copy()
        skyred.fit(datasets)
        amplitude = datasets.parameters["amplitude"]
        values = [amplitude.value - 2 * amplitude.error]
        product = ProfileLikelihood(
            parameters=["crab.amplitude"], values=values * amplitude.unit
        ).estimate(datasets, None)
        expected = profile_by_gammapy(datasets, "amplitude", np.array(values))
        np.testing.assert_allclose(product.curves[0].delta_stat, expected, atol=0.02)

    def test_all_free_parameters_are_profiled_by_default(self, simulation):
        product = ProfileLikelihood(points=3, sigmas=[1]).estimate(simulation, None)
        assert [curve.name for curve in product.curves] == [
            "crab.spectral.index", "crab.spectral.amplitude", "crab.spatial.lon_0",
            "crab.spatial.lat_0", "sim-bkg.spectral.norm",
        ]  # fmt: skip

    def test_values_are_converted_to_the_unit_of_the_parameter(self, simulation):
        lon = simulation.parameters["lon_0"].value
        values = [(lon - 0.01) * 60, (lon + 0.01) * 60] * u.arcmin
        product = ProfileLikelihood(parameters=["crab.lon_0"], values=values).estimate(
            simulation, None
        )
        np.testing.assert_allclose(product.curves[0].values, [lon - 0.01, lon + 0.01], rtol=1e-12)
        assert product.curves[0].unit == "deg"

    def test_prior_is_part_of_the_statistic(self, simulation):
        index = simulation.parameters["index"]
        index.prior = GaussianPrior(mu=index.value, sigma=0.01)
        (curve,) = (
            ProfileLikelihood(parameters=["crab.index"], points=5).estimate(simulation, None).curves
        )
        # the prior is far narrower than the likelihood, so the profile is the prior's parabola
        assert curve.error == pytest.approx(0.01, rel=0.02)
        np.testing.assert_allclose(curve.delta_stat, [9, 2.25, 0, 2.25, 9], rtol=0.03, atol=1e-3)

    def test_profile_ends_at_a_limit(self, simulation):
        index = simulation.parameters["index"]
        index.min = index.value - 1.5 * index.error
        (curve,) = (
            ProfileLikelihood(parameters=["crab.index"], points=9, sigmas=[1, 2])
            .estimate(simulation, None)
            .curves
        )
        assert curve.values[0] == index.min
        assert np.all(np.diff(curve.values) > 0)
        assert np.isfinite(curve.intervals[0].errn)
        assert np.isnan(curve.intervals[1].errn)

    def test_fit_that_missed_the_minimum_causes_a_warning(self, simulation, monkeypatch):
        def stop_early(objective):
            result = minimise(objective)
            shift = np.array([1, 0, 0, 0, 0]) * result.errors
            return attrs.evolve(result, values=result.values + shift, stat=result.stat + 1)

        monkeypatch.setattr("skyred.likelihood.minimise.minimise", stop_early)
        with pytest.warns(SkyredWarning, match=r"profile of crab\.spectral\.index is .* below"):
            ProfileLikelihood(parameters=["crab.index"], sigmas=[]).estimate(simulation, None)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"parameters": ["crab.indx"]}, r"matches 'crab.indx'.*did you mean 'crab.index'"),
            ({"parameters": ["crab.reference"]}, r"'crab.reference' is frozen"),
            (
                {"parameters": ["crab.*"], "values": [1, 2]},
                r"crab\.\* matches crab.spectral.index, ",
            ),
            ({"parameters": ["crab.index"], "values": [1, 2] * u.TeV}, r"in TeV; .* in no unit"),
            ({"parameters": ["crab.lat_0"], "values": [-91, 20] * u.deg}, "exceed the limits"),
        ],
        ids=["misspelt", "frozen", "several", "unit", "limits"],
    )
    def test_invalid_parameters_and_values_are_rejected(self, simulation, options, message):
        with pytest.raises(ModelError, match=message):
            ProfileLikelihood(**options).estimate(simulation, None)

    def test_values_need_one_parameter(self):
        with pytest.raises(FieldError, match=r"values: are set for all parameters"):
            ProfileLikelihood(values=[1, 2])


class TestContours:
    @pytest.mark.slow
    @pytest.mark.data
    def test_contours_of_a_spectrum_agree_with_gammapy(self, spectrum):
        (pair,) = (
            Contours(parameters=["crab.index", "crab.amplitude"]).estimate(spectrum, None).pairs
        )
        x, y = (spectrum.parameters[name] for name in ("index", "amplitude"))
        gammapy_contour = Fit().stat_contour(spectrum, x, y, numpoints=8, sigma=1)
        line = pair.contours[0]
        # gammapy's points include the extrema of both parameters; some of skyred's 40 points are
        # close to them
        for actual, expected in (
            (line.x, gammapy_contour["crab.spectral.index"]),
            (line.y, gammapy_contour["crab.spectral.amplitude"]),
        ):
            width = np.ptp(expected)
            assert actual.min() == pytest.approx(expected.min(), abs=0.01 * width)
            assert actual.max() == pytest.approx(expected.max(), abs=0.01 * width)
        minimum = spectrum.stat_sum()
        for line in pair.contours:
            # there are no other free parameters, so stat_sum needs no fit
            for x.value, y.value in zip(line.x[::5], line.y[::5], strict=True):
                assert spectrum.stat_sum() - minimum == pytest.approx(line.rise, abs=2e-3)
        assert [line.rise for line in pair.contours] == [1, 4]

    @pytest.mark.slow
    def test_contour_of_a_map_agrees_with_refits_of_gammapy(self, simulation):
        estimator = Contours(parameters=["crab.index", "sim-bkg.norm"], sigmas=[1.5], points=8)
        (pair,) = estimator.estimate(simulation, None).pairs
        minimum = Fit().optimize(simulation).total_stat
        x, y = (simulation.parameters[name] for name in ("index", "norm"))
        x.frozen = y.frozen = True
        x.value, y.value = pair.contours[0].x[3], pair.contours[0].y[3]
        rise = Fit().optimize(simulation).total_stat - minimum
        # gammapy evaluates the PSF kernels at different positions in the two fits
        assert rise == pytest.approx(2.25, abs=0.03)

    def test_probabilities_follow_a_chi2_with_two_degrees_of_freedom(self, simulation):
        estimator = Contours(
            parameters=["crab.lon_0", "crab.lat_0"], sigmas=[], probabilities=[0.95, 0.68], points=4
        )
        table = estimator.estimate(simulation, None).table()
        # -2 ln(1 - p): 5.99 for 95 %, as in table 40.2 of the Review of Particle Physics
        np.testing.assert_allclose(table["delta_stat"], [2.279, 5.991], atol=1e-3)
        np.testing.assert_allclose(table["probability"], [0.68, 0.95])

    def test_every_pair_of_parameters_has_contours(self, simulation):
        estimator = Contours(parameters=["crab.spectral.*", "sim-bkg.norm"], points=4, sigmas=[1])
        product = estimator.estimate(simulation, None)
        assert [(pair.x, pair.y) for pair in product.pairs] == [
            ("crab.spectral.index", "crab.spectral.amplitude"),
            ("crab.spectral.index", "sim-bkg.spectral.norm"),
            ("crab.spectral.amplitude", "sim-bkg.spectral.norm"),
        ]

    def test_fewer_than_two_parameters_are_rejected(self, simulation):
        with pytest.raises(FieldError, match=r"parameters: has one name"):
            Contours(parameters=["crab.index"])
        with pytest.raises(ModelError, match="contours need at least two free parameters"):
            Contours(parameters=["crab.ind*"]).estimate(simulation, None)
        with pytest.raises(FieldError, match="expected sigmas, or probabilities"):
            Contours(parameters=["a.b", "c.d"], sigmas=[])


def test_linked_parameter_can_be_selected_by_either_name(simulation):
    models = simulation.models.copy()
    second = SkyModel(
        PowerLawSpectralModel(amplitude="3e-12 cm-2 s-1 TeV-1"),
        models["crab"].spatial_model.copy(), name="b",
    )  # fmt: skip
    second.spatial_model.lon_0.value += 0.3
    second.spatial_model.freeze()
    second.spectral_model.amplitude.frozen = True
    second.spectral_model.index = models["crab"].spectral_model.index
    simulation.models = [*models, second]
    product = ProfileLikelihood(parameters=["b.index"], points=3).estimate(simulation, None)
    assert [curve.name for curve in product.curves] == ["crab.spectral.index"]


@pytest.mark.parametrize(
    "estimator",
    [ProfileLikelihood(points=3), Contours(parameters=["crab.index", "crab.lon_0"], points=4)],
    ids=["profile", "contours"],
)
def test_datasets_and_models_are_unchanged(simulation, estimator):
    expected_state = state_of(simulation)
    estimator.estimate(simulation, None)
    for value, expected in zip(state_of(simulation), expected_state, strict=True):
        np.testing.assert_equal(value, expected)


class TestFiles:
    def test_profiles_are_read_back(self, simulation, tmp_path):
        product = ProfileLikelihood(points=5, sigmas=[1, 6]).estimate(simulation, None)
        assert [path.name for path in product.write(tmp_path)] == [
            "profile-likelihood.fits", "profile-likelihood.ecsv",
        ]  # fmt: skip
        loaded = ProfileProduct.read(tmp_path, "profile-likelihood", None)
        for curve, expected in zip(loaded.curves, product.curves, strict=True):
            assert (curve.name, curve.unit, curve.value, curve.error) == (
                expected.name, expected.unit, expected.value, expected.error,
            )  # fmt: skip
            np.testing.assert_array_equal(curve.values, expected.values)
            np.testing.assert_array_equal(curve.delta_stat, expected.delta_stat)
            np.testing.assert_equal(str(curve.intervals), str(expected.intervals))
        table = product.table().__class__.read(tmp_path / "profile-likelihood.ecsv")
        assert table.colnames[-2:] == ["errn_6.0sigma", "errp_6.0sigma"]
        assert all(column.description for column in table.itercols())

    def test_columns_of_a_profile_have_units_and_descriptions(self, simulation, tmp_path):
        from astropy.io import fits
        from astropy.table import Table

        ProfileLikelihood(points=3).estimate(simulation, None).write(tmp_path)
        table = Table.read(tmp_path / "profile-likelihood.fits", hdu=3)
        assert table["value"].unit == u.Unit("cm-2 s-1 TeV-1")
        header = fits.getheader(tmp_path / "profile-likelihood.fits", 3)
        assert header["PARNAME"] == "crab.spectral.amplitude"
        assert header["TCOMM1"] == "crab.spectral.amplitude"

    def test_contours_are_read_back(self, simulation, tmp_path):
        estimator = Contours(parameters=["crab.spectral.*", "sim-bkg.norm"], points=5)
        product = estimator.estimate(simulation, None)
        product.write(tmp_path)
        loaded = ContoursProduct.read(tmp_path, "contours", None)
        for pair, expected_pair in zip(loaded.pairs, product.pairs, strict=True):
            assert (pair.x, pair.y, pair.units, pair.best_fit) == (
                expected_pair.x, expected_pair.y, expected_pair.units, expected_pair.best_fit,
            )  # fmt: skip
            for line, expected in zip(pair.contours, expected_pair.contours, strict=True):
                assert line.rise == expected.rise
                np.testing.assert_array_equal(line.x, expected.x)
                np.testing.assert_array_equal(line.y, expected.y)
                np.testing.assert_array_equal(line.at_limit, expected.at_limit)
        assert all(column.description for column in product.table().itercols())


class TestPlots:
    def draw(self, product):
        axes_by_suffix = {name: draw() for name, draw in product.plot_functions().items()}
        plt.close("all")
        return axes_by_suffix

    def test_profiles_are_labelled_with_units(self, simulation):
        product = ProfileLikelihood(parameters=["crab.*"], points=5).estimate(simulation, None)
        axes = self.draw(product)
        assert list(axes) == ["", "-crab.spectral.index", "-crab.spectral.amplitude",
                               "-crab.spatial.lon_0", "-crab.spatial.lat_0"]  # fmt: skip
        assert "10⁻¹¹ TeV⁻¹" in axes["-crab.spectral.amplitude"].get_xlabel()
        assert axes["-crab.spatial.lon_0"].get_xlabel() == "crab.spatial.lon_0 [deg]"
        assert axes[""].get_ylabel() == "Δ fit statistic"
        labels = [label.get_text() for label in axes[""].get_legend().get_texts()]
        assert labels[:1] == ["crab.spectral.index"]

    def test_names_with_dollar_signs_are_drawn_as_they_are(self, simulation):
        simulation.models["crab"]._name = r"a_$\b$"
        parameters = [r"a_$\b$.lon_0", r"a_$\b$.lat_0"]
        for estimator in (ProfileLikelihood(parameters=parameters, points=5),
                          Contours(parameters=parameters, points=5)):  # fmt: skip
            for draw in estimator.estimate(simulation, None).plot_functions().values():
                ax = draw()
                ax.figure.draw_without_rendering()
                labels = [label.get_text() for label in ax.get_legend().get_texts()]
                assert any(r"a_$\b$" in label for label in [ax.get_xlabel(), *labels])
        plt.close("all")

    def test_contours_are_labelled_with_units_and_levels(self, simulation):
        product = Contours(parameters=["crab.lon_0", "crab.lat_0"], points=8).estimate(
            simulation, None
        )
        axes = self.draw(product)
        assert list(axes) == [""]
        assert axes[""].get_xlabel() == "crab.spatial.lon_0 [deg]"
        labels = [label.get_text() for label in axes[""].get_legend().get_texts()]
        assert labels == ["best fit", "1σ (39.3 %)", "2σ (86.5 %)"]

    def test_several_pairs_are_drawn_together_and_separately(self, simulation):
        estimator = Contours(parameters=["crab.spectral.*", "sim-bkg.norm"], points=5)
        axes = self.draw(estimator.estimate(simulation, None))
        assert len(axes) == 4
        assert len(axes[""].figure.axes) == 4


@pytest.mark.parametrize(
    ("estimate", "message"),
    [
        ("{kind: profile-likelihood, parameters: [carb.index]}",
         r"unknown source 'carb' in 'carb.index'.*did you mean 'crab'"),
        ("{kind: contours, parameters: [crab.index, index]}", "'index' is not the name"),
        ("{kind: profile-likelihood, parameters: [crab.temporal.t0]}", "no temporal model"),
        ("{kind: contours, parameters: [crab.index, crab.amplitud]}",
         r"unknown parameter 'crab.amplitud'.*did you mean 'crab.amplitude'"),
        ("{kind: contours, parameters: [crab.index, crab.reference]}",
         "'crab.reference' is frozen"),
        ("{kind: profile-likelihood, parameters: [crab.reference]}", "'crab.reference' is frozen"),
    ],
    ids=["source", "no source", "part", "parameter", "frozen", "frozen alone"],
)  # fmt: skip
def test_unknown_parameters_are_reported_before_data_are_read(estimate, message):
    overrides = ["data.hess.archive=sim:crab", f"estimate.0={estimate}"]
    with pytest.raises(ConfigError, match=message):
        Pipeline.from_yaml(plain_gammapy.EXAMPLE, overrides=overrides)


def test_background_parameters_and_wildcards_are_not_checked_before_data_are_read():
    names = "[hess-bkg.norm, '*.index', crab.lon_0]"
    overrides = ["data.hess.archive=sim:crab",
               f"estimate.0={{kind: contours, parameters: {names}}}"]  # fmt: skip
    assert (
        Pipeline.from_yaml(plain_gammapy.EXAMPLE, overrides=overrides).estimate[0].kind
        == "contours"
    )
