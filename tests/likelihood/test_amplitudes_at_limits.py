"""Errors of amplitudes at limits, where the statistic is linear, compared with exact values."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.irf import EDispKernelMap
from gammapy.maps import MapAxis, RegionGeom
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

import skyred


def create_datasets(background: float, unit: str) -> Datasets:
    """Return a spectrum without counts, whose statistic is linear in the amplitude."""
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    energy_true = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=6, name="energy_true")
    geom = RegionGeom.create("icrs;circle(0, 0, 0.1)", axes=[energy])
    dataset = SpectrumDataset.create(geom, energy_axis_true=energy_true, name="empty")
    dataset.exposure.quantity = np.full(dataset.exposure.data.shape, 1e14) * u.Unit("cm2 s")
    dataset.edisp = EDispKernelMap.from_diagonal_response(energy, energy_true)
    dataset.background.data[...] = background
    dataset.mask_safe.data[...] = True
    amplitude = (1e-13 * u.Unit("cm-2 s-1 TeV-1")).to(unit)
    model = SkyModel(PowerLawSpectralModel(amplitude=amplitude), name="source")
    model.spectral_model.amplitude.min = 0
    model.spectral_model.index.frozen = True
    datasets = Datasets([dataset])
    datasets.models = [model]
    return datasets


@pytest.mark.parametrize("unit", ["cm-2 s-1 TeV-1", "m-2 s-1 GeV-1"])
@pytest.mark.parametrize("background", [0.0, 1e-3, 10.0])
def test_error_is_the_distance_at_which_the_statistic_has_risen_by_one(
    background: float, unit: str
) -> None:
    datasets = create_datasets(background, unit)
    amplitude = datasets.models.parameters["amplitude"]
    signal = datasets[0].npred_signal().data.sum()
    expected = amplitude.value / (2 * signal)  # the statistic is 2 npred without counts
    result = skyred.fit(datasets)
    assert result.success
    assert result.at_limit == ("source.spectral.amplitude",)
    np.testing.assert_allclose(result.values, 0)
    np.testing.assert_allclose(result.errors, expected, rtol=0.01)  # of the search for the rise
    np.testing.assert_allclose(amplitude.error, result.errors)


def test_statistic_of_gammapy_has_risen_by_one_at_the_error_of_a_deficit() -> None:
    datasets = create_datasets(5.0, "cm-2 s-1 TeV-1")
    datasets[0].counts.data[2] = 1
    result = skyred.fit(datasets)
    assert result.at_limit == ("source.spectral.amplitude",)
    amplitude = datasets.models.parameters["amplitude"]
    stats = []
    for amplitude.value in (0, result.errors[0]):
        stats.append(datasets.stat_sum())
    assert np.diff(stats) == pytest.approx(1, abs=0.02)


def test_amplitude_without_exposure_is_unconstrained() -> None:
    datasets = create_datasets(1.0, "cm-2 s-1 TeV-1")
    datasets[0].exposure.data[...] = 0
    datasets.models.parameters["amplitude"].value = 0  # at the limit
    result = skyred.fit(datasets)
    assert not result.success
    assert result.unconstrained == ("source.spectral.amplitude",)
    assert np.isnan(result.errors).all()
