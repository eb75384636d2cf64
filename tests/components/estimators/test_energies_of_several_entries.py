"""Energy edges of estimates, and data entries whose energy axes differ: judged before any data."""

from __future__ import annotations

import pytest
from gammapy.datasets import Datasets
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

import small_datasets as small
from skyred import Estimator, Pipeline, ReducedData, Reduction
from skyred.components.gammapy import (
    EnergyAxis,
    FluxPoints,
    Keep,
    LightCurve,
    ReflectedRegions,
    Source,
    SpectrumData,
    SpectrumGeometry,
)

LOW = EnergyAxis(min="0.1 TeV", max="1 TeV", bins=4)
HIGH = EnergyAxis(min="1 TeV", max="10 TeV", bins=4)
FINE = EnergyAxis(min="1 TeV", max="10 TeV", bins=5)
ONE = EnergyAxis(min="1 TeV", max="10 TeV", bins=1)


def entry(energy: EnergyAxis) -> Reduction:
    geometry = SpectrumGeometry(
        on_region="icrs; circle(83.63, 22.01, 0.1)",
        energy=energy,
        energy_true=EnergyAxis(min="0.05 TeV", max="20 TeV", bins=4),
    )
    make = [SpectrumData(), ReflectedRegions()]
    return Reduction(archive="sim:crab", geometry=geometry, make=make, stack=Keep())


def pipeline(estimate: Estimator, **data: Reduction) -> Pipeline:
    spectral = {"type": "pl", "index": 2, "amplitude": "1e-11 cm-2 s-1 TeV-1", "reference": "1 TeV"}
    return Pipeline(data=data, model=[Source(name="crab", spectral=spectral)], estimate=[estimate])


def points(*edges: float) -> FluxPoints:
    return FluxPoints(source="crab", energy_edges=[f"{edge} TeV" for edge in edges])


def told(estimate: Estimator, **data: Reduction) -> list[str]:
    whole = pipeline(estimate, **data)
    return [str(problem) for problem in whole.problems()]


def test_edges_outside_one_axis_and_inside_another_are_none() -> None:
    assert told(points(0.1, 0.3, 1, 3, 10), low=entry(LOW), high=entry(HIGH)) == []


def test_edges_outside_all_axes_are_told_with_their_range() -> None:
    (problem,) = told(points(0.1, 1, 30), low=entry(LOW), high=entry(HIGH))
    assert "0.1 TeV to 30.0 TeV reach outside the energy axes of data.low and data.high" in problem
    assert "expected edges from 0.1 TeV to 10.0 TeV" in problem


def test_edges_that_only_datasets_could_have_are_left_to_them() -> None:
    read = ReducedData(datasets=["spectra/pha_*.fits"])
    (problem,) = told(points(0.1, 1, 30), high=entry(HIGH), read=read)
    assert "no such file or folder: spectra/pha_*.fits" in problem  # that alone


def test_edges_of_one_bin_are_told_with_the_axis_they_crowd() -> None:
    (problem,) = told(points(0.1, 1, 1.1, 10), low=entry(LOW), high=entry(HIGH))
    assert "two of them lie at the same edge of the energy axis of data.high" in problem


@pytest.mark.parametrize(
    "estimate", [points(1, 10), LightCurve(source="crab", by="run")], ids=lambda each: each.kind
)
@pytest.mark.parametrize("other", [FINE, ONE], ids=["finer", "one bin"])
def test_axes_without_common_bins_are_told_by_entry(estimate: Estimator, other: EnergyAxis) -> None:
    (problem,) = told(estimate, one=entry(HIGH), other=entry(other))
    assert "data.one and data.other have no common bins of energy" in problem
    assert told(estimate, one=entry(HIGH), other=entry(HIGH)) == []


def test_edges_that_the_axis_lacks_are_told_with_those_that_are_taken(
    caplog: pytest.LogCaptureFixture,
) -> None:
    datasets = Datasets([small.spectrum_on_off()])
    datasets.models = [SkyModel(PowerLawSpectralModel(), name="crab")]
    edges = datasets[0].counts.geom.axes["energy"].edges
    FluxPoints(source="crab", energy_edges=edges, columns=[]).estimate(datasets, None)
    assert caplog.messages == []
    moved = [edges[0], 1.2 * edges[1], edges[3]]
    FluxPoints(source="crab", energy_edges=moved, columns=[]).estimate(datasets, None)
    (message,) = caplog.messages
    assert message.startswith(f"flux-points: the energy axis has no edge at {1.2 * edges[1]:.4g};")
