"""The orchestrator, step by step: what is missing is done, what is replaced is done anew."""

from __future__ import annotations

import sys
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
from skyred.interfaces.records import Owner
from skyred.plugins import Plugins
from toys import (
    Recorder,
    ToyEstimator,
    ToyFitter,
    ToyMaker,
    ToySelector,
    ToySum,
    Twice,
    toy_pipeline,
    toy_plugins,
)

GOLDEN = [
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
class Lost(ToyFitter):
    """Goes to another place, and raises."""

    kind = "lost"

    def fit(self, objective: Any) -> Any:
        objective.total(objective.start + 3)
        raise ArithmeticError("lost my way")


def orchestrate(pipeline: Pipeline | None = None, *watchers: Any, **options: Any) -> Orchestrator:
    return Orchestrator(pipeline or toy_pipeline(), plugins=toy_plugins(*watchers), **options)


def full(runs: int = 3, **changes: Any) -> Pipeline:
    return toy_pipeline(runs, fit=Minuit(), estimate=[ToyEstimator()], **changes)


def names(recorder: Recorder) -> list[str]:
    return [
        " ".join([hook, *(str(arguments[key]) for key in ["step"] if key in arguments),
                  *(str(arguments["outcome"].obs_id) for key in ["outcome"] if key in arguments)])
        for hook, arguments in recorder.calls
    ]  # fmt: skip


def counts_of(ids: list[int]) -> float:
    return sum(1 / i for i in ids)


def test_each_step_does_what_is_missing_before_it() -> None:
    recorder = Recorder()
    orchestrator = orchestrate(full(), ("recorder", recorder))
    assert orchestrator.select()["toy"]["OBS_ID"].tolist() == [1, 2, 3]
    assert names(recorder) == GOLDEN[1:3]
    (dataset,) = orchestrator.reduce()
    assert dataset.counts.data.ravel() == pytest.approx([counts_of([1, 2, 3])] * 2)
    assert names(recorder) == GOLDEN[1:8]
    assert orchestrator.estimate()["toy-total"].counts == pytest.approx(2 * counts_of([1, 2, 3]))
    assert names(recorder) == GOLDEN[1:-1]


def test_asking_again_does_nothing_again() -> None:
    recorder = Recorder()
    orchestrator = orchestrate(full(), ("recorder", recorder))
    estimates = orchestrator.estimate()
    before = names(recorder)
    assert orchestrator.estimate() == estimates
    orchestrator.fit(), orchestrator.model(), orchestrator.reduce(), orchestrator.select()
    assert names(recorder) == before


def test_the_fit_has_the_value_that_follows_from_the_counts() -> None:
    orchestrator = orchestrate(full(4))
    result = orchestrator.fit()
    # npred = const * exposure * width of the energy range: 4 runs of 1 cm2 s, 1 to 10 TeV
    counts, exposure = 2 * counts_of([1, 2, 3, 4]), 4 * 9.0
    assert result.values[0] == pytest.approx(counts / exposure, rel=1e-4)
    assert result.errors[0] == pytest.approx(np.sqrt(counts) / exposure, rel=0.01)
    (parameter,) = orchestrator.models.parameters.free_parameters
    assert parameter.value == result.values[0]
    assert parameter.error == pytest.approx(result.errors[0])


def test_hooks_are_called_in_the_golden_order_with_the_right_records() -> None:
    recorder = Recorder()
    result = orchestrate(full(), ("recorder", recorder)).run()
    assert names(recorder) == GOLDEN
    arguments = dict(recorder.calls)
    assert arguments["run_started"]["run"].steps == ("select", "reduce", "model", "fit", "estimate")
    assert arguments["run_started"]["run"].digest == full().digest()
    assert arguments["observation_reduced"]["run"].observations == 3
    assert arguments["observation_reduced"]["outcome"].status == "made"
    report = arguments["run_finished"]["report"]
    assert (report.state, report.error) == ("finished", "")
    assert [step.name for step in report.steps] == ["select", "reduce", "model", "fit", "estimate"]
    assert report.outcomes == result.outcomes
    assert {owner.plugin for owner in report.owners} == {"toys", "minuit", "engines"}


def test_watchers_are_told_the_steps_that_will_be_taken() -> None:
    recorder = Recorder()
    orchestrate(full(), ("recorder", recorder)).run(until="reduce")
    assert recorder.calls[0][1]["run"].steps == ("select", "reduce")
    assert names(recorder)[-2:] == ["step_finished reduce", "run_finished"]


@pytest.mark.parametrize(
    "hook",
    ["run_started", "step_started", "observation_reduced", "step_finished", "run_finished"],
)
def test_a_watcher_that_raises_is_recorded_and_stops_nothing(hook: str) -> None:
    sleeper, watcher = Recorder(raises_in=hook), Recorder()
    orchestrator = orchestrate(full(), ("sleeper", sleeper), ("watcher", watcher))
    result = orchestrator.run()
    assert result.estimates["toy-total"].counts > 0
    assert names(watcher) == names(sleeper) == GOLDEN
    fault = f"plugin 'sleeper' failed in skyred_{hook}: RuntimeError: the watcher fell asleep"
    assert orchestrator.report("finished").watchers[0] == fault


ATTRIBUTES = ("observations", "datasets", "models", "fit_result", "estimates")


class TestAttributes:
    def test_attributes_are_none_before_their_step_and_run_nothing(self) -> None:
        recorder = Recorder()
        orchestrator = orchestrate(full(), ("recorder", recorder))
        assert [getattr(orchestrator, name) for name in ATTRIBUTES] == [None] * 5
        orchestrator.reduce()
        available = [getattr(orchestrator, name) is not None for name in ATTRIBUTES]
        assert available == [True, True, False, False, False]
        started = [name for name in names(recorder) if name.startswith("step_started")]
        assert started == ["step_started select", "step_started reduce"]

    def test_attributes_are_what_the_steps_gave(self) -> None:
        orchestrator = orchestrate(full())
        estimates = orchestrator.estimate()
        assert orchestrator.estimates is estimates
        assert orchestrator.fit_result is orchestrator.fit()
        assert orchestrator.datasets is orchestrator.reduce()
        assert orchestrator.models.names == orchestrator.model().names
        assert list(orchestrator.observations) == list(orchestrator.select())

    def test_datasets_that_were_reduced_before_a_run_failed_are_there(self) -> None:
        orchestrator = orchestrate(full(5, make=[ToyMaker(fail=[2])]))
        with pytest.raises(RunsFailedError):
            orchestrator.reduce()
        assert len(orchestrator.datasets) == 1

    @pytest.mark.parametrize(
        ("name", "step"),
        [
            ("observations", "select"),
            ("models", "reduce"),
            ("fit_result", "model"),
            ("estimates", "fit"),
        ],
    )
    def test_what_is_set_too_early_is_refused_and_runs_nothing(self, name: str, step: str) -> None:
        orchestrator = orchestrate(full())
        with pytest.raises(StepError, match=rf"{name} cannot be set before {step}\(\) is called"):
            setattr(orchestrator, name, None)
        assert orchestrator.steps == ()


class TestReplacing:
    def test_datasets_redo_what_depends_on_them(self) -> None:
        orchestrator = orchestrate(full())
        first = orchestrator.fit().values[0]
        doubled = orchestrator.datasets.copy()
        doubled[0].counts.data *= 2
        orchestrator.datasets = doubled
        assert orchestrator.fit().values[0] == pytest.approx(2 * first, rel=1e-3)
        assert orchestrator.estimate()["toy-total"].counts == pytest.approx(
            4 * counts_of([1, 2, 3])
        )

    def test_observations_redo_the_reduction(self) -> None:
        orchestrator = orchestrate(full())
        assert orchestrator.estimate()["toy-total"].counts == pytest.approx(
            2 * counts_of([1, 2, 3])
        )
        orchestrator.observations = {"toy": orchestrator.observations["toy"][:2]}
        assert orchestrator.estimate()["toy-total"].counts == pytest.approx(2 * counts_of([1, 2]))
        assert [outcome.obs_id for outcome in orchestrator.outcomes] == [1, 2]

    def test_observations_of_an_unknown_entry_are_refused(self) -> None:
        orchestrator = orchestrate()
        orchestrator.select()
        with pytest.raises(KeyError, match="no data entry 'other'"):
            orchestrator.observations = {"other": []}

    def test_models_redo_the_fit_but_not_the_reduction(self) -> None:
        recorder = Recorder()
        orchestrator = orchestrate(full(), ("recorder", recorder))
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
        assert names(recorder).count("step_started reduce") == 1

    def test_a_fit_result_redoes_the_estimates(self) -> None:
        recorder = Recorder()
        orchestrator = orchestrate(full(), ("recorder", recorder))
        orchestrator.estimate()
        orchestrator.fit_result = None
        assert orchestrator.fit() is None
        orchestrator.estimate()
        assert names(recorder).count("step_started estimate") == 2
        assert names(recorder).count("step_started fit") == 1

    def test_a_result_has_no_estimates_of_what_was_replaced(self) -> None:
        orchestrator = orchestrate(full())
        orchestrator.run()
        orchestrator.datasets = orchestrator.datasets.copy()
        assert orchestrator.run(until="fit").estimates == {}


class TestOutcomes:
    def test_a_failing_run_is_recorded_and_the_others_are_finished(self) -> None:
        orchestrator = orchestrate(full(5, make=[ToyMaker(fail=[2, 4])]))
        with pytest.raises(RunsFailedError, match="2 of 5 runs failed") as caught:
            orchestrator.reduce()
        assert "toy 2" in str(caught.value)
        assert "run 4 is broken" in str(caught.value)
        assert caught.value.exit_code == 3
        statuses = [outcome.status for outcome in orchestrator.outcomes]
        assert statuses == ["made", "failed", "made", "failed", "made"]
        failed = orchestrator.outcomes[1]
        assert failed.obs_id == 2
        assert failed.reason == "RuntimeError: run 2 is broken"
        assert "toy-fill" in failed.maker
        assert 'raise RuntimeError(f"run {obs_id} is broken")' in failed.traceback
        assert orchestrator.outcomes[0].traceback == ""

    def test_on_error_skip_goes_on_without_the_failed_runs(self) -> None:
        result = orchestrate(full(5, make=[ToyMaker(fail=[2])], on_error="skip")).run()
        assert result.estimates["toy-total"].counts == pytest.approx(2 * counts_of([1, 3, 4, 5]))
        assert [outcome.status for outcome in result.outcomes].count("failed") == 1

    def test_a_skipped_run_has_its_reason_and_is_no_failure(self) -> None:
        result = orchestrate(full(4, make=[ToyMaker(skip=[3])])).run()
        skipped = result.outcomes[2]
        assert (skipped.status, skipped.reason) == ("skipped", "run 3 is too cloudy")
        assert "toy-fill" in skipped.maker
        assert skipped.traceback == ""
        assert result.estimates["toy-total"].counts == pytest.approx(2 * counts_of([1, 2, 4]))

    @pytest.mark.parametrize("on_error", ["stop", "skip"])
    def test_when_all_runs_fail_the_runs_are_to_blame(self, on_error: str) -> None:
        orchestrator = orchestrate(toy_pipeline(2, make=[ToyMaker(fail=[1, 2])], on_error=on_error))
        with pytest.raises(RunsFailedError, match="run 2 is broken"):
            orchestrator.reduce()
        assert len(orchestrator.outcomes) == 2

    def test_every_run_of_the_archive_ends_in_the_ledger(self) -> None:
        pipeline = toy_pipeline(14, make=[ToyMaker(skip=[1], fail=[2])], on_error="skip")
        result = orchestrate(pipeline).run()
        assert sorted(result.observations["obs_id"]) == list(range(1, 15))
        by_id = {outcome.obs_id: outcome for outcome in result.outcomes}
        assert [by_id[n].status for n in (1, 2, 3)] == ["skipped", "failed", "made"]
        assert by_id[13].status == "failed"
        assert "no effective area" in by_id[13].reason

    def test_a_maker_that_gives_nothing_is_blamed_and_not_the_next(self) -> None:
        @component
        class Forgets(Maker):
            """Forgets to return the dataset."""

            kind = "forgets"

            def make(self, dataset: Any, observation: Any) -> Any:
                pass

        orchestrator = orchestrate(toy_pipeline(1, make=[Forgets(), ToyMaker()]))
        with pytest.raises(RunsFailedError, match=r"tracebacks are in observations\.ecsv"):
            orchestrator.reduce()
        (outcome,) = orchestrator.outcomes
        assert outcome.maker.startswith("maker forgets")
        assert "make() returned None; it must return the dataset" in outcome.reason

    def test_a_maker_that_exits_fails_its_run_and_not_the_program(self) -> None:
        @component
        class Exits(Maker):
            """Ends the program, it thinks."""

            kind = "exits"

            def make(self, dataset: Any, observation: Any) -> Any:
                if observation.obs_id == 2:
                    sys.exit(0)
                return dataset

        pipeline = toy_pipeline(3, make=[ToyMaker(), Exits()], on_error="skip")
        orchestrator = orchestrate(pipeline)
        orchestrator.reduce()
        assert [outcome.status for outcome in orchestrator.outcomes] == ["made", "failed", "made"]

    def test_a_stacker_that_fails_fails_the_run(self) -> None:
        @component
        class Fragile(Maker):
            """Gives what cannot be stacked."""

            kind = "fragile"

            def make(self, dataset: Any, observation: Any) -> Any:
                if observation.obs_id == 2:
                    dataset.copy = lambda name: 1 / 0
                return dataset

        with pytest.raises(RunsFailedError, match="ZeroDivisionError") as caught:
            orchestrate(toy_pipeline(3, make=[ToyMaker(), Fragile()])).reduce()
        assert "stacker toy-sum" in str(caught.value)


class TestSelection:
    def test_selectors_act_in_turn(self) -> None:
        orchestrator = orchestrate(toy_pipeline(5, select=[ToySelector()]))
        assert orchestrator.select()["toy"]["OBS_ID"].tolist() == [1, 3, 5]

    def test_a_run_selected_twice_is_one_run_in_order_of_id_with_a_note(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        orchestrator = orchestrate(toy_pipeline(3, select=[Twice()]))
        assert orchestrator.select()["toy"]["OBS_ID"].tolist() == [1, 2, 3]
        assert "ignored 3 duplicate runs of the selection" in caplog.text

    def test_a_selector_that_leaves_nothing_is_named(self) -> None:
        @component
        class Nothing(ToySelector.__mro__[1]):  # type: ignore[misc]
            """No run at all."""

            kind = "nothing"

            def select(self, table: Any) -> Any:
                return table[:0]

        with pytest.raises(ArchiveError, match=r"data.toy: no observation is left .*'nothing'"):
            orchestrate(toy_pipeline(3, select=[Nothing()])).select()


class TestEngines:
    @pytest.mark.slow
    def test_serial_and_processes_give_the_same_bit_by_bit(self) -> None:
        pipeline = toy_pipeline(9, make=[ToyMaker(skip=[3])], stack=ToySum(chunk=2))
        one = orchestrate(pipeline, engine=Serial())
        many = orchestrate(pipeline, engine=Processes(workers=2))
        left, right = one.reduce()[0], many.reduce()[0]
        assert left.counts.data.tobytes() == right.counts.data.tobytes()
        assert left.exposure.data.tobytes() == right.exposure.data.tobytes()
        assert [(o.obs_id, o.status) for o in one.outcomes] == [
            (o.obs_id, o.status) for o in many.outcomes
        ]

    def test_the_digest_knows_nothing_of_the_engine(self) -> None:
        pipeline = toy_pipeline()
        engines = (Serial(), Processes(workers=2))
        assert {orchestrate(pipeline, engine=e).record.digest for e in engines} == {
            pipeline.digest()
        }

    def test_the_threads_of_workers_are_limited_and_ours_are_not(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import os

        monkeypatch.setenv("OMP_NUM_THREADS", "5")
        monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
        with Processes(workers=1).open() as pool:
            in_worker = pool.submit(os.getenv, "OMP_NUM_THREADS").result()
        assert (in_worker, os.environ["OMP_NUM_THREADS"]) == ("1", "5")
        assert "MKL_NUM_THREADS" not in os.environ


class TestPreparing:
    def test_a_maker_that_learns_from_all_runs_works_with_what_it_learnt(self) -> None:
        @component
        class TwoPass(Maker):
            """Sets counts to the number of runs."""

            kind = "two-pass"
            runs = option(0, doc="How many runs there are.")

            def prepare(self, observations: Any) -> Maker:
                return self.evolve(runs=len(observations))

            def make(self, dataset: Any, observation: Any) -> Any:
                dataset.counts.data[...] = self.runs
                return dataset

        pipeline = toy_pipeline(3, make=[TwoPass()])
        (dataset,) = orchestrate(pipeline).reduce()
        assert dataset.counts.data.ravel().tolist() == [9, 9]
        assert pipeline.data["toy"].make[0].runs == 0


class TestGammapyObjects:
    def test_what_has_run_is_taken_as_maker_and_estimator(self) -> None:
        class Doubling:
            def run(self, dataset: Any, observation: Any) -> Any:
                dataset.counts.data *= 2
                return dataset

        class Total:
            def run(self, datasets: Any) -> float:
                return float(datasets[0].counts.data.sum())

        pipeline = toy_pipeline(2, make=[ToyMaker(), Doubling()], estimate=[Total()])
        result = orchestrate(pipeline).run()
        assert result.estimates["Total"].value == pytest.approx(4 * counts_of([1, 2]))
        assert (result.config, result.digest) == ("", "")


class TestRefusals:
    def test_a_wrong_pipeline_is_refused_at_once(self) -> None:
        with pytest.raises(ConfigError, match="nothing to fit"):
            orchestrate(toy_pipeline(fit=ToyFitter(), model=False))

    def test_a_faulty_plugin_is_refused_at_once(self) -> None:
        plugins = Plugins.load(points=[])
        plugins.register(object(), Owner("x", "1", "x"))
        plugins.register(type("P", (), {"skyred_nothing": lambda: None})(), Owner("y", "1", "y"))
        with pytest.raises(PluginError, match="skyred_nothing"):
            Orchestrator(toy_pipeline(), plugins=plugins)

    def test_a_fit_that_did_not_converge_stops_before_the_estimates(self) -> None:
        pipeline = toy_pipeline(3, fit=ToyFitter(gives_up=True), estimate=[ToyEstimator()])
        orchestrator = orchestrate(pipeline)
        with pytest.raises(FitError, match="did not converge: no more ideas") as caught:
            orchestrator.run()
        assert caught.value.exit_code == 4
        assert orchestrator.fit().success is False
        assert orchestrator.result().estimates == {}

    def test_a_fit_that_ends_with_an_error_leaves_the_models_as_they_were(self) -> None:
        from gammapy.modeling.models import GaussianPrior

        orchestrator = orchestrate(toy_pipeline(3, fit=Lost()))
        (const,) = orchestrator.model().parameters.free_parameters
        const.prior = GaussianPrior(mu=1, sigma=1)  # gammapy evaluates it, at its own value
        before = const.value
        with pytest.raises(ArithmeticError, match="lost my way"):
            orchestrator.fit()
        assert orchestrator.models.parameters.free_parameters[0].value == before

    def test_a_faulty_estimator_does_not_lose_the_others(self) -> None:
        faulty = ToyEstimator(name="b", breaks=True)
        pipeline = toy_pipeline(estimate=[ToyEstimator(), faulty, ToyEstimator(name="c")])
        orchestrator = orchestrate(pipeline)
        with pytest.raises(RuntimeError, match="nothing to add up") as error:
            orchestrator.run()
        assert error.value.__notes__[0].startswith("raised in the estimator toy-total of ")
        assert list(orchestrator.result().estimates) == ["toy-total", "c"]

    def test_two_models_of_one_name_are_refused(self) -> None:
        pipeline = toy_pipeline()
        doubled = pipeline.evolve(model=[*pipeline.model, *pipeline.model])
        with pytest.raises(ConfigError, match="another model has the same name, 'toy'"):
            orchestrate(doubled).model()
