"""The steps of a pipeline, their outputs, and their repetition when an output is replaced."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from skyred.errors import ModelError
from skyred.interfaces import Chain, DataEntry, Engine, Product, ReducedData
from skyred.interfaces.dataset_names import require_names
from skyred.interfaces.fit_checks import run_fitter
from skyred.interfaces.hidden_secrets import hidden_secrets, hide_in_outcome, secret_values
from skyred.interfaces.observation_tables import ObservationTables
from skyred.interfaces.records import STEPS, FitResult, Outcome, Run, StepRecord
from skyred.io.streaming import Workers
from skyred.likelihood import objective_of, restored_on_error
from skyred.plugins import Plugins
from skyred.plugins.component_errors import errors_of
from skyred.result.load_datasets import check_unique_names, load_datasets
from skyred.run.build_models import build_models
from skyred.run.cache import Cache
from skyred.run.checked_engine import create_workers
from skyred.run.disk_space import size_of
from skyred.run.estimate import EstimatorRunner
from skyred.run.failures import format_other_statuses, raise_on_failures, require_reduced
from skyred.run.lifecycle import Watchers
from skyred.run.memory import require_memory
from skyred.run.model_round_trip import check_round_trip
from skyred.run.reduce import Reducer
from skyred.run.select import Selection, format_not_inspected, select

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models

log = logging.getLogger(__name__)


@attrs.define(eq=False)
class Steps:
    """The steps of a pipeline, each of which runs once, and their outputs.

    Parameters
    ----------
    pipeline : Chain
        The pipeline.
    plugins : Plugins
        The plugins, for archives and lifecycle hooks.
    engine : Engine
        The engine that executes the work.
    record : Run
        The record of the run, as lifecycle hooks receive it.
    watchers : Watchers
        The lifecycle hooks of the plugins.
    cache : Cache or None
        The cache of reduced chunks; None if caching is disabled.
    outcomes : list of Outcome
        The outcome of each requested observation.
    tables : ObservationTables
        The rows of observation tables, which makers recorded.
    records : list of StepRecord
        The steps that have run.
    estimates : dict of str to Product
        The estimates so far, which are kept if another estimator fails.
    reduced_datasets : list of Dataset
        The datasets so far, which are kept if another run fails.
    outputs : dict of str to object
        The output of each step that has run.
    workers : Workers
        The workers of the engine, which run while a step or several steps use them.
    """

    pipeline: Chain
    plugins: Plugins
    engine: Engine
    record: Run
    watchers: Watchers
    cache: Cache | None = None
    outcomes: list[Outcome] = attrs.field(factory=list)
    tables: ObservationTables = attrs.field(factory=ObservationTables)
    records: list[StepRecord] = attrs.field(factory=list)
    estimates: dict[str, Product] = attrs.field(factory=dict)
    reduced_datasets: list[Any] = attrs.field(factory=list)
    outputs: dict[str, Any] = attrs.field(factory=dict)
    workers: Workers = attrs.field(
        init=False,
        default=attrs.Factory(
            lambda steps: create_workers(steps.engine, steps.plugins.catalog), takes_self=True
        ),
    )

    def run_until(self, step: str) -> Any:
        """Run a step and the steps before it, unless they have already run.

        Parameters
        ----------
        step : str
            The name of the step.

        Returns
        -------
        object
            The output of the step.
        """
        with hidden_secrets(self.pipeline, self.engine), self.workers:
            for name in STEPS[: STEPS.index(step) + 1]:
                if name not in self.outputs:
                    run_step = getattr(self, f"_{name}")
                    with self._notify_and_record(name) as details:
                        self.outputs[name] = run_step(details)
        return self.outputs[step]

    def replace(self, step: str, value: Any) -> None:
        """Replace the output of a step; later steps run again when they are needed.

        Parameters
        ----------
        step : str
            The name of the step.
        value : object
            The new output.
        """
        for outdated_step in STEPS[STEPS.index(step) :]:
            self.outputs.pop(outdated_step, None)
        if step != "estimate":
            self.estimates = {}
        if step == "reduce":
            self._clear_reduction()
        self.outputs.setdefault("select", {})
        self.outputs[step] = value
        replaced_steps = dict.fromkeys((*self.record.replaced, step))
        self.record = attrs.evolve(self.record, replaced=tuple(replaced_steps))

    def models(self) -> Models | None:
        """Return the current models with their covariance.

        Returns
        -------
        Models or None
            The models; None before they are built.
        """
        from gammapy.modeling.models import Models

        return Models(self.outputs["reduce"].models) if "model" in self.outputs else None

    @contextmanager
    def _notify_and_record(self, step: str) -> Iterator[dict[str, Any]]:
        self.watchers.notify("skyred_step_started", run=self.record, step=step)
        start, details = self.watchers.work_time(), dict[str, Any]()
        yield details
        record = StepRecord(step, self.watchers.work_time() - start, **details)
        log.info("%s in %.1f s: %s", step, record.seconds, record.summary)
        for note in record.notes:
            log.info("%s: %s", step, note)
        self.records.append(record)
        self.watchers.notify("skyred_step_finished", run=self.record, step=step, record=record)

    def _select(self, details: dict[str, Any]) -> dict[str, Selection]:
        selections = {
            name: select(name, reduction, self.plugins)
            for name, reduction in self.pipeline.reductions()
        }
        total = sum(len(selection.table) for selection in selections.values())
        self.record = attrs.evolve(self.record, observations=total)
        details["summary"] = f"{total} observations{format_not_inspected(selections)}"
        files = [path for selection in selections.values() for path in selection.files]
        details["inputs"] = (*files, *self._component_files())
        return selections

    def _component_files(self) -> list[Path]:
        locations = (
            location for _, location in self.pipeline.iter_locations() if location.is_path()
        )
        return [path for location in locations for path in location.matches() if path.is_file()]

    def _reduce(self, details: dict[str, Any]) -> Datasets:
        from gammapy.datasets import Datasets

        self._clear_reduction()
        inputs_by_name = {
            name: load_datasets(name, entry)
            for name, entry in self._active_entries()
            if isinstance(entry, ReducedData)
        }
        datasets_by_entry: dict[str, Any] = {
            name: input_data.datasets for name, input_data in inputs_by_name.items()
        }
        _check_names(datasets_by_entry)  # before observations are reduced
        self._check_estimators(self._expected_names(datasets_by_entry))
        self.reduced_datasets += [
            dataset for datasets in datasets_by_entry.values() for dataset in datasets
        ]
        self._require_memory()
        for name, datasets in self._iter_reduced(details):
            datasets_by_entry[name] = datasets
            self.reduced_datasets += datasets
        if self.cache is not None:
            self.cache.prune()
        raise_on_failures(self.outcomes, self.pipeline)
        require_reduced(self.outcomes, self.outputs["select"])
        _check_names(datasets_by_entry)
        _set_fit_ranges(
            [(entry, datasets_by_entry[name]) for name, entry in self._active_entries()]
        )
        # in the order of the configuration, not of completion
        self.reduced_datasets = [
            dataset for name, _ in self._active_entries() for dataset in datasets_by_entry[name]
        ]
        n_datasets = len(self.reduced_datasets)
        statuses = format_other_statuses(self.outcomes)
        number = f"{n_datasets} dataset{'' if n_datasets == 1 else 's'}{statuses}"
        details["summary"] = "; ".join(filter(None, (number, details.get("summary"))))
        details["inputs"] = tuple(
            path for input_data in inputs_by_name.values() for path in input_data.files
        )
        return Datasets(self.reduced_datasets)

    def _clear_reduction(self) -> None:
        self.outcomes, self.reduced_datasets, self.tables = [], [], ObservationTables()

    def _require_memory(self) -> None:
        """Raise an error if the datasets of all entries do not fit into memory."""
        tables = {name: selection.table for name, selection in self.outputs["select"].items()}
        loaded_size, catalog = size_of(self.reduced_datasets), self.plugins.catalog
        require_memory(tables, self.pipeline.data, loaded_size, catalog)

    def _expected_names(self, datasets_by_entry: Mapping[str, Iterable[Any]]) -> list[str]:
        """Return the names of the existing datasets, and patterns for those to be reduced."""
        names = [dataset.name for datasets in datasets_by_entry.values() for dataset in datasets]
        to_reduce = [
            entry.name_pattern(name)
            for name, entry in self._active_entries()
            if name not in datasets_by_entry
        ]
        return [*names, *to_reduce]

    def _check_estimators(self, dataset_names: Sequence[str]) -> None:
        """Raise an error if an estimator names a dataset that does not exist."""
        for estimator in self.pipeline.estimate:
            try:
                require_names(dataset_names, estimator.datasets)
            except ModelError as error:
                raise ModelError(f"estimate {estimator.label}: {error}") from None

    def _iter_reduced(self, details: dict[str, Any]) -> Iterator[tuple[str, Datasets]]:
        selections = self.outputs["select"]
        entries = [
            (name, reduction, selections[name])
            for name, reduction in self.pipeline.reductions()
            if name in selections
        ]
        reducer = Reducer(self.workers, self.engine, self.plugins.catalog, self.cache)
        details["sums"] = reducer.checksums
        values = secret_values((self.pipeline, self.engine))
        yield from reducer.reduce(entries, partial(self._record_outcome, values))
        details["summary"] = reducer.comparisons.summary()

    def _active_entries(self) -> list[tuple[str, DataEntry]]:
        """Return the entries with reduced data, and those with selected observations."""
        selections = self.outputs["select"]
        return [
            (name, entry)
            for name, entry in self.pipeline.entries()
            if isinstance(entry, ReducedData) or name in selections
        ]

    def datasets(self) -> Datasets | None:
        """Return the datasets that have been read or reduced so far, even if runs failed.

        Returns
        -------
        Datasets or None
            The datasets; None if there are none.
        """
        from gammapy.datasets import Datasets

        return self.outputs.get(
            "reduce", Datasets(self.reduced_datasets) if self.reduced_datasets else None
        )

    def _record_outcome(self, secrets: tuple[str, ...], outcome: Outcome) -> None:
        outcome = hide_in_outcome(outcome, secrets)
        self.outcomes.append(outcome)
        # for the log file only, because watchers report outcomes on the terminal
        message = f"{outcome.status}: {outcome.reason}" if outcome.reason else outcome.status
        log.info("%s %d %s", outcome.entry, outcome.obs_id, message)
        for note in outcome.notes:
            log.info("%s %d: %s", outcome.entry, outcome.obs_id, note)
        self.watchers.notify("skyred_observation_reduced", run=self.record, outcome=outcome)
        self.tables.add(outcome)

    def _model(self, details: dict[str, Any]) -> Models | None:
        datasets = self.outputs["reduce"]
        self._check_estimators(datasets.names)  # before the fit, because it may take a long time
        notes: list[str] = []
        models = build_models(self.pipeline.model, datasets, self.plugins.catalog, notes.append)
        details["notes"] = tuple(notes)
        is_written = self.record.folder is not None
        check_round_trip(models, self.plugins.catalog, is_written=is_written, datasets=datasets)
        datasets.models = models
        # gammapy silently drops a model if none of its datasets exists
        if unused := sorted(set(models.names) - set(datasets.models.names)):
            raise ModelError(
                f"no dataset uses the model {', '.join(unused)}: "
                f"the datasets are {', '.join(datasets.names)}; correct the option datasets"
            )
        details["summary"] = ", ".join(models.names) or "no models"
        return models

    def _fit(self, details: dict[str, Any]) -> FitResult | None:
        if self.pipeline.fit is None:
            return None
        objective = objective_of(self.outputs["reduce"])
        fitter, catalog = self.pipeline.fit, self.plugins.catalog
        with restored_on_error(self.outputs["reduce"]), errors_of(fitter, catalog):
            result = run_fitter(fitter, objective)
        objective.accept(result)
        details["summary"] = str(result).split("\n")[0]
        return result

    def _estimate(self, details: dict[str, Any]) -> dict[str, Product]:
        self.estimates = {}
        report = partial(self.watchers.notify, "skyred_task_finished", run=self.record)
        runner = EstimatorRunner(self.workers, self.engine.slots, self.plugins.catalog, report)
        datasets, fit = self.outputs["reduce"], self.outputs["fit"]
        runner.run(self.pipeline.estimate, datasets, fit, self.estimates)
        details["summary"] = ", ".join(self.estimates) or "nothing to estimate"
        return self.estimates


def _check_names(datasets_by_entry: Mapping[str, Iterable[Any]]) -> None:
    check_unique_names(
        (name, dataset) for name, datasets in datasets_by_entry.items() for dataset in datasets
    )


def _set_fit_ranges(datasets_of_entries: Sequence[tuple[DataEntry, Sequence[Any]]]) -> None:
    for entry, datasets in datasets_of_entries:
        for dataset in datasets:
            if entry.fit_range is not None:
                entry.fit_range.apply(dataset)
