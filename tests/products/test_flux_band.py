"""Error bands of spectral models agree with linear propagation, and with gammapy's samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy import units as u
from gammapy.modeling import Covariance
from gammapy.modeling.models import (
    ExpCutoffPowerLawSpectralModel,
    LogParabolaSpectralModel,
    PiecewiseNormSpectralModel,
    PowerLawNormSpectralModel,
    PowerLawSpectralModel,
    SkyModel,
    SpectralModel,
)

from skyred import flux_band

ENERGIES = np.geomspace(0.7, 30, 20) * u.TeV
# the Crab at 1 TeV: relative errors and correlations as in fits of a few hours
CASES = {
    "power law": (
        PowerLawSpectralModel(amplitude="3.5e-11 cm-2 s-1 TeV-1", index=2.6),
        {"amplitude": 2e-12, "index": 0.06},
        0.4,
    ),
    "log parabola": (
        LogParabolaSpectralModel(amplitude="3.5e-11 cm-2 s-1 TeV-1", alpha=2.5, beta=0.15),
        {"amplitude": 2e-12, "alpha": 0.08, "beta": 0.05},
        -0.5,
    ),
    "cutoff": (
        ExpCutoffPowerLawSpectralModel(
            amplitude="3.5e-11 cm-2 s-1 TeV-1", index=2.3, lambda_="0.07 TeV-1"
        ),
        {"amplitude": 2e-12, "index": 0.1, "lambda_": 0.02},
        -0.6,
    ),
}


def set_covariance(model: Any, errors: dict[str, float], correlation: float) -> Any:
    """Set errors of parameters, with one correlation between neighbouring parameters."""
    model = model.copy()
    indices = [model.parameters.names.index(name) for name in errors]
    sigma = np.array(list(errors.values()))
    distance = np.abs(np.subtract.outer(np.arange(len(sigma)), np.arange(len(sigma))))
    data = np.zeros((len(model.parameters), len(model.parameters)))
    data[np.ix_(indices, indices)] = correlation**distance * np.outer(sigma, sigma)
    model.covariance = Covariance(model.parameters, data).data
    return model


def linear_errors(model: Any, energies: u.Quantity) -> u.Quantity:
    """Propagate the covariance with derivatives from tiny differences."""
    derivatives = []
    for parameter in model.parameters:
        value, step = parameter.value, 1e-5 * (parameter.error or 1)
        parameter.value = value + step
        upper_flux = model(energies)
        parameter.value = value - step
        derivatives.append((upper_flux - model(energies)) / (2 * step))
        parameter.value = value
    jacobian = u.Quantity(derivatives)
    variance = np.einsum("ie,ij,je->e", jacobian.value, model.covariance.data, jacobian.value)
    return np.sqrt(variance) * jacobian.unit


@pytest.mark.parametrize("case", CASES)
def test_error_is_the_linear_propagation_of_small_errors(case: str) -> None:
    model, errors, correlation = CASES[case]
    model = set_covariance(model, {name: 0.1 * e for name, e in errors.items()}, correlation)
    band, expected = flux_band(model, ENERGIES), linear_errors(model, ENERGIES)
    np.testing.assert_allclose(band.error / expected, 1, rtol=1e-3)
    np.testing.assert_array_equal(band.dnde, model(ENERGIES))
    for edge in (band.upper - band.dnde, band.dnde - band.lower):
        np.testing.assert_allclose(edge / expected, 1, rtol=0.04)


@pytest.mark.parametrize("case", CASES)
def test_bands_match_samples_of_gammapy(case: str) -> None:
    model = set_covariance(*CASES[case])
    band = flux_band(model, ENERGIES)
    dnde, lower, upper = model.evaluate_error(ENERGIES)
    np.testing.assert_allclose(band.upper / (dnde + upper), 1, rtol=0.05)
    np.testing.assert_allclose(band.lower / (dnde - lower), 1, rtol=0.05)
    np.testing.assert_allclose(2 * band.error / (lower + upper), 1, rtol=0.05)


class Counted(SpectralModel):
    """A power law that counts its evaluations."""

    tag = "counted"
    index = PowerLawSpectralModel.index
    amplitude = PowerLawSpectralModel.amplitude
    reference = PowerLawSpectralModel.reference
    calls: list[int] = []  # shared with the copies of the model
    indices: list[float] = []

    @staticmethod
    def evaluate(energy: Any, index: Any, amplitude: Any, reference: Any) -> Any:
        """Evaluate the power law."""
        Counted.calls.append(energy.size)
        Counted.indices.append(float(index.value))
        return PowerLawSpectralModel.evaluate(energy, index, amplitude, reference)


def test_number_of_evaluations_is_two_for_each_free_parameter_and_one() -> None:
    model = set_covariance(Counted(), {"amplitude": 1e-13, "index": 0.1}, 0.2)
    Counted.calls.clear()
    flux_band(model, ENERGIES)
    assert Counted.calls == [ENERGIES.size] * 5


def test_band_does_not_depend_on_units_and_little_on_the_reference_energy() -> None:
    model = set_covariance(*CASES["power law"])
    moved_model = model.copy()
    moved_model.reference.value = 10
    factor = 10**-model.index.value
    moved_model.amplitude.value *= factor
    jacobian = np.eye(3)  # of index, amplitude, reference
    jacobian[1] = [-np.log(10) * moved_model.amplitude.value, factor, 0]
    moved_model.covariance = jacobian @ model.covariance.data @ jacobian.T
    band, moved = flux_band(model, ENERGIES), flux_band(moved_model, ENERGIES)
    np.testing.assert_allclose(moved.error / band.error, 1, rtol=0.01)
    np.testing.assert_allclose(moved.upper / band.upper, 1, rtol=0.01)
    np.testing.assert_allclose(moved.lower / band.lower, 1, rtol=0.01)
    in_other_unit = model.copy()
    in_other_unit.amplitude.quantity = model.amplitude.quantity.to("m-2 s-1 GeV-1")
    scale = np.diag([1, 10, 1])
    in_other_unit.covariance = scale @ model.covariance.data @ scale
    converted = flux_band(in_other_unit, ENERGIES)
    np.testing.assert_allclose((converted.upper / band.upper).to_value(""), 1, rtol=1e-9)


def test_lower_edge_is_not_negative_and_limits_of_parameters_are_respected() -> None:
    model = set_covariance(PowerLawSpectralModel(), {"amplitude": 5e-12, "index": 2.0}, 0.9)
    band = flux_band(model, ENERGIES)
    assert np.all(band.lower.value >= 0)
    assert np.all(band.upper > band.dnde)

    limited = set_covariance(Counted(), {"index": 0.4}, 0)
    limited.index.min = 1.9
    Counted.indices.clear()
    band = flux_band(limited, ENERGIES)
    assert sorted(Counted.indices) == pytest.approx([1.9, 2.0, 2.4])
    logarithm = np.log(ENERGIES.value)
    np.testing.assert_allclose((band.error / band.dnde).to_value(""), np.abs(
        (np.exp(-0.4 * logarithm) - 1 - (np.exp(0.1 * logarithm) - 1) / 0.25) / 2))  # fmt: skip


def test_without_errors_the_band_has_no_width_and_with_unknown_errors_it_is_nan() -> None:
    model = PowerLawSpectralModel()
    band = flux_band(model, ENERGIES)
    np.testing.assert_array_equal(band.lower, band.upper)
    model.index.error = np.nan
    assert np.all(np.isnan(flux_band(model, ENERGIES).upper))


def test_frozen_parameters_do_not_contribute() -> None:
    model = set_covariance(*CASES["power law"])
    model.index.frozen = True
    expected = model(ENERGIES) * (2e-12 / 3.5e-11)
    np.testing.assert_allclose(flux_band(model, ENERGIES).error / expected, 1, rtol=1e-9)


def test_linked_parameters_of_compound_models_are_shifted_together() -> None:
    first, second = PowerLawSpectralModel(), PowerLawSpectralModel(amplitude="3e-12 cm-2 s-1 TeV-1")
    second.index = first.index
    model = first + second
    first.index.error = 0.01
    expected = model(ENERGIES) * 0.01 * np.abs(np.log(ENERGIES.value))
    np.testing.assert_allclose(flux_band(model, ENERGIES).error / expected, 1, rtol=1e-3)


def test_norm_models_and_products_have_bands() -> None:
    norm = PowerLawNormSpectralModel()
    norm.norm.error = 0.1
    band = flux_band(norm, ENERGIES)
    np.testing.assert_allclose(band.error.to_value(""), 0.1)
    product = flux_band(PowerLawSpectralModel() * norm, ENERGIES)
    np.testing.assert_allclose((product.error / product.dnde).to_value(""), 0.1)

    pieces = PiecewiseNormSpectralModel(energy=[1, 10] * u.TeV)
    assert flux_band(pieces, ENERGIES).dnde.shape == ENERGIES.shape


def test_sky_models_are_accepted_and_nothing_is_changed() -> None:
    spectral = set_covariance(*CASES["power law"])
    before = spectral.parameters.value.copy(), spectral.covariance.data.copy()
    band = flux_band(SkyModel(spectral), ENERGIES.reshape(4, 5))
    assert band.upper.shape == (4, 5)
    np.testing.assert_array_equal(spectral.parameters.value, before[0])
    np.testing.assert_array_equal(spectral.covariance.data, before[1])


@pytest.mark.parametrize("bounds", [(2.6, 5.0), (2.5998, 2.6002)], ids=["at-limit", "narrow"])
def test_limits_in_both_directions_do_not_narrow_the_band(bounds: tuple[float, float]) -> None:
    model = PowerLawSpectralModel(amplitude="3.5e-11 cm-2 s-1 TeV-1", index=2.6)
    model = set_covariance(model, {"amplitude": 3.5e-13, "index": 0.01}, -0.9)
    expected = linear_errors(model, ENERGIES).to_value("cm-2 s-1 TeV-1")
    model.index.min, model.index.max = bounds
    model.amplitude.min = model.amplitude.value
    error = flux_band(model, ENERGIES).error.to_value("cm-2 s-1 TeV-1")
    # small errors: the flux is linear in the parameters to about 2 %
    np.testing.assert_allclose(error, expected, rtol=0.03)
