"""Models of plugins are evaluated before the fit, and faults in their values are reported."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy import units as u
from gammapy.modeling import Parameter
from gammapy.modeling.models import PowerLawNormSpectralModel, SkyModel, SpectralModel

from skyred.plugins.model_values import find_value_fault
from small_datasets import map_dataset


class PowerLaw(SpectralModel):
    """A power law with a fixed index."""

    tag = "own-power-law"
    norm = Parameter("norm", "1e-11 cm-2 s-1 TeV-1")

    def evaluate(self, energy: Any, norm: Any) -> Any:
        """Convert the energies."""
        return norm * energy.to_value("TeV") ** -2


class UsesNumbers(PowerLaw):
    """It ignores the unit of the energies."""

    norm = PowerLaw.norm

    def evaluate(self, energy: Any, norm: Any) -> Any:
        """Use the numbers, whatever their unit is."""
        return norm * energy.value**-2


class IntegratesNumbers(UsesNumbers):
    """It has an own integral that ignores the unit."""

    norm = PowerLaw.norm

    def integral(self, energy_min: Any, energy_max: Any, **kwargs: Any) -> Any:
        """Integrate the numbers."""
        return self.norm.quantity * u.TeV * (1 / energy_min.value - 1 / energy_max.value)


class Box(PowerLaw):
    """A box in units of GeV; rounding errors of energies may change values at its edges."""

    norm = PowerLaw.norm

    def evaluate(self, energy: Any, norm: Any) -> Any:
        """Return zero outside the box."""
        energies = energy.to_value("GeV")
        return np.where((energies > 500) & (energies <= 10_000), 1, 0) * norm.to("cm-2 s-1 erg-1")


class Noise(PowerLaw):
    """Its values are random numbers."""

    norm = PowerLaw.norm

    def evaluate(self, energy: Any, norm: Any) -> Any:
        """Return random numbers."""
        return norm * np.random.default_rng().uniform(1, 2, energy.shape)


class OnlyTeV(PowerLaw):
    """It does not support other units."""

    norm = PowerLaw.norm

    def evaluate(self, energy: Any, norm: Any) -> Any:
        """Raise an error for other units, which the fit does not use."""
        assert energy.unit == u.TeV
        return norm * energy.value**-2


def find_fault(spectrum: SpectralModel) -> str:
    return find_value_fault([SkyModel(spectrum, name="halo")], [map_dataset()])


@pytest.mark.parametrize(
    ("cls", "method"), [(UsesNumbers, "evaluate"), (IntegratesNumbers, "integral")]
)
def test_spectrum_that_ignores_the_unit_of_energies_is_a_fault(cls: Any, method: str) -> None:
    fault = find_fault(cls() * PowerLawNormSpectralModel() if method == "evaluate" else cls())
    assert f"has other values in {method} for the same energies in another unit" in fault


@pytest.mark.parametrize("cls", [PowerLaw, Box, Noise, OnlyTeV])
def test_spectra_in_other_units_or_with_noise_are_accepted(cls: Any) -> None:
    assert find_fault(cls()) == ""
