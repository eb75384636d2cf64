"""Run folders: published when they are complete, replaced only on request, and readable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from skyred import Estimator, Orchestrator, Pipeline, Result, component, hookimpl
from skyred.components.fitters.minuit import Minuit
from skyred.errors import ConfigError, FieldError, OutputError, RunsFailedError
from toys import (
    Recorder,
    ToyEstimator,
    ToyFitter,
    ToyMaker,
    ToyProduct,
    toy_pipeline,
    toy_plugins,
)


def full_pipeline(runs: int = 3, **changes: Any) -> Pipeline:
    return toy_pipeline(runs, fit=Minuit(), estimate=[ToyEstimator()], **changes)


def run(folder: Path, pipeline: Pipeline | None = None, *watchers: Any, **options: Any) -> Result:
    orchestrator = Orchestrator(pipeline or full_pipeline(), plugins=toy_plugins(*watchers))
    return orchestrator.run(folder, **options)


def state_of(folder: Path) -> str:
    return json.loads((folder / "report.json").read_text())["state"]


def sibling_names(folder: Path) -> set[str]:
    return {path.name for path in folder.parent.iterdir()} - {folder.name}


def test_variables_in_the_path_are_expanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOY_OUTPUT", str(tmp_path / "outputs"))
    result = run(Path("$TOY_OUTPUT/run"))
    assert result.folder == tmp_path / "outputs" / "run"
    assert {path.name for path in tmp_path.iterdir()} == {"outputs"}
    assert Result.read("$TOY_OUTPUT/run", plugins=toy_plugins()).folder == result.folder


def test_unset_variable_in_the_path_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="variable TOY_UNSET, which is not set"):
        run(Path("$TOY_UNSET/run"))
    assert not list(tmp_path.iterdir())


@attrs.define
class FolderRecorder:
    """Record the staging folder, and whether the final folder exists, during a run."""

    target: Path
    target_exists: list[bool] = attrs.field(factory=list)
    staging: Path | None = None

    @hookimpl
    def skyred_run_started(self, run: Any) -> None:
        self.staging = run.folder
        self.target_exists.append(self.target.exists())

    @hookimpl
    def skyred_step_finished(self, run: Any) -> None:
        self.target_exists.append(self.target.exists())

    @hookimpl
    def skyred_run_finished(self, run: Any) -> None:
        self.target_exists.append(self.target.exists())
        (run.folder / "added.txt").write_text("by a plugin")


def test_final_folder_does_not_exist_before_the_end(tmp_path: Path) -> None:
    recorder = FolderRecorder(tmp_path / "run")
    result = run(recorder.target, None, ("recorder", recorder))
    assert recorder.target_exists == [False] * 7
    assert result.folder == recorder.target
    assert recorder.staging is not None
    assert recorder.staging.parent == tmp_path
    assert recorder.staging.name.startswith(".run.")
    assert not recorder.staging.exists()
    assert (recorder.target / "added.txt").read_text() == "by a plugin"
    assert sibling_names(recorder.target) == set()


def test_run_folder_is_complete_and_readable(tmp_path: Path) -> None:
    plugins = toy_plugins()
    pipeline = full_pipeline(5, make=[ToyMaker(skip=[2])])
    result = Orchestrator(pipeline, plugins=plugins).run(tmp_path / "run")
    loaded = Result.read(tmp_path / "run", plugins=plugins)
    assert Pipeline.from_yaml(loaded.config, plugins=plugins) == pipeline
    assert loaded.digest == result.digest == pipeline.digest()
    statuses = [outcome.status for outcome in loaded.outcomes]
    assert statuses == ["reduced", "skipped", "reduced", "reduced", "reduced"]
    for pair in zip(loaded.outcomes, result.outcomes, strict=True):
        # NaN is not equal to itself
        outcome, expected = (attrs.evolve(outcome, background_norm=0) for outcome in pair)
        assert outcome == expected
    assert loaded.datasets is not None
    assert loaded.datasets.names == ["toy"]
    assert (loaded.datasets[0].counts.data == result.datasets[0].counts.data).all()
    assert loaded.fit is not None
    assert loaded.fit.to_dict() == result.fit.to_dict()
    (parameter,) = loaded.models.parameters.free_parameters
    assert parameter.value == result.fit.values[0]
    assert parameter.error == pytest.approx(result.fit.errors[0])
    assert loaded.estimates["toy-total"].counts == result.estimates["toy-total"].counts
    assert [step.name for step in loaded.steps] == ["select", "reduce", "model", "fit", "estimate"]
    assert state_of(tmp_path / "run") == "finished"
    for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines():
        assert {"time", "level", "message"} <= set(json.loads(line))


def test_second_run_has_identical_products(tmp_path: Path) -> None:
    for name in ("a", "b"):
        run(tmp_path / name)
    for path in ("config.yaml", "fit.yaml", "models_covariance.dat", "estimates/toy-total.txt"):
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes()
    first, second = (lines_without_dates(tmp_path / name / "models.yaml") for name in ("a", "b"))
    assert first == second


def lines_without_dates(path: Path) -> list[str]:
    """Return the lines of gammapy's YAML without its date and checksum."""
    lines = path.read_text().splitlines()
    return [line for line in lines if not line.strip().startswith(("date:", "checksum:"))]


def test_deprecated_status_of_reduced_runs_is_read(
    tmp_path: Path,
) -> None:
    run(tmp_path / "run")
    path = tmp_path / "run" / "observations.ecsv"
    path.write_text(path.read_text().replace(" reduced ", " made "))
    assert " made " in path.read_text()
    result = Result.read(tmp_path / "run", plugins=toy_plugins(), verify=False)
    assert {outcome.status for outcome in result.outcomes} == {"reduced"}


def test_failed_run_is_published_with_its_observation_log(tmp_path: Path) -> None:
    pipeline = full_pipeline(3, make=[ToyMaker(fail=[2])])
    with pytest.raises(RunsFailedError):
        run(tmp_path / "run", pipeline)
    assert state_of(tmp_path / "run") == "failed"
    result = Result.read(tmp_path / "run", plugins=toy_plugins())
    assert [outcome.status for outcome in result.outcomes] == ["reduced", "failed", "reduced"]
    assert "run 2 is broken" in result.outcomes[1].traceback
    assert "run 2 is broken" in (tmp_path / "run" / "log.jsonl").read_text()
    assert sibling_names(tmp_path / "run") == set()


def test_interrupted_run_is_published_as_interrupted(tmp_path: Path) -> None:
    @component
    class InterruptedEstimator(Estimator):
        """Raise `KeyboardInterrupt`."""

        kind = "interrupted"
        product = ToyProduct

        def estimate(self, datasets: Any, fit: Any) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", toy_pipeline(estimate=[InterruptedEstimator()]))
    assert state_of(tmp_path / "run") == "interrupted"


def test_existing_folder_is_rejected_before_any_work(tmp_path: Path) -> None:
    run(tmp_path / "run")
    before = (tmp_path / "run" / "report.json").read_bytes()
    recorder = Recorder()
    with pytest.raises(OutputError, match=r"already exists; .* \(--overwrite\)") as excinfo:
        run(tmp_path / "run", None, ("recorder", recorder))
    assert excinfo.value.exit_code == 2
    assert recorder.calls == []
    assert (tmp_path / "run" / "report.json").read_bytes() == before
    assert sibling_names(tmp_path / "run") == set()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_folders_and_files_that_are_not_run_folders_are_not_replaced(
    tmp_path: Path, kind: str
) -> None:
    target = tmp_path / "other"
    if kind == "folder":
        target.mkdir()
        (target / "notes.txt").write_text("content")
    else:
        target.write_text("content")
    with pytest.raises(OutputError, match="is not a skyred run folder, so it is not replaced"):
        run(target, overwrite=True)
    assert target.exists()
    assert sibling_names(target) == set()


def test_overwrite_replaces_the_earlier_run(tmp_path: Path) -> None:
    run(tmp_path / "run", full_pipeline(2))
    (tmp_path / "run" / "old.txt").write_text("old")
    recorder = FolderRecorder(tmp_path / "run")
    run(tmp_path / "run", full_pipeline(3), ("recorder", recorder), overwrite=True)
    assert all(recorder.target_exists), "the earlier run was removed before the new run ended"
    assert not (tmp_path / "run" / "old.txt").exists()
    assert len(Result.read(tmp_path / "run", plugins=toy_plugins()).outcomes) == 3
    assert sibling_names(tmp_path / "run") == set()


def test_failed_run_is_replaced_without_overwrite(tmp_path: Path) -> None:
    for _ in range(2):  # the second run also fails, and replaces the first
        with pytest.raises(RunsFailedError):
            run(tmp_path / "run", full_pipeline(3, make=[ToyMaker(fail=[1])]))
        assert [path.name for path in tmp_path.iterdir()] == ["run"]
    result = run(tmp_path / "run", full_pipeline(3))
    assert result.provenance["state"] == "finished"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    with pytest.raises(OutputError, match="already exists"):
        run(tmp_path / "run", full_pipeline(3))


def test_failed_run_does_not_replace_a_finished_run(tmp_path: Path) -> None:
    run(tmp_path / "run", full_pipeline(2))
    before = (tmp_path / "run" / "report.json").read_bytes()
    for _ in range(2):
        with pytest.raises(RunsFailedError):
            run(tmp_path / "run", full_pipeline(3, make=[ToyMaker(fail=[1])]), overwrite=True)
    assert (tmp_path / "run" / "report.json").read_bytes() == before
    failed_runs = sibling_names(tmp_path / "run")
    assert len(failed_runs) == 2
    assert all(state_of(tmp_path / name) == "failed" for name in failed_runs)


def test_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    recorder = Recorder()
    with pytest.raises(OutputError, match=r"cannot be written: .*choose another run folder"):
        run(tmp_path / "file" / "run", None, ("recorder", recorder))
    assert recorder.calls == []


def test_missing_parent_folders_are_created(tmp_path: Path) -> None:
    assert run(tmp_path / "a" / "b" / "run").folder == tmp_path / "a" / "b" / "run"


def test_run_without_folder_does_not_change_an_earlier_folder(tmp_path: Path) -> None:
    orchestrator = Orchestrator(full_pipeline(), plugins=toy_plugins())
    orchestrator.run(tmp_path / "run", until="reduce")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    result = orchestrator.run()
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")} == times
    assert result.fit is not None


def test_unknown_step_is_rejected_without_an_output_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown step 'fitt'"):
        run(tmp_path / "run", until="fitt")
    assert list(tmp_path.iterdir()) == []


def test_other_files_are_written_if_a_product_cannot_be_written(tmp_path: Path) -> None:
    @attrs.define(eq=False)
    class UnwritableProduct(ToyProduct):
        def write(self, folder: Path) -> list[Path]:
            raise OSError("disk full")

    @component
    class UnwritableEstimator(Estimator):
        """Return a product that cannot be written."""

        kind = "unwritable"
        product = UnwritableProduct

        def estimate(self, datasets: Any, fit: Any) -> Any:
            return UnwritableProduct(self.label, 1.0)

    pipeline = toy_pipeline(fit=ToyFitter(), estimate=[UnwritableEstimator(), ToyEstimator()])
    with pytest.raises(OSError, match="disk full"):
        run(tmp_path / "run", pipeline)
    assert state_of(tmp_path / "run") == "failed"
    assert (tmp_path / "run" / "fit.yaml").is_file()


def test_folder_created_during_the_run_is_not_replaced(
    tmp_path: Path,
) -> None:
    class OtherRun:
        @hookimpl
        def skyred_step_finished(self, step: str) -> None:
            if step == "estimate":
                (tmp_path / "run").mkdir()
                (tmp_path / "run" / "other.txt").write_text("other")

    with pytest.raises(OutputError) as excinfo:
        run(tmp_path / "run", None, ("other", OtherRun()))
    assert (tmp_path / "run" / "other.txt").read_text() == "other"
    (sibling,) = sibling_names(tmp_path / "run")
    assert state_of(tmp_path / sibling) == "finished"
    assert sibling in str(excinfo.value), "the message contains the folder of the results"


def test_input_inside_the_run_folder_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "run" / "dl3").mkdir(parents=True)
    with pytest.raises((ConfigError, OutputError)):
        run(tmp_path / "run", toy_pipeline(archive=str(tmp_path / "run" / "dl3")), overwrite=True)
    assert (tmp_path / "run" / "dl3").is_dir()


@pytest.mark.parametrize(
    "name",
    ["../outside", "a/b", "a b", "..", ".", ".hidden", "-x", "[x]", "", "x" * 81, "a\nb", "naïve"],
)
def test_name_that_is_invalid_for_files_is_rejected(name: str) -> None:
    reduction = toy_pipeline().data["toy"]
    with pytest.raises(FieldError, match=r"ToyEstimator\.name: invalid value '"):
        ToyEstimator(name=name)
    with pytest.raises(FieldError, match=r"Pipeline\.data: invalid value '"):
        Pipeline(data={name: reduction})


@pytest.mark.parametrize("name", ["a.b", "1", "x" * 80, "a+b-c_d"])
def test_estimates_and_entries_with_valid_names_are_read_back(tmp_path: Path, name: str) -> None:
    pipeline = Pipeline(data={name: toy_pipeline().data["toy"]}, estimate=[ToyEstimator(name=name)])
    plugins = toy_plugins()
    result = Orchestrator(pipeline, plugins=plugins).run(tmp_path / "run")
    loaded = Result.read(tmp_path / "run", plugins=plugins)
    assert loaded.estimates[name].counts == result.estimates[name].counts
    assert loaded.datasets is not None
    assert loaded.datasets.names == [name]


def test_folder_without_a_configuration_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"is not a run folder: it has no config\.yaml"):
        Result.read(tmp_path)
