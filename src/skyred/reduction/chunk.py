"""The reduction: what a worker runs, a chunk of observations to a partial stack and outcomes."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from skyred.errors import SkipObservation
from skyred.interfaces import Maker, Reduction
from skyred.noting import noted
from skyred.records import Outcome

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import Dataset


@attrs.frozen
class Chunk:
    """Consecutive observations, and all that is needed to make them.

    It is small (a few kB), so it can be sent anywhere; the empty maps are made by the worker.
    """

    entry: str
    reduction: Reduction
    makers: tuple[Maker, ...]
    observations: tuple[Observation, ...]


@attrs.frozen
class Partial:
    """What became of a chunk: its total, and one outcome for each observation."""

    total: Any
    outcomes: tuple[Outcome, ...]


def reduce_chunk(chunk: Chunk, lost: Mapping[int, Outcome] | None = None) -> Partial:
    """Make and stack the observations of a chunk; a run that fails does not stop the others.

    `lost` are observations that could not be stacked in an earlier attempt, with what became of
    them: they are left out.
    """
    lost = lost or {}
    reduction = chunk.reduction
    target = reduction.geometry.target()
    total = reduction.stack.zero(reduction.geometry)
    outcomes = []
    for observation in chunk.observations:
        if observation.obs_id in lost:
            outcomes.append(lost[observation.obs_id])
            continue
        making = Making(chunk, observation)
        dataset = making.run(target)
        if dataset is not None:
            total = making.stack(total, dataset)
        if making.spoilt:  # half of it may be in the total: begin again without it
            return reduce_chunk(chunk, {**lost, observation.obs_id: making.outcome})
        outcomes.append(making.outcome)
    return Partial(total, tuple(outcomes))


@attrs.define
class Making:
    """One observation on its way through the makers, and what becomes of it."""

    chunk: Chunk
    observation: Observation
    step: str = "geometry"
    outcome: Outcome = attrs.field(init=False)
    spoilt: bool = False
    _started: float = attrs.field(factory=time.perf_counter)

    def run(self, target: Dataset) -> Dataset | None:
        """Make the dataset; None if the observation is skipped or fails."""
        with noted() as notes:
            dataset = self._try(target)
        self.outcome = attrs.evolve(self.outcome, notes=tuple(notes))
        return dataset

    def _try(self, target: Dataset) -> Dataset | None:
        try:
            dataset, norm = self._make(target)
        except SkipObservation as skip:
            self._end("skipped", reason=skip.reason, maker=self.step)
            return None
        except Exception as error:  # one bad run must not lose the others
            self._fail(error)
            return None
        self._end("made", counts=_counts(dataset), background_norm=norm)
        return dataset

    def stack(self, total: Any, dataset: Dataset) -> Any:
        """Add the dataset to the total; if that fails, the total is spoilt."""
        self.step = "stacker " + self.chunk.reduction.stack.kind
        try:
            return self.chunk.reduction.stack.add(total, dataset, self.observation)
        except Exception as error:  # as above
            notes = self.outcome.notes
            self._fail(error)
            self.outcome, self.spoilt = attrs.evolve(self.outcome, notes=notes), True
            return total

    def _make(self, target: Dataset) -> tuple[Dataset, float]:
        reduction = self.chunk.reduction
        self.step = f"stacker {reduction.stack.kind}"
        reduction.stack.admit(self.observation)
        self.step = "geometry"
        dataset = reduction.geometry.cutout(target, self.observation, reduction)
        for maker in self.chunk.makers:
            self.step = f"maker {maker.kind}"
            dataset = maker.make(dataset, self.observation)
        return dataset, settle(dataset)

    def _fail(self, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        trace = "".join(traceback.format_exception(error))
        self._end("failed", reason=reason, maker=self.step, traceback=trace)

    def _end(self, status: str, **details: Any) -> None:
        self.outcome = Outcome(
            entry=self.chunk.entry,
            obs_id=int(self.observation.obs_id),
            status=status,
            seconds=time.perf_counter() - self._started,
            **details,
        )


def settle(dataset: Dataset) -> float:
    """Put a fitted background into the dataset itself, and give its norm (NaN if there is none).

    The norm lives in the dataset's models, and would be lost when models are set again. Where there
    are off counts, their maker has put it into the acceptance.
    """
    model = getattr(dataset, "background_model", None)
    norm = float("nan")
    if model is not None:
        parameters = model.spectral_model.parameters
        norm = float(parameters["norm"].value) if "norm" in parameters.names else norm
        if dataset.stat_type == "cash":
            dataset.background = dataset.npred_background()
            # this map is gammapy's cache: the next background model would write its product into it
            dataset._background_cached = dataset._background_parameters_cached = None
    if getattr(dataset, "models", None):
        dataset.models = None
    return norm


def _counts(dataset: Any) -> int:
    if getattr(dataset, "counts", None) is None:
        return 0
    data = dataset.counts.data
    return int(data[dataset.mask_safe.data].sum() if dataset.mask_safe else data.sum())
