"""The orchestrator: takes the steps of a pipeline, each when it is asked for, or all of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from skyred.config import dump
from skyred.errors import ConfigError, FitError, Problem, RunsFailedError, SkyredError
from skyred.interfaces import Chain, Engine, Product
from skyred.likelihood import objective_of
from skyred.orchestrator.modelling import build_models
from skyred.orchestrator.publishing import run_to_folder
from skyred.orchestrator.reducing import reduce
from skyred.orchestrator.selecting import Selection, select
from skyred.orchestrator.watching import Watchers
from skyred.plugins import Plugins
from skyred.records import STEPS, FitResult, Outcome, Report, Run, StepRecord
from skyred.result import Result

if TYPE_CHECKING:
    from gammapy.data import Observations, ObservationTable
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models


class Orchestrator:
    """Runs a pipeline, all at once or step by step.

    Each step does what is still missing before it. What a step gave can be looked at and replaced;
    what depends on it is then done anew.

    Parameters
    ----------
    pipeline : Pipeline
        What to run.
    plugins : Plugins, optional
        Archives and watchers; by default all that are installed.
    engine : Engine, optional
        Where the work runs; by default `serial`.

    Attributes
    ----------
    outcomes : list of Outcome
        What became of each requested observation.
    steps : list of StepRecord
        The steps that were taken.

    Raises
    ------
    ConfigError
        If the pipeline as a whole is wrong.
    PluginError
        If a plugin is faulty.

    Examples
    --------
    >>> from skyred import Orchestrator, Pipeline
    >>> orchestrator = Orchestrator(Pipeline.from_yaml("crab.yaml"))  # doctest: +SKIP
    >>> datasets = orchestrator.reduce()  # doctest: +SKIP
    >>> datasets[0].counts.data.sum()  # doctest: +SKIP
    >>> result = orchestrator.run("crab")  # doctest: +SKIP
    """

    def __init__(
        self, pipeline: Chain, *, plugins: Plugins | None = None, engine: Engine | None = None
    ) -> None:
        if problems := pipeline.problems():
            raise ConfigError(problems)
        self.pipeline = pipeline
        self.plugins = plugins or Plugins.load()
        self.plugins.require_sound()
        self.engine = engine or self._default_engine()
        self.outcomes: list[Outcome] = []
        self.steps: list[StepRecord] = []
        self.watchers = Watchers(self.plugins)
        self.record = Run(*describe(pipeline))
        self._done: dict[str, Any] = {}
        self._estimated: dict[str, Product] = {}

    def _default_engine(self) -> Any:
        return self.plugins.catalog.get("engine", "serial")()

    # -- the steps ---------------------------------------------------------------------------

    def select(self) -> dict[str, ObservationTable]:
        """Choose the observations of each data entry; gives their tables by entry."""
        return {entry: chosen.table for entry, chosen in self._select().items()}

    def reduce(self) -> Datasets:
        """Reduce the observations; gives the datasets of all entries, without models.

        Raises
        ------
        RunsFailedError
            If runs failed in an entry with ``on_error: stop`` (after all were tried).
        """
        self._select()
        return self._once("reduce", self._reduce)

    def model(self) -> Models:
        """Build the models and put them on the datasets."""
        self.reduce()
        return self._once("model", self._model)

    def fit(self) -> FitResult | None:
        """Fit the models; None if the pipeline has no fit. Look at its `success`."""
        self.model()
        result: FitResult | None = self._once("fit", self._fit)
        return result

    def estimate(self) -> dict[str, Product]:
        """Derive the estimates, by name."""
        self.fit()
        products: dict[str, Product] = self._once("estimate", self._estimate)
        return products

    # -- what they gave ----------------------------------------------------------------------

    @property
    def observations(self) -> dict[str, Observations]:
        """The observations by data entry; nothing of them is read before it is used."""
        return {entry: chosen.observations for entry, chosen in self._select().items()}

    @observations.setter
    def observations(self, observations: Mapping[str, Observations]) -> None:
        selections = self._select()
        if unknown := set(observations) - set(selections):
            raise KeyError(f"there is no data entry {sorted(unknown)[0]!r}: {sorted(selections)}")
        changed = {
            entry: attrs.evolve(selections[entry], observations=chosen)
            for entry, chosen in observations.items()
        }
        self._replace("select", {**selections, **changed})

    @property
    def datasets(self) -> Datasets:
        """The reduced datasets."""
        return self.reduce()

    @datasets.setter
    def datasets(self, datasets: Datasets) -> None:
        self._replace("reduce", datasets)

    @property
    def models(self) -> Models:
        """The models, as they are now: fitted, once they are."""
        self.model()
        return self._models()

    @models.setter
    def models(self, models: Models) -> None:
        self.reduce().models = models
        self._replace("model", self.reduce().models)

    @property
    def fit_result(self) -> FitResult | None:
        """The result of the fit."""
        return self.fit()

    @fit_result.setter
    def fit_result(self, result: FitResult | None) -> None:
        self._replace("fit", result)

    @property
    def estimates(self) -> dict[str, Product]:
        """The estimates by name."""
        return self.estimate()

    @estimates.setter
    def estimates(self, estimates: Mapping[str, Product]) -> None:
        self._replace("estimate", dict(estimates))

    # -- all of them -------------------------------------------------------------------------

    def take(self, until: str = "estimate") -> None:
        """Take the steps up to one of select, reduce, model, fit, estimate.

        Raises
        ------
        FitError
            If the fit did not converge (its result can be looked at all the same).
        """
        if until not in STEPS:
            raise ConfigError([Problem((), f"there is no step {until!r}", f"expected {STEPS}")])
        self.record = attrs.evolve(self.record, steps=STEPS[: STEPS.index(until) + 1])
        for step in self.record.steps:
            getattr(self, step)()
            if step == "fit" and self._done["fit"] is not None and not self._done["fit"].success:
                raise FitError(f"the fit did not converge: {self._done['fit'].message}")

    def run(
        self, folder: str | Path | None = None, *, until: str = "estimate", overwrite: bool = False
    ) -> Result:
        """Take all steps, write the run folder and publish it.

        Parameters
        ----------
        folder : str or Path, optional
            The run folder; nothing is written without it.
        until : str
            The last step.
        overwrite : bool
            Whether a run folder that stands there may be replaced.

        Returns
        -------
        Result
            All that the run gave; `Result.read(folder)` gives it again.

        Raises
        ------
        SkyredError
            Whatever stopped the run; the folder is then published with ``state: failed``.
        """
        return run_to_folder(self, folder, until, overwrite)

    def result(self) -> Result:
        """Give all that the steps gave so far."""
        return Result(
            config=self.record.config,
            digest=self.record.digest,
            outcomes=tuple(self.outcomes),
            steps=tuple(self.steps),
            datasets=self._done.get("reduce"),
            models=self._models() if "model" in self._done else None,
            fit=self._done.get("fit"),
            estimates=dict(self._done.get("estimate", self._estimated)),
            kinds={estimator.label: estimator.kind for estimator in self.pipeline.estimate},
        )

    def report(self, state: str, error: str = "") -> Report:
        """Give the record of how the run ended."""
        return Report(
            state=state,
            error=error,
            steps=tuple(self.steps),
            outcomes=tuple(self.outcomes),
            watchers=tuple(self.watchers.faults),
            owners=self.plugins.catalog.owners([*self.pipeline.components(), self.engine]),
            result=self.result(),
        )

    # -- how ---------------------------------------------------------------------------------

    def _once(self, step: str, make: Any) -> Any:
        if step not in self._done:
            with self._step(step) as say:
                self._done[step] = make(say)
        return self._done[step]

    def _replace(self, step: str, value: Any) -> None:
        for later in STEPS[STEPS.index(step) :]:
            self._done.pop(later, None)
        self._done[step] = value

    @contextmanager
    def _step(self, step: str) -> Iterator[dict[str, Any]]:
        self.watchers.tell("skyred_step_started", run=self.record, step=step)
        started, said = time.perf_counter(), dict[str, Any]()
        yield said
        record = StepRecord(step, time.perf_counter() - started, **said)
        self.steps.append(record)
        self.watchers.tell("skyred_step_finished", run=self.record, step=step, record=record)

    def _select(self) -> dict[str, Selection]:
        selections: dict[str, Selection] = self._once("select", self._choose)
        return selections

    def _choose(self, said: dict[str, Any]) -> dict[str, Selection]:
        chosen = {
            entry: select(entry, reduction, self.plugins)
            for entry, reduction in self.pipeline.entries()
        }
        total = sum(len(selection.table) for selection in chosen.values())
        self.record = attrs.evolve(self.record, observations=total)
        said["summary"] = f"{total} observations"
        said["inputs"] = tuple(path for selection in chosen.values() for path in selection.files)
        return chosen

    def _reduce(self, said: dict[str, Any]) -> Datasets:
        from gammapy.datasets import Datasets

        self.outcomes = []
        datasets = Datasets()
        with self.engine.open() as executor:
            for entry, selection in self._select().items():
                for outcome in selection.outcomes:
                    self._tell_outcome(outcome)
                datasets.extend(
                    reduce(
                        entry,
                        self.pipeline.data[entry],
                        selection.observations,
                        executor,
                        self.engine.slots,
                        self._tell_outcome,
                    )
                )
        said["summary"] = f"{len(datasets)} datasets"
        self._stop_on_failures()
        return datasets

    def _tell_outcome(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.watchers.tell("skyred_observation_reduced", run=self.record, outcome=outcome)

    def _stop_on_failures(self) -> None:
        failed = [
            outcome
            for outcome in self.outcomes
            if outcome.status == "failed" and self.pipeline.data[outcome.entry].on_error == "stop"
        ]
        if failed:
            lines = [f"  {o.entry} {o.obs_id}: {o.maker}: {o.reason}" for o in failed]
            raise RunsFailedError(
                f"{len(failed)} of {len(self.outcomes)} runs failed:\n" + "\n".join(lines) + "\n"
                "mend them, leave them out, or go on without them with on_error: skip"
            )

    def _model(self, said: dict[str, Any]) -> Models:
        datasets = self.reduce()
        datasets.models = build_models(self.pipeline.model, datasets)
        said["summary"] = ", ".join(datasets.models.names) or "no models"
        return self._models()

    def _models(self) -> Models:
        from gammapy.modeling.models import Models

        return Models(self._done["reduce"].models)  # with the covariance as it is now

    def _fit(self, said: dict[str, Any]) -> FitResult | None:
        if self.pipeline.fit is None:
            return None
        objective = objective_of(self.reduce())
        result = self.pipeline.fit.fit(objective)
        objective.accept(result)
        said["summary"] = str(result).split("\n")[0]
        return result

    def _estimate(self, said: dict[str, Any]) -> dict[str, Product]:
        self._estimated = {}  # kept as it grows: a faulty estimator must not lose the others
        for estimator in self.pipeline.estimate:
            self._estimated[estimator.label] = estimator.estimate(self.reduce(), self.fit())
        said["summary"] = ", ".join(self._estimated) or "nothing to estimate"
        return self._estimated


def describe(pipeline: Chain) -> tuple[str, str]:
    """Give configuration and digest of a pipeline; "" where it holds a gammapy object as it is."""
    try:
        return dump(pipeline.to_plain(complete=True)), pipeline.digest()
    except SkyredError:
        return "", ""
