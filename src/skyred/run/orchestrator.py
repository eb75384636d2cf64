"""The orchestrator: takes the steps of a pipeline, each when it is asked for, or all of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import attrs

from skyred.config import dump
from skyred.errors import ConfigError, FitError, StepError
from skyred.interfaces import Chain, Engine, Product
from skyred.interfaces.records import FitResult, Outcome, Report, Run, StepRecord
from skyred.likelihood import objective_of
from skyred.plugins import Plugins
from skyred.result import Result
from skyred.run.cache import Cache
from skyred.run.cached_chunks import open_cache
from skyred.run.html import show
from skyred.run.lifecycle import Watchers
from skyred.run.publish import run_to_folder, steps_until
from skyred.run.steps import Steps

if TYPE_CHECKING:
    from gammapy.data import Observations, ObservationTable
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models


class Orchestrator:
    """Runs a pipeline, all at once or step by step.

    The methods `select`, `reduce`, `model`, `fit` and `estimate` take a step, and what is still
    missing before it. The attributes `observations`, `datasets`, `models`, `fit_result` and
    `estimates` are what the steps gave so far, None before that: they run nothing. Each can be
    replaced; what depends on it is then done anew.

    Parameters
    ----------
    pipeline : Pipeline
        What to run.
    plugins : Plugins, optional
        Archives and watchers; by default all that are installed.
    engine : Engine, optional
        Where the work runs; by default `serial`.
    cache : Cache, str, Path or bool, optional
        Where reduced chunks are kept and looked up: a folder; by default the user's cache folder
        (nowhere with ``SKYRED_CACHE=off``); False for nowhere.

    Raises
    ------
    ConfigError
        If the pipeline as a whole is wrong.
    PluginError
        If a plugin is faulty.
    CacheError
        If a folder is given as cache that cannot be used.

    Examples
    --------
    >>> from skyred import Orchestrator, Pipeline
    >>> orchestrator = Orchestrator(Pipeline.from_yaml("crab.yaml"))  # doctest: +SKIP
    >>> datasets = orchestrator.reduce()  # doctest: +SKIP
    >>> datasets[0].counts.data.sum()  # doctest: +SKIP
    >>> result = orchestrator.run("crab")  # doctest: +SKIP
    """

    def __init__(
        self,
        pipeline: Chain,
        *,
        plugins: Plugins | None = None,
        engine: Engine | None = None,
        cache: Cache | str | Path | bool | None = None,
    ) -> None:
        # gammapy objects, of a pipeline that was built in Python, may have changed since any check
        if not pipeline.checked and (problems := pipeline.problems()):
            raise ConfigError(problems)
        plugins = plugins or Plugins.load()
        plugins.require_sound()
        engine = engine or cast(Engine, plugins.catalog.get("engine", "serial")())
        self._steps = Steps(
            pipeline, plugins, engine, _describe(pipeline), Watchers(plugins), open_cache(cache)
        )

    @property
    def pipeline(self) -> Chain:
        """What is run."""
        return self._steps.pipeline

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What became of each requested observation."""
        return tuple(self._steps.outcomes)

    @property
    def steps(self) -> tuple[StepRecord, ...]:
        """The steps that were taken, with their times."""
        return tuple(self._steps.records)

    # -- the steps ---------------------------------------------------------------------------

    def select(self) -> dict[str, ObservationTable]:
        """Choose the observations of each data entry; gives their tables by entry."""
        return {entry: chosen.table for entry, chosen in self._steps.take("select").items()}

    def reduce(self) -> Datasets:
        """Reduce the observations; gives the datasets of all entries.

        Raises
        ------
        RunsFailedError
            If runs failed in an entry with ``on_error: stop`` (after all were tried).
        """
        return self._steps.take("reduce")

    def model(self) -> Models | None:
        """Build the models and put them on the datasets; gives them as they are now."""
        self._steps.take("model")
        return self._steps.models()

    def fit(self) -> FitResult | None:
        """Fit the models; None if the pipeline has no fit. Look at its `success`."""
        return cast("FitResult | None", self._steps.take("fit"))

    def estimate(self) -> dict[str, Product]:
        """Derive the estimates, by name."""
        return cast("dict[str, Product]", self._steps.take("estimate"))

    # -- what they gave: to be looked at and replaced; nothing is run -------------------------

    @property
    def observations(self) -> dict[str, Observations] | None:
        """The observations by data entry, None before they are selected.

        Nothing of them is read before it is used.
        """
        selections = self._steps.done.get("select")
        if selections is None:
            return None
        return {entry: chosen.observations for entry, chosen in selections.items()}

    @observations.setter
    def observations(self, observations: Mapping[str, Observations]) -> None:
        selections = dict(self._given("select", "observations"))
        for entry, chosen in observations.items():
            if entry not in selections:
                raise KeyError(f"there is no data entry {entry!r}; there are {list(selections)}")
            selections[entry] = selections[entry].of(chosen)
        self._steps.replace("select", selections)
        total = sum(len(selection.table) for selection in selections.values())
        self.record = attrs.evolve(self.record, observations=total)

    @property
    def datasets(self) -> Datasets | None:
        """The reduced datasets, as many as there are; None before any is reduced."""
        return self._steps.datasets()

    @datasets.setter
    def datasets(self, datasets: Datasets) -> None:
        self._steps.replace("reduce", datasets)

    @property
    def models(self) -> Models | None:
        """The models as they are now, fitted or not; None before they are built."""
        return self._steps.models()

    @models.setter
    def models(self, models: Models) -> None:
        self._given("reduce", "models").models = models
        self._steps.replace("model", models)

    @property
    def fit_result(self) -> FitResult | None:
        """The result of the fit; None before it, or without one."""
        return cast("FitResult | None", self._steps.done.get("fit"))

    @fit_result.setter
    def fit_result(self, result: FitResult | None) -> None:
        self._given("model", "fit_result")
        if result is not None:  # the models are to be those of the fit
            objective_of(self._given("reduce", "fit_result")).accept(result)
        self._steps.replace("fit", result)

    @property
    def estimates(self) -> dict[str, Product] | None:
        """The estimates by name, as many as there are; None before any is derived."""
        given = self._steps.done.get("estimate", self._steps.estimates or None)
        return cast("dict[str, Product] | None", given)

    @estimates.setter
    def estimates(self, estimates: Mapping[str, Product]) -> None:
        self._given("fit", "estimates")
        self._steps.replace("estimate", dict(estimates))

    def _given(self, step: str, attribute: str) -> Any:
        """Return what a step gave; an attribute that is set runs nothing that is missing."""
        if step not in self._steps.done:
            raise StepError(f"{attribute} cannot be set before {step}() is called: call it first")
        return self._steps.done[step]

    # -- all of them -------------------------------------------------------------------------

    def take(self, until: str = "estimate") -> None:
        """Take the steps up to one of select, reduce, model, fit, estimate.

        Raises
        ------
        FitError
            If the fit did not converge (its result can be looked at all the same).
        """
        for step in steps_until(until):
            given = self._steps.take(step)
            if step == "fit" and given is not None and not given.success:
                raise FitError(f"the fit did not converge: {given.message}")

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
        steps = self._steps
        return Result(
            config=steps.record.config,
            replaced=steps.record.replaced,
            digest=steps.record.digest,
            outcomes=self.outcomes,
            steps=self.steps,
            datasets=steps.datasets(),
            models=steps.models(),
            fit=steps.done.get("fit"),
            estimates=dict(steps.done.get("estimate", steps.estimates)),
            kinds={estimator.label: estimator.kind for estimator in self.pipeline.estimate},
        )

    def report(self, state: str, error: str = "") -> Report:
        """Give the record of how the run ended."""
        steps = self._steps
        components = [*self.pipeline.components(), steps.engine]
        return Report(
            state=state,
            error=error,
            steps=self.steps,
            outcomes=self.outcomes,
            watchers=tuple(steps.watchers.faults),
            owners=steps.plugins.catalog.owners(components),
            result=self.result(),
            engine=steps.engine.to_plain(complete=True),
        )

    def _repr_html_(self) -> str:
        return show(self._steps)

    @property
    def record(self) -> Run:
        """What watchers see of the run."""
        return self._steps.record

    @record.setter
    def record(self, record: Run) -> None:
        self._steps.record = record

    @property
    def watchers(self) -> Watchers:
        """Those who watch the run."""
        return self._steps.watchers


def _describe(pipeline: Chain) -> Run:
    """Record configuration and digest; "" where the pipeline holds a gammapy object as it is."""
    try:
        return Run(dump(pipeline.to_plain(complete=True)), pipeline.digest())
    except ConfigError:
        return Run()
