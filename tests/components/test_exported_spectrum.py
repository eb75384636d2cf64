"""The exported spectrum script runs without skyred and gives the same results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets, SpectrumDatasetOnOff

import plain_gammapy
import plain_spectra as spectra
import skyred
from exported_scripts import ScriptResults, run_exported
from skyred import Pipeline

pytestmark = [pytest.mark.data, pytest.mark.slow]
# a short analysis, without scans and asymmetric errors, which need a fit for each value
OVERRIDES = [
    "data.hess.select=[{kind: observation-ids, ids: [23526, 23523]}]",
    "estimate.0.columns=[ul]",
    "estimate.0.energy_edges=[1 TeV, 4 TeV, 10 TeV]",
]
RUNS = plain_gammapy.RUNS[:2]
EXAMPLE = plain_gammapy.EXAMPLE.parent / "spectrum.yaml"


@pytest.fixture(scope="module")
def exported(compute_once: Any) -> ScriptResults:
    pipeline = Pipeline.from_yaml(EXAMPLE, overrides=OVERRIDES)
    return compute_once("exported-spectrum", lambda folder: run_exported(pipeline, folder))


@pytest.fixture(scope="module")
def plain_spectra(compute_once: Any) -> list[SpectrumDatasetOnOff]:
    def reduce(_: Path) -> list[SpectrumDatasetOnOff]:
        return [spectra.make_run(run) for run in plain_gammapy.observations(plain_gammapy.RUNS)]

    return compute_once("plain-spectra", reduce)


def datasets_with_initial_models(exported: ScriptResults) -> Datasets:
    """Return the datasets of the script with the models from which its fit starts."""
    datasets = exported.datasets.copy()
    datasets.models = Pipeline.from_yaml(EXAMPLE).model[0].build(datasets)
    return datasets


def test_spectra_agree_with_gammapy(
    exported: ScriptResults, plain_spectra: list[SpectrumDatasetOnOff]
) -> None:
    assert exported.datasets.names == [f"hess-{run}" for run in RUNS]
    for pair in zip(exported.datasets, plain_spectra[:2], strict=True):
        for name in ("counts", "counts_off", "mask_safe", "acceptance", "acceptance_off"):
            np.testing.assert_array_equal(*[getattr(dataset, name).data for dataset in pair])
        # written as float32
        np.testing.assert_allclose(*[dataset.exposure.data for dataset in pair], rtol=1e-6)


def test_fit_agrees_with_skyred(exported: ScriptResults) -> None:
    datasets = datasets_with_initial_models(exported)
    fit = skyred.fit(datasets)
    parameters = exported.models.parameters.free_parameters
    pulls = [(parameter.value - value) / error for parameter, value, error
             in zip(parameters, fit.values, fit.errors, strict=True)]  # fmt: skip
    assert np.max(np.abs(pulls)) < 0.01
    np.testing.assert_allclose([parameter.error for parameter in parameters], fit.errors, rtol=0.01)
    assert datasets.stat_sum() == pytest.approx(fit.stat, abs=1e-3)


def test_flux_points_agree_with_skyred(exported: ScriptResults) -> None:
    datasets = exported.datasets.copy()
    datasets.models = exported.models
    edges = [1, 4, 10] * u.TeV
    expected = skyred.flux_points(datasets, "crab", edges, selection_optional=["ul"])
    for name in ("norm_err", "norm_ul", "ts"):
        values, expected_values = (getattr(flux, name).data for flux in (exported.flux, expected))
        np.testing.assert_allclose(values, expected_values, rtol=1e-3)
    # gammapy's fit of a norm stops early, especially with few counts
    pulls = (exported.flux.norm.data - expected.norm.data) / expected.norm_err.data
    assert np.max(np.abs(pulls)) < 0.01
    np.testing.assert_array_equal(exported.flux.counts.data, expected.counts.data)
