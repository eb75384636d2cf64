"""Unused models, failed data entries, merged edges and watcher errors are reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from skyred import Maker, Orchestrator, Pipeline, Reduction, component, hookimpl
from skyred.components.gammapy import BackgroundModels, EnergyAxis, FluxPoints, Source
from skyred.errors import ConfigError, ModelError, RunsFailedError
from toys import ToyMaker, toy_pipeline, toy_plugins


def create_source(**changes: Any) -> Source:
    return Source(name="crab", spectral={"type": "pl"}, **changes)


def test_model_without_dataset_is_reported() -> None:
    pipeline = toy_pipeline().evolve(model=[create_source(datasets="hes")])
    with pytest.raises(ModelError, match=r"uses the model crab: the datasets are toy"):
        Orchestrator(pipeline, plugins=toy_plugins()).model()


def test_unused_background_models_are_not_reported() -> None:
    # background models apply to all datasets with a background; there may be no such dataset
    pipeline = toy_pipeline().evolve(model=[create_source(), BackgroundModels()])
    models = Orchestrator(pipeline, plugins=toy_plugins()).model()
    assert models is not None
    assert "crab" in models.names


@component
class FailingMaker(Maker):
    """Fail for every run."""

    kind = "failing"

    def make(self, dataset: Any, observation: Any) -> Any:
        raise OSError("no such file")


def pipeline_with_a_failing_entry() -> Pipeline:
    (reduction,) = toy_pipeline().data.values()
    return Pipeline(data={"one": reduction.evolve(make=[FailingMaker()]), "two": reduction})


def test_other_entries_are_reduced_if_an_entry_fails() -> None:
    orchestrator = Orchestrator(pipeline_with_a_failing_entry(), plugins=toy_plugins())
    with pytest.raises(RunsFailedError):
        orchestrator.reduce()
    assert {outcome.entry for outcome in orchestrator.outcomes} == {"one", "two"}
    datasets = orchestrator.result().datasets
    assert datasets is not None
    assert datasets.names == ["two"]


def test_maker_without_a_plugin_is_recorded() -> None:
    orchestrator = Orchestrator(pipeline_with_a_failing_entry(), plugins=toy_plugins())
    with pytest.raises(RunsFailedError):
        orchestrator.reduce()
    assert orchestrator.outcomes[0].maker == "maker failing (not from a plugin)"


def test_maker_with_the_kind_of_another_plugin_is_not_recorded_with_that_plugin() -> None:
    @component
    class SameKind(FailingMaker):
        """Fail, with the kind of `ToyMaker`."""

        kind = ToyMaker.kind

    (reduction,) = toy_pipeline().data.values()
    pipeline = Pipeline(data={"one": reduction.evolve(make=[ToyMaker(), SameKind()])})
    orchestrator = Orchestrator(pipeline, plugins=toy_plugins())
    with pytest.raises(RunsFailedError):
        orchestrator.reduce()
    assert orchestrator.outcomes[0].maker == f"maker {ToyMaker.kind} (not from a plugin)"


def test_entries_with_the_same_dataset_name_are_rejected() -> None:
    (reduction,) = toy_pipeline().data.values()
    renamed_reduction: Reduction = reduction.evolve(geometry=reduction.geometry.evolve(name="same"))
    pipeline = Pipeline(data={"one": renamed_reduction, "two": renamed_reduction})
    with pytest.raises(
        ConfigError, match=r"data.two: the datasets have the same name as those of data.one: 'same'"
    ):
        Orchestrator(pipeline, plugins=toy_plugins())


@attrs.define
class FailingWatcher:
    """Fail at the end of a run."""

    @hookimpl
    def skyred_run_finished(self, run: Any, report: Any) -> None:
        raise ValueError("an error at the end")


def test_watcher_error_at_the_end_is_in_the_report(tmp_path: Path) -> None:
    Orchestrator(toy_pipeline(), plugins=toy_plugins(("failing", FailingWatcher()))).run(
        tmp_path / "run"
    )
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert any("an error at the end" in message for message in report["watchers"])


@pytest.mark.parametrize(
    "options",
    [{"min": "0 TeV", "max": "1 TeV", "bins": 2}, {"edges": ["0 TeV", "1 TeV"]}],
    ids=["min", "edges"],
)
def test_logarithmic_axis_from_zero_is_rejected(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not above 0"):
        EnergyAxis(**options)


@pytest.mark.parametrize(
    "axis",
    [
        EnergyAxis(min="1 TeV", max="100 TeV", bins=4),
        EnergyAxis(min="0.3 TeV", max="50 TeV", bins=5, per_decade=True),
        EnergyAxis(edges=["1 TeV", "3 TeV", "7 TeV"]),
    ],
    ids=["bins", "per decade", "edges"],
)
def test_edges_of_an_axis_agree_with_gammapy(axis: EnergyAxis) -> None:
    expected = axis.build("energy").edges.to_value("TeV")
    assert axis.bin_edges().to_value("TeV") == pytest.approx(expected, rel=1e-9)


def test_edges_with_the_same_nearest_axis_edge_are_reported_before_data_are_read(
    crab_yaml: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hess-dl3-dr1").mkdir()
    monkeypatch.setenv("GAMMAPY_DATA", str(tmp_path))
    pipeline = Pipeline.from_yaml(crab_yaml)
    flux_points = FluxPoints(source="crab", energy_edges=["1 TeV", "1.1 TeV", "1.2 TeV", "10 TeV"])
    with pytest.raises(ConfigError, match="two edges have the same nearest edge"):
        Orchestrator(pipeline.evolve(estimate=[flux_points]))
