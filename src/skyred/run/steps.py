"""The steps: what each does, what it gave, and what is to be done anew when one is replaced."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from skyred.errors import ModelError, RunsFailedError
from skyred.interfaces import Chain, DataEntry, Engine, Product, ReducedData
from skyred.interfaces.records import STATUSES, STEPS, FitResult, Outcome, Run, StepRecord
from skyred.io.streaming import Workers
from skyred.likelihood import objective_of, restored_on_error
from skyred.plugins import Plugins
from skyred.result.load_datasets import gather
from skyred.run.build_models import build_models
from skyred.run.cache import Cache
from skyred.run.lifecycle import Watchers
from skyred.run.reduce import Reducer, describe
from skyred.run.select import Selection, select

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models

log = logging.getLogger(__name__)
_TOLERATE = "use those with faults all the same (data.{}.on_fault: note), "


@attrs.define(eq=False)
class Steps:
    """Takes the steps of a pipeline, each once, and keeps what they gave.

    Parameters
    ----------
    pipeline : Chain
        What to run.
    plugins : Plugins
        Archives and watchers.
    engine : Engine
        Where the work runs.
    record : Run
        What watchers see of the run.
    watchers : Watchers
        Those who watch.
    cache : Cache or None
        Where reduced chunks are kept.
    outcomes : list of Outcome
        What became of each requested observation.
    records : list of StepRecord
        The steps that were taken.
    estimates : dict of str to Product
        What was estimated so far: a faulty estimator must not lose the others.
    reduced : list of Dataset
        What was reduced so far: a failed run must not lose the others.
    done : dict of str to object
        What each step gave.
    """

    pipeline: Chain
    plugins: Plugins
    engine: Engine
    record: Run
    watchers: Watchers
    cache: Cache | None = None
    outcomes: list[Outcome] = attrs.field(factory=list)
    records: list[StepRecord] = attrs.field(factory=list)
    estimates: dict[str, Product] = attrs.field(factory=dict)
    reduced: list[Any] = attrs.field(factory=list)
    done: dict[str, Any] = attrs.field(factory=dict)

    def take(self, step: str) -> Any:
        """Take a step and those before it that are missing; gives what it gave."""
        for name in STEPS[: STEPS.index(step) + 1]:
            if name not in self.done:
                work = _WORK[name]
                with self._watched(name) as said:
                    self.done[name] = work(self, said)
        return self.done[step]

    def replace(self, step: str, value: Any) -> None:
        """Put something in the place of what a step gave; later steps are to be taken anew."""
        for later in STEPS[STEPS.index(step) :]:
            self.done.pop(later, None)
        if step != "estimate":
            self.estimates = {}
        if step == "reduce":
            self.outcomes, self.reduced = [], []
        self.done.setdefault("select", {})
        self.done[step] = value
        replaced = dict.fromkeys((*self.record.replaced, step))
        self.record = attrs.evolve(self.record, replaced=tuple(replaced))

    def models(self) -> Models | None:
        """Give the models as they are now, with their covariance; None before they are built."""
        from gammapy.modeling.models import Models

        return Models(self.done["reduce"].models) if "model" in self.done else None

    @contextmanager
    def _watched(self, step: str) -> Iterator[dict[str, Any]]:
        self.watchers.tell("skyred_step_started", run=self.record, step=step)
        started, said = time.perf_counter(), dict[str, Any]()
        yield said
        record = StepRecord(step, time.perf_counter() - started, **said)
        log.info("%s in %.1f s: %s", step, record.seconds, record.summary)
        self.records.append(record)
        self.watchers.tell("skyred_step_finished", run=self.record, step=step, record=record)

    def _select(self, said: dict[str, Any]) -> dict[str, Selection]:
        chosen = {
            entry: select(entry, reduction, self.plugins)
            for entry, reduction in self.pipeline.reductions()
        }
        total = sum(len(selection.table) for selection in chosen.values())
        self.record = attrs.evolve(self.record, observations=total)
        said["summary"] = f"{total} observations"
        files = [path for selection in chosen.values() for path in selection.files]
        said["inputs"] = (*files, *self._other_files())
        return chosen

    def _other_files(self) -> list[Path]:
        places = (place for _, place in self.pipeline.iter_locations() if place.is_path())
        return [path for place in places for path in place.matches() if path.is_file()]

    def _reduce(self, said: dict[str, Any]) -> Datasets:
        from gammapy.datasets import Datasets

        self.outcomes, self.reduced = [], []
        gathered = {
            name: gather(name, each)
            for name, each in self._present()
            if isinstance(each, ReducedData)
        }
        made: dict[str, Any] = {name: given.datasets for name, given in gathered.items()}
        self.reduced += [dataset for held in made.values() for dataset in held]
        for entry, datasets in self._made(said):
            made[entry] = datasets
            self.reduced += datasets
        if self.cache is not None:
            self.cache.prune()
        self._stop_on_failures()
        self._stop_on_nothing()
        _set_fit_ranges([(entry, made[name]) for name, entry in self._present()])
        # in the order of the configuration, whatever was there first
        self.reduced = [dataset for entry, _ in self._present() for dataset in made[entry]]
        number = len(self.reduced)
        said["summary"] = f"{number} dataset{'' if number == 1 else 's'}{_tally(self.outcomes)}"
        said["inputs"] = tuple(path for given in gathered.values() for path in given.files)
        return Datasets(self.reduced)

    def _made(self, said: dict[str, Any]) -> Iterator[tuple[str, Datasets]]:
        chosen = self.done["select"]
        entries = [
            (entry, each, chosen[entry])
            for entry, each in self.pipeline.reductions()
            if entry in chosen
        ]
        if not entries:
            return
        with Workers(self.engine.open) as workers:
            reducer = Reducer(workers, self.engine.slots, self.plugins.catalog, self.cache)
            said["sums"] = reducer.sums
            yield from reducer.reduce(entries, self._tell)

    def _present(self) -> list[tuple[str, DataEntry]]:
        """Give the data entries that are reduced or read: observations may have been replaced."""
        chosen = self.done["select"]
        return [
            (name, each)
            for name, each in self.pipeline.entries()
            if isinstance(each, ReducedData) or name in chosen
        ]

    def datasets(self) -> Datasets | None:
        """Give what is reduced so far, whether or not runs failed; None if nothing is."""
        from gammapy.datasets import Datasets

        return self.done.get("reduce", Datasets(self.reduced) if self.reduced else None)

    def _tell(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        # for the run's log: on the terminal it is the watchers' to say
        said = f"{outcome.status}: {outcome.reason}" if outcome.reason else outcome.status
        log.info("%s %d %s", outcome.entry, outcome.obs_id, said)
        for note in outcome.notes:
            log.info("%s %d: %s", outcome.entry, outcome.obs_id, note)
        self.watchers.tell("skyred_observation_reduced", run=self.record, outcome=outcome)

    def _stop_on_nothing(self) -> None:
        made = {each.entry for each in self.outcomes if each.status in ("made", "cached")}
        if barren := [entry for entry in self.done["select"] if entry not in made]:
            lost = [each for each in self.outcomes if each.entry in barren]
            raise RunsFailedError(
                f"none of {len(lost)} observations of data.{', data.'.join(barren)} gave a dataset:"
                f"\n{describe(lost)}"
            )

    def _stop_on_failures(self) -> None:
        failed = [
            outcome
            for outcome in self.outcomes
            if outcome.status == "failed" and self.pipeline.data[outcome.entry].on_error == "stop"
        ]
        if failed:
            entry = failed[0].entry
            tolerable = any(outcome.maker == "inspection" for outcome in failed)
            raise RunsFailedError(
                f"{len(failed)} of {len(self.outcomes)} runs failed:\n{describe(failed)}\n"
                f"mend them, leave them out, {_TOLERATE.format(entry) if tolerable else ''}"
                f"or go on without them (data.{entry}.on_error: skip)"
                + "; tracebacks are in observations.ecsv"
                * any(each.traceback for each in failed)
            )

    def _model(self, said: dict[str, Any]) -> Models | None:
        datasets = self.done["reduce"]
        models = build_models(self.pipeline.model, datasets)
        datasets.models = models
        # gammapy leaves out, without a word, a model whose datasets are not there
        if lost := sorted(set(models.names) - set(datasets.models.names)):
            raise ModelError(
                f"no dataset takes the model {', '.join(lost)}: "
                f"there are {', '.join(datasets.names)}; correct the datasets of the model"
            )
        said["summary"] = ", ".join(models.names) or "no models"
        return models

    def _fit(self, said: dict[str, Any]) -> FitResult | None:
        if self.pipeline.fit is None:
            return None
        objective = objective_of(self.done["reduce"])
        with restored_on_error(self.done["reduce"]):
            result = self.pipeline.fit.fit(objective)
        objective.accept(result)
        said["summary"] = str(result).split("\n")[0]
        return result

    def _estimate(self, said: dict[str, Any]) -> dict[str, Product]:
        self.estimates = {}
        faults: list[Exception] = []
        for estimator in self.pipeline.estimate:
            try:
                product = estimator.estimate(self.done["reduce"], self.done["fit"])
                self.estimates[estimator.label] = product
            except Exception as error:  # one estimate must not cost the others
                log.error("the estimate %s failed: %s", estimator.label, error)
                owner = self.plugins.catalog.owner(estimator) or "no plugin"
                error.add_note(f"this was in the estimator {estimator.kind} of {owner}")
                faults.append(error)
        if faults:
            raise faults[0]
        said["summary"] = ", ".join(self.estimates) or "nothing to estimate"
        return self.estimates


def _tally(outcomes: Iterable[Outcome]) -> str:
    """Say how many observations were anything but made: `` (4 cached, 1 failed)``."""
    numbers = Counter(outcome.status for outcome in outcomes)
    others = [f"{numbers[status]} {status}" for status in STATUSES[1:] if numbers[status]]
    return f" ({', '.join(others)})" if others else ""


def _set_fit_ranges(made: Sequence[tuple[DataEntry, Sequence[Any]]]) -> None:
    for entry, datasets in made:
        for dataset in datasets:
            if entry.fit_range is not None:
                entry.fit_range.apply(dataset)


_WORK: dict[str, Callable[[Steps, dict[str, Any]], Any]] = {
    "select": Steps._select,
    "reduce": Steps._reduce,
    "model": Steps._model,
    "fit": Steps._fit,
    "estimate": Steps._estimate,
}
