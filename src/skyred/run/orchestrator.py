"""The orchestrator: takes the steps of a pipeline, each when it is asked for, or all of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import attrs

from skyred.config import dump
from skyred.errors import ConfigError, FitError
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

    # -- what they gave: to be looked at and replaced ----------------------------------------

    @property
    def observations(self) -> dict[str, Observations]:
        """The observations by data entry; nothing of them is read before it is used."""
        return {entry: chosen.observations for entry, chosen in self._steps.take("select").items()}

    @observations.setter
    def observations(self, observations: Mapping[str, Observations]) -> None:
        selections = dict(self._steps.take("select"))
        for entry, chosen in observations.items():
            if entry not in selections:
                raise KeyError(f"there is no data entry {entry!r}; there are {list(selections)}")
            selections[entry] = selections[entry].of(chosen)
        self._steps.replace("select", selections)
        total = sum(len(selection.table) for selection in selections.values())
        self.record = attrs.evolve(self.record, observations=total)

    @property
    def datasets(self) -> Datasets:
        """The reduced datasets."""
        return self.reduce()

    @datasets.setter
    def datasets(self, datasets: Datasets) -> None:
        self._steps.replace("reduce", datasets)

    @property
    def models(self) -> Models | None:
        """The models, as they are now: fitted, once they are."""
        return self.model()

    @models.setter
    def models(self, models: Models) -> None:
        self.reduce().models = models
        self._steps.replace("model", models)

    @property
    def fit_result(self) -> FitResult | None:
        """The result of the fit."""
        return self.fit()

    @fit_result.setter
    def fit_result(self, result: FitResult | None) -> None:
        self._steps.take("model")
        if result is not None:
            objective_of(self.datasets).accept(result)  # the models are to be those of the fit
        self._steps.replace("fit", result)

    @property
    def estimates(self) -> dict[str, Product]:
        """The estimates by name."""
        return self.estimate()

    @estimates.setter
    def estimates(self, estimates: Mapping[str, Product]) -> None:
        self._steps.take("fit")
        self._steps.replace("estimate", dict(estimates))

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
