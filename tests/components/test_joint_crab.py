"""A fit of five instruments, compared with the published Crab spectrum and with gammapy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets, SpectrumDatasetOnOff
from gammapy.estimators import FluxPointsEstimator
from gammapy.modeling import Fit
from gammapy.modeling.models import LogParabolaSpectralModel, Models, SkyModel

import plain_gammapy
from skyred import Pipeline, Result

pytestmark = [pytest.mark.data, pytest.mark.slow]
EXAMPLE = plain_gammapy.EXAMPLE.with_name("joint-crab.yaml")
RANGES = {"hess": (0.66, 30), "magic": (0.08, 30), "veritas": (0.15, 30), "fact": (0.4, 30),
          "fermi": (0.03, 2)}  # fmt: skip
EDGES = [0.03, 0.1, 0.3, 1, 3, 10, 30] * u.TeV
# Nigro et al. 2019, A&A 625, A10: the joint fit, with the curvature in log10
PUBLISHED = {"amplitude": (38.5e-12, 1.1e-12), "alpha": (2.51, 0.03), "beta": (0.24, 0.02)}


@pytest.fixture(scope="module")
def joint(compute_once: Any) -> Result:
    return compute_once(
        "joint-crab", lambda folder: Pipeline.from_yaml(EXAMPLE).run(folder / "joint")
    )


@attrs.define
class PlainFit:
    datasets: Datasets
    stat: float


@pytest.fixture(scope="module")
def plain_fit(compute_once: Any) -> PlainFit:
    def fit(_: Path) -> PlainFit:
        datasets = Datasets()
        folder = Path(os.environ["GAMMAPY_DATA"], "joint-crab", "spectra")
        for name, (low, high) in RANGES.items():
            for number, path in enumerate(sorted((folder / name).glob("pha_*.fits")), start=1):
                dataset = SpectrumDatasetOnOff.read(path, name=f"{name}-{number}")
                geom = dataset.counts.geom
                dataset.mask_fit = geom.energy_mask(low * u.TeV, high * u.TeV)
                datasets.append(dataset)
        spectral = LogParabolaSpectralModel(
            amplitude="3e-11 cm-2 s-1 TeV-1", reference="1 TeV", alpha=2.4, beta=0.1
        )
        datasets.models = [SkyModel(spectral_model=spectral, name="crab")]
        stat = Fit().run(datasets).total_stat
        Fit(covariance_opts={"strategy": 2}).covariance(datasets)
        return PlainFit(datasets, float(stat))

    return compute_once("plain-joint-crab", fit)


def values_and_errors(result: Result) -> dict[str, tuple[float, float]]:
    """Return the value and error of each parameter, with beta in log10."""
    assert result.fit is not None
    names = [name.rpartition(".")[2] for name in result.fit.names]
    pairs = zip(result.fit.values, result.fit.errors, strict=True)
    parameters = dict(zip(names, pairs, strict=True))
    # gammapy's log parabola uses the natural logarithm
    parameters["beta"] = tuple(np.log(10) * np.array(parameters["beta"]))
    return parameters


def test_fit_agrees_with_the_published_values(joint: Result) -> None:
    assert joint.fit is not None
    assert joint.fit.success
    for name, (value, error) in values_and_errors(joint).items():
        published, published_error = PUBLISHED[name]
        # the published digits are rounded
        assert abs(value - published) < 0.3 * published_error
        assert error == pytest.approx(published_error, rel=0.25)


def test_masks_and_counts_agree_with_gammapy(joint: Result, plain_fit: PlainFit) -> None:
    assert joint.datasets is not None
    assert joint.datasets.names == plain_fit.datasets.names
    for actual, expected in zip(joint.datasets, plain_fit.datasets, strict=True):
        np.testing.assert_array_equal(actual.mask.data, expected.mask.data)
        np.testing.assert_array_equal(actual.counts.data, expected.counts.data)
        np.testing.assert_array_equal(actual.counts_off.data, expected.counts_off.data)


def test_fit_agrees_with_gammapy(joint: Result, plain_fit: PlainFit) -> None:
    assert joint.fit is not None
    assert joint.fit.stat == pytest.approx(plain_fit.stat, abs=1e-3)
    free = plain_fit.datasets.models.parameters.free_parameters
    for value, error, parameter in zip(joint.fit.values, joint.fit.errors, free, strict=True):
        assert abs(value - parameter.value) < 0.01 * error
        assert error == pytest.approx(parameter.error, rel=0.01)


def test_flux_points_of_partly_covered_bins_agree_with_gammapy(
    joint: Result, plain_fit: PlainFit
) -> None:
    # bin by bin, since `FluxPointsEstimator.run` fails if datasets cover different bins
    datasets = Datasets([dataset.copy(name=dataset.name) for dataset in plain_fit.datasets])
    assert joint.models is not None
    datasets.models = Models(joint.models).copy()
    estimator = FluxPointsEstimator(source="crab", energy_edges=EDGES)
    table = joint.estimates["flux-points"].flux.to_table(sed_type="likelihood")
    assert len(table) == 6
    for index in (0, 1, 5):
        row = estimator.estimate_flux_point(datasets, *EDGES[[index, index + 1]])
        for name in ("norm", "norm_err", "ts", "stat"):
            assert table[name][index] == pytest.approx(row[name], rel=1e-3)
        assert table["counts"][index].sum() == row["counts"].sum()
        assert np.sum(table["npred"][index]) == pytest.approx(np.sum(row["npred"]), rel=1e-3)


def test_energies_have_the_configured_unit(joint: Result) -> None:
    # the energies in the files are in keV
    table = joint.estimates["flux-points"].table()
    assert table["e_ref"].unit == u.TeV
    np.testing.assert_allclose(table["e_max"][:-1], table["e_min"][1:], rtol=1e-9)
