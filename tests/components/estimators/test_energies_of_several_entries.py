"""Checks of energy edges against data entries with different energy axes, before data are read."""

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
ONE_BIN = EnergyAxis(min="1 TeV", max="10 TeV", bins=1)


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


def flux_points(*edges: float) -> FluxPoints:
    return FluxPoints(source="crab", energy_edges=[f"{edge} TeV" for edge in edges])


def messages(estimate: Estimator, **data: Reduction) -> list[str]:
    return [str(problem) for problem in pipeline(estimate, **data).problems()]


def test_edges_inside_one_of_the_axes_are_valid() -> None:
    assert messages(flux_points(0.1, 0.3, 1, 3, 10), low=entry(LOW), high=entry(HIGH)) == []


def test_edges_outside_all_axes_are_reported_with_the_range_of_the_axes() -> None:
    (problem,) = messages(flux_points(0.1, 1, 30), low=entry(LOW), high=entry(HIGH))
    assert "0.1 TeV to 30.0 TeV extends beyond the energy axes of data.low and data.high" in problem
    assert "expected edges within 0.1 TeV to 10.0 TeV" in problem


def test_edges_are_not_checked_against_axes_in_unread_datasets() -> None:
    spectra = ReducedData(datasets=["spectra/pha_*.fits"])
    (problem,) = messages(flux_points(0.1, 1, 30), high=entry(HIGH), spectra=spectra)
    assert "no such file or folder: spectra/pha_*.fits" in problem  # no other problem


def test_edges_with_the_same_nearest_axis_edge_are_reported() -> None:
    (problem,) = messages(flux_points(0.1, 1, 1.1, 10), low=entry(LOW), high=entry(HIGH))
    assert "two edges have the same nearest edge on the energy axis of data.high" in problem


@pytest.mark.parametrize(
    "estimate",
    [flux_points(1, 10), LightCurve(source="crab", by="run")],
    ids=lambda estimator: estimator.kind,
)
@pytest.mark.parametrize("other_axis", [FINE, ONE_BIN], ids=["finer", "one bin"])
def test_axes_without_common_bins_are_reported(estimate: Estimator, other_axis: EnergyAxis) -> None:
    (problem,) = messages(estimate, one=entry(HIGH), other=entry(other_axis))
    assert "data.one and data.other have no common energy bins" in problem
    assert messages(estimate, one=entry(HIGH), other=entry(HIGH)) == []


def test_moved_edges_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    datasets = Datasets([small.spectrum_on_off()])
    datasets.models = [SkyModel(PowerLawSpectralModel(), name="crab")]
    edges = datasets[0].counts.geom.axes["energy"].edges
    FluxPoints(source="crab", energy_edges=edges, columns=[]).estimate(datasets, None)
    assert caplog.messages == []
    moved_edges = [edges[0], 1.2 * edges[1], edges[3]]
    FluxPoints(source="crab", energy_edges=moved_edges, columns=[]).estimate(datasets, None)
    (message,) = caplog.messages
    assert message.startswith(f"flux-points: the energy axis has no edge at {1.2 * edges[1]:.4g};")
