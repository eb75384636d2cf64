"""The steps of the orchestrator: missing earlier steps run first, outdated steps run again."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from skyred import Maker, Orchestrator, Pipeline, component, option
from skyred.components.engines import Processes, Serial
from skyred.components.fitters.minuit import Minuit
from skyred.errors import (
    ArchiveError,
    ConfigError,
    FitError,
    PluginError,
    RunsFailedError,
    StepError,
)
from skyred.interfaces.records import Owner, Run
from skyred.plugins import Plugins
from toys import (
    DuplicatingSelector,
    Recorder,
    ToyEstimator,
    ToyFitter,
    ToyMaker,
    ToySelector,
    ToySum,
    toy_pipeline,
    toy_plugins,
)

EXPECTED_CALLS = [
    "run_started",
    "step_started select", "step_finished select",
    "step_started reduce",
    "observation_reduced 1", "observation_reduced 2", "observation_reduced 3",
    "step_finished reduce",
    "step_started model", "step_finished model",
    "step_started fit", "step_finished fit",
    "step_started estimate", "step_finished estimate",
    "run_finished",
]  # fmt: skip


@component
class RaisingFitter(ToyFitter):
    """Change the parameters, and raise an error."""

    kind = "raising"

    def fit(self, objective: Any) -> Any:
        objective.total(objective.start + 3)
        raise ArithmeticError("the fit failed")


def create_orchestrator(
    pipeline: Pipeline | None = None, *watchers: Any, **options: Any
) -> Orchestrator:
    return Orchestrator(pipeline or toy_pipeline(), plugins=toy_plugins(*watchers), **options)


def full_pipeline(runs: int = 3, **changes: Any) -> Pipeline:
    return toy_pipeline(runs, fit=Minuit(), estimate=[ToyEstimator()], **changes)


def hook_names(recorder: Recorder) -> list[str]:
    """Return the name of each called hook, followed by its step or observation id."""
    names = []
    for hook, arguments in recorder.calls:
        details = [str(arguments[key]) for key in ("step",) if key in arguments]
        details += [str(arguments[key].obs_id) for key in ("outcome",) if key in arguments]
        names.append(" ".join([hook, *details]))
    return names


def expected_counts(obs_ids: list[int]) -> float:
    """Return the counts per energy bin of these runs: 1 / obs_id each."""
    return sum(1 / obs_id for obs_id in obs_ids)


def test_each_step_runs_missing_earlier_steps() -> None:
    recorder = Recorder()
    orchestrator = create_orchestrator(full_pipeline(), ("recorder", recorder))
    assert orchestrator.select()["toy"]["OBS_ID"].tolist() == [1, 2, 3]
    assert hook_names(recorder) == EXPECTED_CALLS[1:3]
    (dataset,) = orchestrator.reduce()
    assert dataset.counts.data.ravel() == pytest.approx([expected_counts([1, 2, 3])] * 2)
    assert hook_names(recorder) == EXPECTED_CALLS[1:8]
    assert orchestrator.estimate()["toy-total"].counts == pytest.approx(
        2 * expected_counts([1, 2, 3])
    )
    assert hook_names(recorder) == EXPECTED_CALLS[1:-1]


def test_finished_steps_are_not_run_again() -> None:
    recorder = Recorder()
    orchestrator = create_orchestrator(full_pipeline(), ("recorder", recorder))
    estimates = orchestrator.estimate()
    expected = hook_names(recorder)
    assert orchestrator.estimate() == estimates
    orchestrator.fit(), orchestrator.model(), orchestrator.reduce(), orchestrator.select()
    assert hook_names(recorder) == expected


def test_fit_agrees_with_the_analytical_value() -> None:
    orchestrator = create_orchestrator(full_pipeline(4))
    result = orchestrator.fit()
    # npred = const * exposure * width of the energy range: 4 runs of 1 cm2 s, 1 to 10 TeV
    counts, exposure_times_width = 2 * expected_counts([1, 2, 3, 4]), 4 * 9.0
    assert result.values[0] == pytest.approx(counts / exposure_times_width, rel=1e-4)
    assert result.errors[0] == pytest.approx(np.sqrt(counts) / exposure_times_width, rel=0.01)
    (parameter,) = orchestrator.models.parameters.free_parameters
    assert parameter.value == result.values[0]
    assert parameter.error == pytest.approx(result.errors[0])


def test_hooks_are_called_in_order_with_their_arguments() -> None:
    recorder = Recorder()
    result = create_orchestrator(full_pipeline(), ("recorder", recorder)).run()
    assert hook_names(recorder) == EXPECTED_CALLS
    arguments = dict(recorder.calls)
    assert arguments["run_started"]["run"].steps == ("select", "reduce", "model", "fit", "estimate")
    assert arguments["run_started"]["run"].digest == full_pipeline().digest()
    assert arguments["observation_reduced"]["run"].observations == 3
    assert arguments["observation_reduced"]["outcome"].status == "reduced"
    report = arguments["run_finished"]["report"]
    assert (report.state, report.error) == ("finished", "")
    assert [step.name for step in report.steps] == ["select", "reduce", "model", "fit", "estimate"]
    assert report.outcomes == result.outcomes
    assert {owner.plugin for owner in report.owners} == {"toys", "minuit", "engines"}


def test_watchers_receive_the_planned_steps() -> None:
    recorder = Recorder()
    create_orchestrator(full_pipeline(), ("recorder", recorder)).run(until="reduce")
    assert recorder.calls[0][1]["run"].steps == ("select", "reduce")
    assert hook_names(recorder)[-2:] == ["step_finished reduce", "run_finished"]


@pytest.mark.parametrize(
    "hook",
    ["run_started", "step_started", "observation_reduced", "step_finished", "run_finished"],
)
def test_error_of_a_watcher_is_recorded_and_does_not_stop_the_run(hook: str) -> None:
    faulty, watcher = Recorder(raises_in=hook), Recorder()
    orchestrator = create_orchestrator(full_pipeline(), ("faulty", faulty), ("watcher", watcher))
    result = orchestrator.run()
    assert result.estimates["toy-total"].counts > 0
    assert hook_names(watcher) == hook_names(faulty) == EXPECTED_CALLS
    message = f"plugin 'faulty' failed in skyred_{hook}: RuntimeError: the watcher is broken"
    assert orchestrator.report("finished").watchers[0] == message


ATTRIBUTES = ("observations", "datasets", "models", "fit_result", "estimates")


class TestAttributes:
    def test_attributes_are_none_before_their_step(self) -> None:
        recorder = Recorder()
        orchestrator = create_orchestrator(full_pipeline(), ("recorder", recorder))
        assert [getattr(orchestrator, name) for name in ATTRIBUTES] == [None] * 5
        orchestrator.reduce()
        available = [getattr(orchestrator, name) is not None for name in ATTRIBUTES]
        assert available == [True, True, False, False, False]
        started_steps = [name for name in hook_names(recorder) if name.startswith("step_started")]
        assert started_steps == ["step_started select", "step_started reduce"]

    def test_attributes_are_the_results_of_the_steps(self) -> None:
        orchestrator = create_orchestrator(full_pipeline())
        estimates = orchestrator.estimate()
        assert orchestrator.estimates is estimates
        assert orchestrator.fit_result is orchestrator.fit()
        assert orchestrator.datasets is orchestrator.reduce()
        assert orchestrator.models.names == orchestrator.model().names
        assert list(orchestrator.observations) == list(orchestrator.select())

    def test_datasets_are_available_after_failed_observations(self) -> None:
        orchestrator = create_orchestrator(full_pipeline(5, make=[ToyMaker(fail=[2])]))
        with pytest.raises(RunsFailedError):
            orchestrator.reduce()
        assert len(orchestrator.datasets) == 1

    @pytest.mark.parametrize(
        ("name", "required_step"),
        [
            ("observations", "select"),
            ("models", "reduce"),
            ("fit_result", "model"),
            ("estimates", "fit"),
        ],
    )
    def test_attribute_cannot_be_set_before_the_required_step(
        self, name: str, required_step: str
    ) -> None:
        orchestrator = create_orchestrator(full_pipeline())
        message = rf"{name} cannot be set before {required_step}\(\) is called"
        with pytest.raises(StepError, match=message):
            setattr(orchestrator, name, None)
        assert orchestrator.steps == ()


class TestReplacements:
    def test_replacing_datasets_reruns_fit_and_estimates(self) -> None:
        orchestrator = create_orchestrator(full_pipeline())
        first = orchestrator.fit().values[0]
        datasets = orchestrator.datasets.copy()
        datasets[0].counts.data *= 2
        orchestrator.datasets = datasets
        assert orchestrator.fit().values[0] == pytest.approx(2 * first, rel=1e-3)
        assert orchestrator.estimate()["toy-total"].counts == pytest.approx(
            4 * expected_counts([1, 2, 3])
        )

    def test_replacing_observations_reruns_the_reduction(self) -> None:
        orchestrator = create_orchestrator(full_pipeline())
        assert orchestrator.estimate()["toy-total"].counts == pytest.approx(
            2 * expected_counts([1, 2, 3])
        )
        orchestrator.observations = {"toy": orchestrator.observations["toy"][:2]}
        assert orchestrator.estimate()["toy-total"].counts == pytest.approx(
            2 * expected_counts([1, 2])
        )
        assert [outcome.obs_id for outcome in orchestrator.outcomes] == [1, 2]

    def test_observations_of_an_unknown_entry_are_rejected(self) -> None:
        orchestrator = create_orchestrator()
        orchestrator.select()
        with pytest.raises(KeyError, match="no data entry 'other'"):
            orchestrator.observations = {"other": []}

    def test_replacing_models_reruns_the_fit_but_not_the_reduction(self) -> None:
        recorder = Recorder()
        orchestrator = create_orchestrator(full_pipeline(), ("recorder", recorder))
        first = orchestrator.fit()
        models = orchestrator.models.copy()
        models[0].spectral_model.const.value = 0.3
        models[0].spectral_model.const.frozen = True
        orchestrator.models = models
        with pytest.raises(FitError, match="No free parameters"):
            orchestrator.fit()
        models[0].spectral_model.const.frozen = False
        orchestrator.models = models
        assert orchestrator.fit().values == pytest.approx(first.values, rel=1e-3)
        assert hook_names(recorder).count("step_started reduce") == 1

    def test_replacing_the_fit_result_reruns_the_estimates(self) -> None:
        recorder = Recorder()
        orchestrator = create_orchestrator(full_pipeline(), ("recorder", recorder))
        orchestrator.estimate()
        orchestrator.fit_result = None
        assert orchestrator.fit() is None
        orchestrator.estimate()
        assert hook_names(recorder).count("step_started estimate") == 2
        assert hook_names(recorder).count("step_started fit") == 1

    def test_result_has_no_outdated_estimates(self) -> None:
        orchestrator = create_orchestrator(full_pipeline())
        orchestrator.run()
        orchestrator.datasets = orchestrator.datasets.copy()
        assert orchestrator.run(until="fit").estimates == {}


class TestOutcomes:
    def test_failed_observation_is_recorded_and_the_others_are_reduced(self) -> None:
        orchestrator = create_orchestrator(full_pipeline(5, make=[ToyMaker(fail=[2, 4])]))
        with pytest.raises(RunsFailedError, match="2 of 5 runs failed") as excinfo:
            orchestrator.reduce()
        assert "toy 2" in str(excinfo.value)
        assert "run 4 is broken" in str(excinfo.value)
        assert excinfo.value.exit_code == 3
        statuses = [outcome.status for outcome in orchestrator.outcomes]
        assert statuses == ["reduced", "failed", "reduced", "failed", "reduced"]
        failed_outcome = orchestrator.outcomes[1]
        assert failed_outcome.obs_id == 2
        assert failed_outcome.reason == "RuntimeError: run 2 is broken"
        assert "toy-fill" in failed_outcome.maker
        assert 'raise RuntimeError(f"run {obs_id} is broken")' in failed_outcome.traceback
        assert orchestrator.outcomes[0].traceback == ""

    def test_on_error_skip_continues_without_failed_observations(self) -> None:
        result = create_orchestrator(
            full_pipeline(5, make=[ToyMaker(fail=[2])], on_error="skip")
        ).run()
        assert result.estimates["toy-total"].counts == pytest.approx(
            2 * expected_counts([1, 3, 4, 5])
        )
        assert [outcome.status for outcome in result.outcomes].count("failed") == 1

    def test_skipped_observation_has_its_reason_and_is_not_a_failure(self) -> None:
        result = create_orchestrator(full_pipeline(4, make=[ToyMaker(skip=[3])])).run()
        skipped = result.outcomes[2]
        assert (skipped.status, skipped.reason) == ("skipped", "run 3 is too cloudy")
        assert "toy-fill" in skipped.maker
        assert skipped.traceback == ""
        assert result.estimates["toy-total"].counts == pytest.approx(2 * expected_counts([1, 2, 4]))

    @pytest.mark.parametrize("on_error", ["stop", "skip"])
    def test_error_contains_reasons_if_all_observations_fail(self, on_error: str) -> None:
        orchestrator = create_orchestrator(
            toy_pipeline(2, make=[ToyMaker(fail=[1, 2])], on_error=on_error)
        )
        with pytest.raises(RunsFailedError, match="run 2 is broken"):
            orchestrator.reduce()
        assert len(orchestrator.outcomes) == 2

    def test_every_observation_is_in_the_observation_log(self) -> None:
        pipeline = toy_pipeline(14, make=[ToyMaker(skip=[1], fail=[2])], on_error="skip")
        result = create_orchestrator(pipeline).run()
        assert sorted(result.observations["obs_id"]) == list(range(1, 15))
        by_id = {outcome.obs_id: outcome for outcome in result.outcomes}
        assert [by_id[obs_id].status for obs_id in (1, 2, 3)] == ["skipped", "failed", "reduced"]
        assert by_id[13].status == "failed"
        assert "no effective area" in by_id[13].reason

    def test_error_of_the_stacker_fails_the_observation(self) -> None:
        @component
        class NotStackable(Maker):
            """Return a dataset that cannot be stacked for run 2."""

            kind = "not-stackable"

            def make(self, dataset: Any, observation: Any) -> Any:
                if observation.obs_id == 2:
                    dataset.copy = lambda name: 1 / 0
                return dataset

        with pytest.raises(RunsFailedError, match="ZeroDivisionError") as excinfo:
            create_orchestrator(toy_pipeline(3, make=[ToyMaker(), NotStackable()])).reduce()
        assert "stacker toy-sum" in str(excinfo.value)


class TestSelection:
    def test_selectors_are_applied_in_order(self) -> None:
        orchestrator = create_orchestrator(toy_pipeline(5, select=[ToySelector()]))
        assert orchestrator.select()["toy"]["OBS_ID"].tolist() == [1, 3, 5]

    def test_duplicate_observations_are_dropped_and_logged(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        orchestrator = create_orchestrator(toy_pipeline(3, select=[DuplicatingSelector()]))
        assert orchestrator.select()["toy"]["OBS_ID"].tolist() == [1, 2, 3]
        assert "ignored 3 duplicate runs in the selection" in caplog.text

    def test_empty_selection_raises_an_error(self) -> None:
        @component
        class SelectNone(ToySelector.__mro__[1]):  # type: ignore[misc]
            """Select no observation."""

            kind = "select-none"

            def select(self, table: Any) -> Any:
                return table[:0]

        with pytest.raises(ArchiveError, match=r"data.toy: no observation is left .*'select-none'"):
            create_orchestrator(toy_pipeline(3, select=[SelectNone()])).select()


class TestEngines:
    @pytest.mark.slow
    def test_serial_and_processes_have_identical_results(self) -> None:
        pipeline = toy_pipeline(9, make=[ToyMaker(skip=[3])], stack=ToySum(chunk=2))
        serial = create_orchestrator(pipeline, engine=Serial())
        parallel = create_orchestrator(pipeline, engine=Processes(workers=2))
        dataset, expected = parallel.reduce()[0], serial.reduce()[0]
        assert dataset.counts.data.tobytes() == expected.counts.data.tobytes()
        assert dataset.exposure.data.tobytes() == expected.exposure.data.tobytes()
        statuses, expected_statuses = (
            [(outcome.obs_id, outcome.status) for outcome in orchestrator.outcomes]
            for orchestrator in (parallel, serial)
        )
        assert statuses == expected_statuses

    def test_digest_is_independent_of_the_engine(self) -> None:
        pipeline = toy_pipeline()
        engines = (Serial(), Processes(workers=2))
        digests = {create_orchestrator(pipeline, engine=engine).record.digest for engine in engines}
        assert digests == {pipeline.digest()}

    def test_threads_are_limited_only_in_workers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import os

        monkeypatch.setenv("OMP_NUM_THREADS", "5")
        monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
        with Processes(workers=1).open() as pool:
            in_worker = pool.submit(os.getenv, "OMP_NUM_THREADS").result()
        assert (in_worker, os.environ["OMP_NUM_THREADS"]) == ("1", "5")
        assert "MKL_NUM_THREADS" not in os.environ


class TestPreparation:
    def test_maker_is_prepared_with_all_observations(self) -> None:
        @component
        class TwoPass(Maker):
            """Set the counts to the number of runs."""

            kind = "two-pass"
            runs = option(0, doc="Number of runs.")

            def prepare(self, observations: Any) -> Maker:
                return self.evolve(runs=len(observations))

            def make(self, dataset: Any, observation: Any) -> Any:
                dataset.counts.data[...] = self.runs
                return dataset

        pipeline = toy_pipeline(3, make=[TwoPass()])
        (dataset,) = create_orchestrator(pipeline).reduce()
        assert dataset.counts.data.ravel().tolist() == [9, 9]
        assert pipeline.data["toy"].make[0].runs == 0


class TestGammapyObjects:
    def test_objects_with_a_run_method_are_accepted_as_makers_and_estimators(self) -> None:
        class CountsDoubler:
            def run(self, dataset: Any, observation: Any) -> Any:
                dataset.counts.data *= 2
                return dataset

        class Total:
            def run(self, datasets: Any) -> float:
                return float(datasets[0].counts.data.sum())

        pipeline = toy_pipeline(2, make=[ToyMaker(), CountsDoubler()], estimate=[Total()])
        result = create_orchestrator(pipeline).run()
        assert result.estimates["Total"].value == pytest.approx(4 * expected_counts([1, 2]))
        assert (result.config, result.digest) == ("", "")


class TestErrors:
    def test_invalid_pipeline_is_rejected_on_construction(self) -> None:
        with pytest.raises(ConfigError, match="nothing to fit"):
            create_orchestrator(toy_pipeline(fit=ToyFitter(), model=False))

    def test_faulty_plugin_of_skyred_is_rejected_on_construction(self) -> None:
        plugins = Plugins.load(points=[])
        plugins.register(object(), Owner("x", "1", "x"))
        faulty = type("P", (), {"skyred_nothing": lambda: None})()
        plugins.register(faulty, Owner("skyred", "1", "y"))
        with pytest.raises(PluginError, match="skyred_nothing"):
            Orchestrator(toy_pipeline(), plugins=plugins)

    def test_estimators_are_not_run_after_a_failed_fit(self) -> None:
        pipeline = toy_pipeline(3, fit=ToyFitter(fails=True), estimate=[ToyEstimator()])
        orchestrator = create_orchestrator(pipeline)
        with pytest.raises(FitError, match="did not converge: too many iterations") as excinfo:
            orchestrator.run()
        assert excinfo.value.exit_code == 4
        assert orchestrator.fit().success is False
        assert orchestrator.result().estimates == {}

    def test_models_are_restored_after_an_error_in_the_fit(self) -> None:
        from gammapy.modeling.models import GaussianPrior

        orchestrator = create_orchestrator(toy_pipeline(3, fit=RaisingFitter()))
        (const,) = orchestrator.model().parameters.free_parameters
        # gammapy evaluates the prior at the value of the parameter, so the fit changes that value
        const.prior = GaussianPrior(mu=1, sigma=1)
        value = const.value
        with pytest.raises(ArithmeticError, match="the fit failed"):
            orchestrator.fit()
        assert orchestrator.models.parameters.free_parameters[0].value == value

    def test_faulty_estimator_does_not_affect_others(self) -> None:
        faulty = ToyEstimator(name="b", fails=True)
        pipeline = toy_pipeline(estimate=[ToyEstimator(), faulty, ToyEstimator(name="c")])
        orchestrator = create_orchestrator(pipeline)
        with pytest.raises(RuntimeError, match="the estimator failed") as excinfo:
            orchestrator.run()
        assert excinfo.value.__notes__[0].startswith("raised in the estimator toy-total of ")
        assert list(orchestrator.result().estimates) == ["toy-total", "c"]

    def test_duplicate_model_names_are_rejected(self) -> None:
        pipeline = toy_pipeline()
        pipeline = pipeline.evolve(model=[*pipeline.model, *pipeline.model])
        with pytest.raises(ConfigError, match="another model has the same name, 'toy'"):
            create_orchestrator(pipeline).model()


def test_record_can_be_pickled_and_contains_the_configuration() -> None:
    pipeline = full_pipeline()
    record = create_orchestrator(pipeline).record
    assert pickle.loads(pickle.dumps(record)).config == record.config
    assert Pipeline.from_yaml(record.config, plugins=toy_plugins()) == pipeline
    assert Run("a: 1").config == Run(config="a: 1").config == "a: 1"
    assert Run().config == ""
