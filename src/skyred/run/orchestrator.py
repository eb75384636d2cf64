"""The orchestrator: runs the steps of a pipeline, all together or one by one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import attrs

from skyred.errors import ConfigError, StepError
from skyred.interfaces import Chain, Engine, Product
from skyred.interfaces.records import FitResult, Outcome, Report, Run, StepRecord
from skyred.interfaces.unusable_fields import require_usable
from skyred.likelihood import objective_of
from skyred.plugins import Plugins
from skyred.plugins.component_errors import errors_of
from skyred.plugins.run_checks import check_requirements, check_usable
from skyred.plugins.unknown_models import add_plugin_types
from skyred.result import Result
from skyred.run.cache import Cache
from skyred.run.cached_chunks import open_cache
from skyred.run.html import orchestrator_html
from skyred.run.lifecycle import Watchers
from skyred.run.publish import run_steps, run_to_folder, steps_until
from skyred.run.run_records import create_record, create_report, create_result
from skyred.run.select import replace_observations
from skyred.run.steps import Steps

if TYPE_CHECKING:
    from gammapy.data import Observations, ObservationTable
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models


class Orchestrator:
    """Runs the steps of a pipeline, all together or one by one.

    The methods `select`, `reduce`, `model`, `fit` and `estimate` run a step and those before it, if
    they have not run yet. The attributes `observations`, `datasets`, `models`, `fit_result` and
    `estimates` are the outputs of these steps, or None if the step has not run. If an attribute is
    set, the later steps run again when they are needed.

    Parameters
    ----------
    pipeline : Pipeline
        The pipeline to run.
    plugins : Plugins, optional
        The plugins, for archives and lifecycle hooks; by default all installed plugins.
    engine : Engine, optional
        The engine that executes the work; by default `serial`.
    cache : Cache, str, Path or bool, optional
        The cache of reduced chunks, or its folder; by default the user's cache folder, unless the
        environment contains ``SKYRED_CACHE=off``. False disables caching.

    Raises
    ------
    ConfigError
        If the pipeline is invalid.
    PluginError
        If a plugin is faulty.
    CacheError
        If the given cache folder cannot be used.

    Examples
    --------
    >>> from skyred import Orchestrator, Pipeline
    >>> orchestrator = Orchestrator(Pipeline.from_yaml("crab.yaml"))  # doctest: +SKIP
    >>> orchestrator.reduce()[0].counts.data.sum()  # doctest: +SKIP
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
        plugins = plugins or Plugins.load()
        model_problems = list(plugins.catalog.models.problems(pipeline))
        # gammapy objects in a pipeline built in Python may have changed since the last check
        if (model_problems or not pipeline.checked) and (
            problems := pipeline.problems(
                model_problems, partial(errors_of, catalog=plugins.catalog)
            )
        ):
            raise ConfigError(add_plugin_types(problems, pipeline, plugins.catalog))
        check_usable(plugins)
        engine = engine or cast("Engine", plugins.catalog.default("engine", "serial")())
        require_usable(engine)
        check_requirements(plugins, [*pipeline.components(), engine])
        watchers = Watchers(plugins, list(plugins.warnings))
        self._steps = Steps(
            pipeline, plugins, engine, create_record(pipeline), watchers, open_cache(cache)
        )

    @property
    def pipeline(self) -> Chain:
        """The pipeline."""
        return self._steps.pipeline

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The outcome of each requested observation."""
        return tuple(self._steps.outcomes)

    @property
    def steps(self) -> tuple[StepRecord, ...]:
        """The steps that have run, with their durations."""
        return tuple(self._steps.records)

    def select(self) -> dict[str, ObservationTable]:
        """Select the observations of each data entry.

        Returns
        -------
        dict of str to ObservationTable
            The tables of the selected observations by data entry.

        Raises
        ------
        ArchiveError
            If an archive cannot be opened, no observation is left, or a column or value that a
            stacker needs is missing.
        """
        return {
            entry: selection.table for entry, selection in self._steps.run_until("select").items()
        }

    def reduce(self) -> Datasets:
        """Reduce the selected observations.

        Returns
        -------
        Datasets
            The datasets of all data entries.

        Raises
        ------
        RunsFailedError
            If runs failed in an entry with ``on_error: stop``, or no run of an entry was reduced;
            raised after all runs have been tried.
        """
        return self._steps.run_until("reduce")

    def model(self) -> Models | None:
        """Build the models and set them on the datasets.

        Returns
        -------
        Models or None
            The current models.

        Raises
        ------
        ModelError
            If models have the same name, have invalid links, or do not apply to any dataset.
        """
        self._steps.run_until("model")
        return self._steps.models()

    def fit(self) -> FitResult | None:
        """Fit the models to the datasets.

        Returns
        -------
        FitResult or None
            The result, which may have ``success=False``; None if the pipeline has no fit.

        Raises
        ------
        FitError
            If there is nothing to fit, or the datasets or models are not valid.
        """
        return cast("FitResult | None", self._steps.run_until("fit"))

    def estimate(self) -> dict[str, Product]:
        """Run the estimators.

        Returns
        -------
        dict of str to Product
            The estimates by name.

        Raises
        ------
        Exception
            The first error of an estimator; raised after all estimators have run.
        """
        return cast("dict[str, Product]", self._steps.run_until("estimate"))

    # -- the outputs of the steps, which can be inspected and replaced ------------------------

    @property
    def observations(self) -> dict[str, Observations] | None:
        """The observations by data entry, read on demand; None before they are selected."""
        selections = self._steps.outputs.get("select")
        if selections is None:
            return None
        return {entry: selection.observations for entry, selection in selections.items()}

    @observations.setter
    def observations(self, observations: Mapping[str, Observations]) -> None:
        old_selections = self._require_output("select", "observations")
        selections = replace_observations(old_selections, observations)
        self._steps.replace("select", selections)
        total = sum(len(selection.table) for selection in selections.values())
        self._steps.record = attrs.evolve(self._steps.record, observations=total)

    @property
    def datasets(self) -> Datasets | None:
        """The datasets that have been read or reduced so far; None if there are none."""
        return self._steps.datasets()

    @datasets.setter
    def datasets(self, datasets: Datasets) -> None:
        self._steps.replace("reduce", datasets)

    @property
    def models(self) -> Models | None:
        """The current models, fitted or not; None before they are built."""
        return self._steps.models()

    @models.setter
    def models(self, models: Models) -> None:
        self._require_output("reduce", "models").models = models
        self._steps.replace("model", models)

    @property
    def fit_result(self) -> FitResult | None:
        """The result of the fit; None before the fit, or if the pipeline has none."""
        return cast("FitResult | None", self._steps.outputs.get("fit"))

    @fit_result.setter
    def fit_result(self, result: FitResult | None) -> None:
        self._require_output("model", "fit_result")
        if result is not None:  # set the models to the fitted values
            objective_of(self._require_output("reduce", "fit_result")).accept(result)
        self._steps.replace("fit", result)

    @property
    def estimates(self) -> dict[str, Product] | None:
        """The estimates that have been computed so far, by name; None if there are none."""
        estimates = self._steps.outputs.get("estimate", self._steps.estimates or None)
        return cast("dict[str, Product] | None", estimates)

    @estimates.setter
    def estimates(self, estimates: Mapping[str, Product]) -> None:
        self._require_output("fit", "estimates")
        self._steps.replace("estimate", dict(estimates))

    def _require_output(self, step: str, attribute: str) -> Any:
        """Return the output of a step that must have run, because attributes do not run steps."""
        if step not in self._steps.outputs:
            raise StepError(f"{attribute} cannot be set before {step}() is called: call it first")
        return self._steps.outputs[step]

    def run_until(self, until: str = "estimate") -> None:
        """Run the steps up to one of select, reduce, model, fit and estimate.

        Parameters
        ----------
        until : str
            The last step.

        Raises
        ------
        FitError
            If the fit did not converge (its result is still available as `fit_result`).
        """
        run_steps(self._steps, steps_until(until))

    def run(
        self,
        folder: str | Path | None = None,
        *,
        until: str = "estimate",
        overwrite: bool = False,
        plots: bool = True,
        report: bool = True,
    ) -> Result:
        """Run the steps, write the run folder and publish it.

        Parameters
        ----------
        folder : str or Path, optional
            The run folder; nothing is written without it.
        until : str
            The last step.
        overwrite : bool
            Whether an existing run folder may be replaced.
        plots : bool
            Whether to draw the plots in the run folder.
        report : bool
            Whether to write the HTML report, ``report.html``, in the run folder.

        Returns
        -------
        Result
            The result of the run, as `Result.read(folder)` returns it.

        Raises
        ------
        SkyredError
            If the run fails. The outputs so far are published with ``state: failed``, unless the
            disk failed or the run could not start.
        """
        return run_to_folder(self._steps, folder, until, overwrite, plots, report)

    def result(self) -> Result:
        """Return the outputs of all steps that have run so far.

        Returns
        -------
        Result
            The result.
        """
        return create_result(self._steps)

    def report(self, state: str, error: str = "", result: Result | None = None) -> Report:
        """Return the report of the run, for lifecycle hooks.

        Parameters
        ----------
        state : str
            The final state: finished, failed or interrupted.
        error : str
            The error that stopped the run; "" if there is none.
        result : Result, optional
            The current result; by default it is created.

        Returns
        -------
        Report
            The report.
        """
        return create_report(self._steps, state, error, result or self.result())

    def _repr_html_(self) -> str:
        return orchestrator_html(self._steps)

    @property
    def record(self) -> Run:
        """The record of the run, as lifecycle hooks receive it."""
        return self._steps.record
