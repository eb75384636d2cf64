"""Pipelines in YAML and in Python are equivalent."""

from __future__ import annotations

from pathlib import Path

import pytest
from astropy import units as u

from skyred import Pipeline, Reduction
from skyred.components.fitters.minuit import Newton
from skyred.components.gammapy import (
    BackgroundModels,
    Cone,
    EnergyAxis,
    ExcessMap,
    FluxPoints,
    FoVBackground,
    MapData,
    MapGeometry,
    Residuals,
    SafeMask,
    Source,
    Sum,
)
from skyred.errors import ConfigError
from toys import ToyEstimator, ToyFitter, toy_pipeline, toy_plugins


def crab_in_python() -> Pipeline:
    """Return the pipeline of examples/crab.yaml, with other units and another order of keys."""
    crab = (83.633 * u.deg, 22.014 * u.deg)
    return Pipeline(
        data={
            "hess": Reduction(
                archive="$GAMMAPY_DATA/hess-dl3-dr1",
                select=[Cone(center=crab, radius=300 * u.arcmin)],
                geometry=MapGeometry(
                    center=crab,
                    width="2 deg",
                    bin_size="1.2 arcmin",
                    energy=EnergyAxis(min="1000 GeV", max="10 TeV", bins=4),
                    energy_true=EnergyAxis(min="0.5 TeV", max="20 TeV", bins=10),
                ),
                make=[
                    MapData(),
                    SafeMask(offset_max=2.5 * u.deg, methods=["offset-max", "aeff-max"]),
                    FoVBackground(method="fit", exclude="icrs; circle(83.63, 22.14, 0.2)"),
                ],
                stack=Sum(),
            )
        },
        model=[
            Source(
                name="crab",
                spatial={
                    "frame": "icrs",
                    "lon_0": 83.63308 * u.deg,
                    "lat_0": "22.0145 deg",
                    "type": "point",
                },
                spectral={
                    "type": "pl",
                    "index": 2.702,
                    "amplitude": 4.712e-11 * u.Unit("cm-2 s-1 TeV-1"),
                    "reference": "1000 GeV",
                },
            ),
            BackgroundModels(),
        ],
        fit=Newton(),
        estimate=[
            FluxPoints(source="crab", energy_edges=[1, 2, 4, 10] * u.TeV),
            Residuals(region="icrs; circle(83.63, 22.01, 0.5)"),
            ExcessMap(),
        ],
    )


def test_example_in_python_equals_example_in_yaml(crab_yaml: str) -> None:
    pipeline = Pipeline.from_yaml(crab_yaml)
    assert crab_in_python() == pipeline
    assert crab_in_python().digest() == pipeline.digest()
    assert hash(crab_in_python()) == hash(pipeline)


@pytest.mark.parametrize("complete", [False, True])
def test_example_survives_yaml_round_trip(crab_yaml: str, complete: bool) -> None:
    pipeline = Pipeline.from_yaml(crab_yaml)
    content = pipeline.to_yaml(complete=complete)
    loaded = Pipeline.from_yaml(content)
    assert loaded == pipeline
    assert loaded.digest() == pipeline.digest()
    assert loaded.to_yaml(complete=complete) == content


def test_yaml_keeps_variables_and_units(crab_yaml: str) -> None:
    content = Pipeline.from_yaml(crab_yaml).to_yaml(complete=True)
    for value_string in (
        "$GAMMAPY_DATA/hess-dl3-dr1",
        "0.02 deg",
        "4.712e-11 cm-2 s-1 TeV-1",
        "bins: 4",
    ):
        assert value_string in content
    complete_yaml = crab_in_python().to_yaml(complete=True)
    for value_string in ("300.0 arcmin", "1.2 arcmin", "1000.0 GeV"):
        assert value_string in complete_yaml


def test_complete_yaml_has_all_defaults(crab_yaml: str) -> None:
    pipeline = Pipeline.from_yaml(crab_yaml)
    assert "tolerance" not in pipeline.to_yaml()
    complete = pipeline.to_yaml(complete=True)
    for default in ("tolerance: 0.01", "aeff_percent: 10.0", "chunk: 8", "psf_bins: 66"):
        assert default in complete


def test_every_part_of_a_pipeline_affects_its_digest() -> None:
    base = toy_pipeline(estimate=[ToyEstimator()])
    variants = [
        toy_pipeline(),
        toy_pipeline(6, estimate=[ToyEstimator()]),
        toy_pipeline(estimate=[ToyEstimator(name="other")]),
        toy_pipeline(estimate=[ToyEstimator()], fit=ToyFitter()),
        toy_pipeline(estimate=[ToyEstimator()], model=False),
        toy_pipeline(estimate=[ToyEstimator()], on_error="skip"),
        Pipeline(data={"renamed": base.data["toy"]}, model=base.model, estimate=base.estimate),
    ]
    digests = [pipeline.digest() for pipeline in [base, *variants]]
    assert len(set(digests)) == len(digests)


def test_pipeline_can_be_read_from_a_file_or_a_string(tmp_path: Path) -> None:
    plugins = toy_plugins()
    pipeline = toy_pipeline(fit=ToyFitter())
    path = tmp_path / "toy.yaml"
    path.write_text(pipeline.to_yaml(), encoding="utf-8")
    for source in (path, str(path), pipeline.to_yaml()):
        assert Pipeline.from_yaml(source, plugins=plugins) == pipeline


def test_pipeline_with_a_gammapy_object_cannot_be_written_as_yaml() -> None:
    class Estimator:
        def run(self, datasets: object) -> None: ...

    pipeline = toy_pipeline(estimate=[Estimator()])
    for method in (pipeline.to_yaml, pipeline.digest):
        with pytest.raises(
            ConfigError,
            match=r"contains an object of type Estimator, so .* cannot be written as YAML",
        ):
            method()


def test_duplicate_estimate_names_are_rejected() -> None:
    with pytest.raises(
        ConfigError, match=r"estimate\[1\].*another estimate has the same name, 'toy-total'"
    ):
        toy_pipeline(estimate=[ToyEstimator(), ToyEstimator()]).check()
    toy_pipeline(estimate=[ToyEstimator(), ToyEstimator(name="other")]).check()


def test_fit_without_a_model_is_rejected() -> None:
    with pytest.raises(ConfigError, match="fit: there is nothing to fit"):
        toy_pipeline(fit=ToyFitter(), model=False).check()


@pytest.mark.parametrize(
    "invalid_region", ["circel(1, 2, 3)", "icrs; circle(1, 2, 3); circel(1, 2, 3)"]
)
def test_pipeline_in_python_has_the_same_checks_as_in_yaml(
    crab_yaml: str, invalid_region: str
) -> None:
    pipeline = crab_in_python().evolve(estimate=[Residuals(region=invalid_region)])
    with pytest.raises(ConfigError, match=r"estimate\[0\]\.region"):
        pipeline.check()
