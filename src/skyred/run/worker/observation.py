"""The reduction of one observation: inspection, selectors, makers, stacking and outcome."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from skyred.errors import SkipObservation
from skyred.interfaces import cutting_selectors, modifying_makers
from skyred.interfaces.observation_rows import RowRecorder, recorded_by
from skyred.interfaces.records import Outcome
from skyred.io.captured_warnings import capture_warnings
from skyred.run.worker.background_norm import apply_background_norm, count_safe
from skyred.run.worker.component_calls import (
    RuleError,
    call_guarded,
    faults_of,
    modify_observation,
    require_dataset,
    require_total,
    run_maker,
)
from skyred.run.worker.good_time import cut_observation, describe_time, drop_events_outside
from skyred.run.worker.observation_guard import ObservationGuard, protect_observation
from skyred.run.worker.open_observation import InspectionFailed, inspect_observation
from skyred.run.worker.target_maps import shares_counts

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import Dataset

    from skyred.interfaces import Component, Selector
    from skyred.run.worker.chunk import Chunk

# the indices of their plugins in the owners of a chunk, after those of makers and selectors
GEOMETRY, STACKER = -2, -1


@attrs.frozen
class ReducedPart:
    """The dataset of an observation, or of a part of its good time.

    Parameters
    ----------
    observation : Observation
        The observation, with only the good time and events of the part.
    dataset : Dataset
        The dataset of the part.
    norm : float
        The norm of the background; NaN if there is none.
    """

    observation: Observation
    dataset: Dataset
    norm: float


@attrs.define
class RunReduction:
    """The reduction of one observation of a chunk.

    Parameters
    ----------
    chunk : Chunk
        The chunk.
    observation : Observation
        The observation as the archive returned it; `run` replaces it with the inspected copy,
        without events outside the good time.
    step : str
        The current step, for the observation log.
    total_invalid : bool
        Whether the total may include a part of the observation.

    Attributes
    ----------
    outcome : Outcome
        The outcome, once `run` is done.
    checksums : mapping of Path to str
        The sha256 of the inspected files, by path.
    recorder : RowRecorder
        The rows of observation tables that the makers recorded.
    """

    chunk: Chunk
    observation: Observation
    step: str = "inspection"
    outcome: Outcome = attrs.field(init=False)
    checksums: Mapping[Path, str] = attrs.field(init=False, factory=dict)
    recorder: RowRecorder = attrs.field(init=False, factory=RowRecorder)
    total_invalid: bool = False
    _start_time: float = attrs.field(factory=time.perf_counter)

    def run(self, target: Dataset) -> tuple[ReducedPart, ...]:
        """Inspect, split and reduce the observation, and set its outcome.

        Parameters
        ----------
        target : Dataset
            The empty dataset of the geometry.

        Returns
        -------
        tuple of ReducedPart
            The observation with its dataset, or its parts if selectors split it; empty if the
            observation is skipped or fails.

        Raises
        ------
        RuleError
            If a component violates a rule of its interface.
        """
        notes: list[str] = []
        with capture_warnings() as warning_notes, recorded_by(self.recorder):
            parts = self._try_reduce(target, notes)
        self.outcome = attrs.evolve(self.outcome, notes=(*notes, *warning_notes))
        return parts

    def stack(self, total: Any, parts: Iterable[ReducedPart]) -> Any:
        """Add datasets to the total; if that fails, set the outcome and `total_invalid`.

        Parameters
        ----------
        total : object
            The total of the stacker.
        parts : iterable of ReducedPart
            The datasets of the observation.

        Returns
        -------
        object
            The new total.

        Raises
        ------
        RuleError
            If the stacker violates a rule of its interface.
        """
        self._set_step(STACKER, self.chunk.reduction.stack)
        try:
            with recorded_by(self.recorder):
                for part in parts:
                    with faults_of(self.step):
                        total = self.chunk.reduction.stack.add(
                            total, part.dataset, part.observation
                        )
                    require_total(total, self.step)
        except RuleError:
            raise
        except Exception as error:  # a faulty run must not discard the others
            notes = self.outcome.notes
            self._fail(error)
            self.outcome, self.total_invalid = attrs.evolve(self.outcome, notes=notes), True
        return total

    def _try_reduce(self, target: Dataset, notes: list[str]) -> tuple[ReducedPart, ...]:
        try:
            notes += self._inspect()
            parts = self._reduce_parts(self._split(), target, notes)
        except InspectionFailed as error:
            self.checksums = error.checksums
            self._set_outcome("failed", reason=str(error), maker=self.step)
            return ()
        except SkipObservation as skip:
            self._set_outcome("skipped", reason=skip.reason, maker=self.step)
            return ()
        except RuleError:
            raise
        except Exception as error:  # as above
            self._fail(error)
            return ()
        counts = sum(count_safe(part.dataset) for part in parts)
        norm = parts[0].norm if len(parts) == 1 else float("nan")
        self._set_outcome("reduced", counts=counts, background_norm=norm)
        return parts

    def _inspect(self) -> list[str]:
        """Inspect the files of the run, use the inspected copy from then on, and return notes."""
        run = self.chunk.inputs.get(int(self.observation.obs_id))
        if run is None:  # an observation in memory, or from an archive without an index
            self.observation, n_removed = drop_events_outside(self.observation)
            note = f"left out {n_removed} events outside the good time intervals"
            return [note] if n_removed else []
        self.observation, inspection = inspect_observation(
            self.observation, run, self.chunk.checksums, self.chunk.reduction.on_fault == "note"
        )
        self.checksums = inspection.sha256
        return [str(finding) for finding in inspection.findings]

    def _split(self) -> tuple[Observation, ...]:
        """Return the parts of the observation that the selectors keep."""
        selectors = cutting_selectors(self.chunk.reduction.select)
        parts = cut_observation(self.observation, selectors, self._calling_selector)
        if not parts:
            self.step = "selector"
            kinds = ", ".join(dict.fromkeys(selector.kind for selector in selectors))
            raise SkipObservation(f"no good time is left after {kinds}")
        return parts

    @contextmanager
    def _calling_selector(self, selector: Selector) -> Iterator[str]:
        index = self.chunk.reduction.select.index(selector)
        self._set_step(len(self.chunk.makers) + index, selector)
        with faults_of(self.step):
            yield self.step

    def _reduce_parts(
        self, observations: tuple[Observation, ...], target: Dataset, notes: list[str]
    ) -> tuple[ReducedPart, ...]:
        """Reduce the parts; if there are several, skipped parts are mentioned in the notes."""
        parts, skips = [], []
        for number, observation in enumerate(observations, 1):
            self.recorder.part = number if len(observations) > 1 else 0
            try:
                part = self._make(target, observation)
            except SkipObservation as skip:
                if len(observations) == 1:
                    raise
                skips.append(skip)
                notes.append(f"part {number} ({describe_time(observation)}) skipped: {skip.reason}")
                continue
            if len(observations) > 1:
                # not a copy: maps can be large
                part.dataset._name = f"{part.dataset.name}-{number}"
                if not math.isnan(part.norm):  # in the notes, because the outcome has only one norm
                    notes.append(f"part {number}: background norm {part.norm:.4g}")
            parts.append(part)
        if not parts:
            del notes[-len(skips) :]
            raise skips[0]
        return tuple(parts)

    def _make(self, target: Dataset, observation: Observation) -> ReducedPart:
        reduction = self.chunk.reduction
        guard = ObservationGuard.create(protect_observation(observation))
        self._set_step(STACKER, reduction.stack)
        call_guarded(reduction.stack.check_observation, guard, self.step)
        guard = self._modify(guard)
        dataset = self._cut_out(target, guard)
        for index, maker in enumerate(self.chunk.makers):
            self._set_step(index, maker)
            with self.recorder.running(self.step, index):
                dataset = run_maker(maker, dataset, guard, self.step)
        return ReducedPart(guard.observation, dataset, apply_background_norm(dataset))

    def _cut_out(self, target: Dataset, guard: ObservationGuard) -> Dataset:
        reduction = self.chunk.reduction
        self._set_step(GEOMETRY, reduction.geometry)
        dataset = call_guarded(
            lambda observation: reduction.geometry.cutout(target, observation, reduction),
            guard,
            self.step,
        )
        require_dataset(dataset, self.step)
        if shares_counts(dataset, target):
            raise RuleError(
                f"the {self.step} returned maps of the full geometry, which all runs share; cutout "
                "must return a new dataset, such as target.copy(name=...)"
            )
        return dataset

    def _modify(self, guard: ObservationGuard) -> ObservationGuard:
        """Return the observation that the makers use, modified by those that do so."""
        makers = self.chunk.makers
        for maker in modifying_makers(makers):
            index = makers.index(maker)
            self._set_step(index, maker)
            with self.recorder.running(self.step, index):
                modified = modify_observation(maker, guard, self.step)
            if modified is not guard.observation:
                guard = ObservationGuard.create(protect_observation(modified))
        return guard

    def _set_step(self, owner_index: int, component: Component) -> None:
        """Set the current step to a component, with its plugin at an index of the owners."""
        self.step = self.chunk.describe(component, owner_index)

    def _fail(self, error: BaseException) -> None:
        reason = f"{type(error).__name__}: {error}"
        trace = "".join(traceback.format_exception(error))
        self._set_outcome("failed", reason=reason, maker=self.step, traceback=trace)

    def _set_outcome(self, status: str, **details: Any) -> None:
        self.outcome = Outcome(
            entry=self.chunk.entry,
            obs_id=int(self.observation.obs_id),
            status=status,
            seconds=time.perf_counter() - self._start_time,
            rows=tuple(self.recorder.rows),
            **details,
        )
