"""Fluxes with a reference model that is negative or zero, or changes sign with energy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets, SpectrumDatasetOnOff
from gammapy.estimators import FluxPoints
from gammapy.modeling import Parameter
from gammapy.modeling.models import (
    LogParabolaSpectralModel,
    PowerLawSpectralModel,
    SkyModel,
    SpectralModel,
)
from regions import CircleSkyRegion

import skyred
import small_datasets as small
from skyred.components.estimators.flux_points import FluxPointsProduct
from skyred.errors import SkyredWarning
from skyred.likelihood import flux_profile, light_curve
from skyred.likelihood.flux.reference import AbsoluteValueSpectralModel, positive_spectrum
from skyred.likelihood.flux.variability import Variability
from skyred.products.light_curve import LightCurveProduct

EDGES = small.ENERGY.edges
OPTIONAL = ["errn-errp", "ul", "sensitivity", "scan"]
FLUXES = ("dnde", "dnde_err", "dnde_errn", "dnde_errp", "dnde_ul", "dnde_sensitivity", "flux",
          "flux_ul", "eflux", "eflux_ul", "sqrt_ts", "ts", "stat", "npred_excess")  # fmt: skip


def power_law(amplitude: float, index: float = 2.3) -> PowerLawSpectralModel:
    return PowerLawSpectralModel(index=index, amplitude=amplitude * u.Unit("cm-2 s-1 TeV-1"))


def with_model(spectral: Any, *datasets: Any) -> Datasets:
    all_datasets = Datasets(list(datasets) or [small.spectrum_on_off()])
    all_datasets.models = [SkyModel(spectral, name="crab")]
    return all_datasets


def points(spectral: Any, edges: u.Quantity = EDGES, **options: Any) -> FluxPoints:
    datasets = with_model(spectral)
    return skyred.flux_points(datasets, "crab", edges, selection_optional=OPTIONAL, **options)


def assert_same_fluxes(
    first_points: FluxPoints, second_points: FluxPoints, rtol: float = 1e-6
) -> None:
    for name in FLUXES:
        if name.removeprefix("dnde_") == "err" and name not in first_points.available_quantities:
            continue
        first, second = (
            getattr(flux_points, name) for flux_points in (first_points, second_points)
        )
        np.testing.assert_allclose(
            second.data, first.data, rtol=rtol, atol=1e-6 * np.nanmax(abs(first.data)), err_msg=name
        )
        assert first.unit == second.unit


class SignChange(SpectralModel):
    """A spectrum that is positive in the first bin, and negative in the last.

    The integral is analytical, since gammapy's numerical integral fails if the sign changes.
    """

    tag = ("SignChange", "sign-change")
    amplitude = Parameter("amplitude", "1e-11 cm-2 s-1 TeV-1")

    @staticmethod
    def evaluate(energy: Any, amplitude: Any) -> Any:
        x = (energy / u.TeV).to("").value
        return amplitude * (x**-3 - 0.3 * x**-2)

    @staticmethod
    def evaluate_integral(energy_min: Any, energy_max: Any, amplitude: Any) -> Any:
        low, high = ((energy / u.TeV).to("").value for energy in (energy_min, energy_max))
        return amplitude * u.TeV * (0.5 * (low**-2 - high**-2) - 0.3 * (1 / low - 1 / high))


class TestReference:
    def test_positive_spectrum_is_its_own_reference(self) -> None:
        spectral = power_law(1e-12)
        assert positive_spectrum(spectral, EDGES) is spectral

    def test_reference_of_a_negative_spectrum_has_the_opposite_sign(self) -> None:
        spectral = LogParabolaSpectralModel(amplitude="-2e-12 cm-2 s-1 TeV-1")
        spectral.amplitude.max = 1e-13
        spectral.covariance = np.diag([4e-26, 0, 1, 1]) + 1e-14 * np.eye(4)[::-1]
        opposite = positive_spectrum(spectral, EDGES)
        assert type(opposite) is LogParabolaSpectralModel
        assert opposite.amplitude.value == 2e-12
        assert opposite.amplitude.min == -1e-13
        assert np.isnan(opposite.amplitude.max)
        assert spectral.amplitude.value == -2e-12
        energy = 3 * u.TeV
        np.testing.assert_allclose(opposite(energy), -spectral(energy))
        expected = spectral.covariance.data.copy()
        expected[0, 1:] *= -1
        expected[1:, 0] *= -1
        np.testing.assert_array_equal(opposite.covariance.data, expected)

    def test_reference_of_a_spectrum_with_both_signs_is_its_absolute_value(self) -> None:
        spectral = SignChange()
        absolute_value = positive_spectrum(spectral, EDGES)
        assert isinstance(absolute_value, AbsoluteValueSpectralModel)
        np.testing.assert_allclose(
            absolute_value.integral(EDGES[:-1], EDGES[1:]),
            abs(spectral.integral(EDGES[:-1], EDGES[1:])),
        )


class TestFluxPoints:
    @pytest.mark.parametrize("amplitude", [-1e-12, -3.5e-20, 3.5e-20])
    def test_fluxes_do_not_depend_on_the_amplitude(self, amplitude: float) -> None:
        assert_same_fluxes(points(power_law(1e-12)), points(power_law(amplitude)))

    def test_norm_limit_of_zero_limits_the_flux(self) -> None:
        limited = points(power_law(-1e-12), norm={"min": 0})
        free = points(power_law(1e-12))
        np.testing.assert_allclose(
            limited.flux.data, np.maximum(free.flux.data, 0), rtol=1e-6, atol=1e-20
        )
        assert np.all(limited.flux_ul.data > limited.flux.data)
        at_limit = limited.flux.data == 0
        assert np.isnan(limited.flux_errn.data[at_limit]).all()
        np.testing.assert_allclose(limited.ts.data[at_limit], 0, atol=1e-9)

    def test_bin_with_a_sign_change_has_no_flux_point(self) -> None:
        datasets = with_model(SignChange())
        # without energy dispersion, so that the counts of a bin depend only on the flux in it
        datasets[0].edisp = None
        with pytest.warns(SkyredWarning, match="no flux point .* changes sign in the bin"):
            flux_points = skyred.flux_points(datasets, "crab", EDGES, selection_optional=OPTIONAL)
        assert np.all(flux_points.dnde_ref > 0)
        assert flux_points.success.data.ravel().tolist() == [True, False, True]
        for name in ("norm", "norm_ul", "flux", "ts"):
            assert np.isnan(getattr(flux_points, name).data[1]).all()
        for number, amplitude in ((0, 1e-11), (2, -1e-11)):
            bounds = EDGES[number : number + 2]
            spectral = SignChange(amplitude=amplitude * u.Unit("cm-2 s-1 TeV-1"))
            datasets.models = [SkyModel(spectral, name="crab")]
            single_bin = skyred.flux_points(datasets, "crab", bounds, selection_optional=OPTIONAL)
            for name in ("flux", "flux_ul", "dnde", "dnde_errp", "sqrt_ts"):
                pair = (getattr(flux_points, name).data[number], getattr(single_bin, name).data[0])
                np.testing.assert_allclose(*pair, rtol=1e-6, err_msg=name)

    def test_reference_of_zero_has_no_flux(self) -> None:
        with pytest.warns(SkyredWarning, match="the reference flux is zero"):
            flux_points = points(power_law(0.0))
        assert not flux_points.success.data.any()
        assert np.isnan(flux_points.flux_ul.data).all()

    @pytest.mark.slow
    def test_estimates_by_gammapy_have_a_positive_reference(self) -> None:
        class UnknownDataset(SpectrumDatasetOnOff):
            pass

        datasets = with_model(power_law(-1e-12))
        datasets[0].__class__ = UnknownDataset
        optional = ["errn-errp", "ul"]
        with pytest.warns(SkyredWarning, match="estimated by gammapy"):
            actual = skyred.flux_points(datasets, "crab", EDGES, selection_optional=optional)
        expected = points(power_law(1e-12))
        for name in ("dnde", "dnde_ul", "dnde_errn", "dnde_errp", "flux_ul"):
            pair = (getattr(flux_points, name).data for flux_points in (actual, expected))
            np.testing.assert_allclose(*pair, rtol=1e-3, atol=1e-16, err_msg=name)

    def test_fluxes_with_other_free_parameters_do_not_depend_on_the_sign(self) -> None:
        points_by_sign = []
        for amplitude in (4e-11, -4e-11):
            datasets = with_model(power_law(amplitude), small.spectrum_on_off())
            weak = SkyModel(power_law(5e-13, 2.6), name="weak")
            weak.spectral_model.index.min, weak.spectral_model.index.max = 2.5, 2.7
            weak.spectral_model.amplitude.frozen = True
            datasets.models = [*datasets.models, weak]
            options = {"selection_optional": ["errn-errp", "ul"], "reoptimize": True}
            points_by_sign.append(skyred.flux_points(datasets, "crab", [1, 10] * u.TeV, **options))
        for name in ("dnde", "dnde_ul", "dnde_errn", "dnde_errp", "sqrt_ts"):
            positive, negative = (getattr(flux_points, name).data for flux_points in points_by_sign)
            np.testing.assert_allclose(negative, positive, rtol=1e-3, err_msg=name)

    def test_scan_norms_are_the_same_for_all_bins(self) -> None:
        norm = Parameter("norm", 0.5, scan_n_sigma=3, scan_n_values=5)
        datasets = with_model(power_law(-4e-11))
        flux_points = skyred.flux_points(
            datasets, "crab", EDGES, selection_optional=["scan"], norm=norm
        )
        norms = flux_points.stat_scan.geom.axes["norm"].center
        for number in range(3):
            bounds, row = EDGES[number : number + 2], flux_points.stat_scan.data[number].ravel()
            single_bin = {"norm": {"scan_values": norms}, "selection_optional": ["scan"]}
            expected = skyred.flux_points(
                datasets, "crab", bounds, **single_bin
            ).stat_scan.data.ravel()
            np.testing.assert_allclose(row, expected, rtol=1e-9)


class TestFiles:
    def test_flux_points_can_be_read_back(self, tmp_path: Path) -> None:
        flux, model = points(power_law(-1e-12)), SkyModel(power_law(-1e-12), name="crab")
        product = FluxPointsProduct("fp", flux, model)
        product.write(tmp_path)
        path = tmp_path / "fp.fits"
        assert_same_fluxes(flux, FluxPointsProduct.read(tmp_path, "fp", model_list(model)).flux)
        assert_same_fluxes(flux, FluxPoints.read(path, reference_model=flux.reference_model))
        # without a model, gammapy interpolates the reference fluxes: only dnde is exact
        gammapy_flux = FluxPoints.read(path)
        for name in ("dnde", "dnde_ul", "dnde_errn", "sqrt_ts"):
            pair = (getattr(flux_points, name).data for flux_points in (gammapy_flux, flux))
            np.testing.assert_allclose(*pair, rtol=1e-5, err_msg=name)

    def test_files_with_a_negative_reference_keep_their_fluxes(self, tmp_path: Path) -> None:
        model = SkyModel(power_law(-1e-12), name="crab")
        flux = points(power_law(-1e-12))
        maps = {"norm": flux.norm * -1, "norm_err": flux.norm_err * -1}
        negative = FluxPoints.from_maps(maps, "likelihood", model)
        FluxPointsProduct("fp", negative, model).write(tmp_path)
        loaded = FluxPointsProduct.read(tmp_path, "fp", model_list(model)).flux
        np.testing.assert_allclose(loaded.dnde.data, flux.dnde.data, rtol=1e-6)

    def test_light_curve_can_be_read_back(self, tmp_path: Path) -> None:
        curves = []
        for amplitude in (-1e-12, 1e-12):
            datasets = with_model(power_law(amplitude))
            curves.append(light_curve(datasets, "crab", "run", EDGES, selection_optional=OPTIONAL))
        assert_same_fluxes(*(curve.flux for curve in curves))
        model = SkyModel(power_law(-1e-12), name="crab")
        from skyred.components.estimators.light_curve import details_table

        table = details_table(curves[0], with_model(power_law(-1e-12)))
        LightCurveProduct("lc", curves[0].flux, table, model).write(tmp_path)
        loaded = LightCurveProduct.read(tmp_path, "lc", model_list(model))
        assert_same_fluxes(curves[0].flux, loaded.flux)


def model_list(model: SkyModel) -> Any:
    from gammapy.modeling.models import Models

    return Models([model])


def test_flux_profile_does_not_depend_on_the_sign() -> None:
    dataset = small.map_dataset()
    dataset.mask_safe.data = dataset.mask_safe.data.astype(float)
    centres = [
        small.centre().directional_offset_by(90 * u.deg, offset * u.deg) for offset in (0, 0.2)
    ]
    regions = [CircleSkyRegion(centre, 0.1 * u.deg) for centre in centres]
    profiles = [
        flux_profile(dataset, regions, power_law(amplitude), EDGES, selection_optional=OPTIONAL)
        for amplitude in (-1e-12, 1e-12)
    ]
    assert_same_fluxes(*(profile.flux for profile in profiles))
    flux = profiles[0].flux
    is_fitted = flux.success.data
    assert is_fitted.any()
    assert np.all(flux.flux_ul.data[is_fitted] > flux.flux.data[is_fitted])


def test_negative_mean_flux_has_no_fractional_variance() -> None:
    flux, error = np.array([-3.0, 1.0, -5.0]), np.full(3, 0.5)
    variability = Variability.from_fluxes(flux, error)
    assert variability is not None
    assert np.isnan([variability.fvar, variability.fvar_err]).all()
    assert variability.chi2 == Variability.from_fluxes(-flux, error).chi2
