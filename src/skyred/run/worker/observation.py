"""One observation on its way through inspection and makers, and what becomes of it."""

from __future__ import annotations

import time
import traceback
from typing import TYPE_CHECKING, Any

import attrs

from skyred.errors import SkipObservation
from skyred.interfaces.records import Outcome
from skyred.io.captured_warnings import capture_warnings
from skyred.run.worker.open_observation import InspectionFailed, inspected

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import Dataset

    from skyred.interfaces import Component
    from skyred.run.worker.chunk import Chunk


# one bad run must not lose the others, nor end the program as if all were well
FAILURES = (Exception, SystemExit)


@attrs.define
class RunReduction:
    """One observation of a chunk, and what becomes of it.

    Parameters
    ----------
    chunk : Chunk
        What it is made with.
    observation : Observation
        As the archive gave it.
    step : str
        What is being done, for the ledger.
    outcome : Outcome
        What became of it, once `run` is done.
    spoilt : bool
        Whether half of it may be in the total.
    """

    chunk: Chunk
    observation: Observation
    step: str = "inspection"
    outcome: Outcome = attrs.field(init=False)
    spoilt: bool = False
    _started: float = attrs.field(factory=time.perf_counter)

    def run(self, target: Dataset) -> Dataset | None:
        """Make the dataset; None if the observation is skipped or fails."""
        found: list[str] = []
        with capture_warnings() as warned:
            dataset = self._try(target, found)
        self.outcome = attrs.evolve(self.outcome, notes=(*found, *warned))
        return dataset

    def stack(self, total: Any, dataset: Dataset) -> Any:
        """Add the dataset to the total; if that fails, the total is spoilt."""
        self._begin_link(-1, self.chunk.reduction.stack)
        try:
            return self.chunk.reduction.stack.add(total, dataset, self.observation)
        except FAILURES as error:
            notes = self.outcome.notes
            self._fail(error)
            self.outcome, self.spoilt = attrs.evolve(self.outcome, notes=notes), True
            return total

    def _try(self, target: Dataset, notes: list[str]) -> Dataset | None:
        try:
            notes += self._inspect()
            dataset, norm = self._make(target)
        except InspectionFailed as verdict:
            self._end("failed", reason=str(verdict), maker=self.step)
            return None
        except SkipObservation as skip:
            self._end("skipped", reason=skip.reason, maker=self.step)
            return None
        except FAILURES as error:
            self._fail(error)
            return None
        self._end("made", counts=_counts(dataset), background_norm=norm)
        return dataset

    def _inspect(self) -> list[str]:
        """Look at the run's files, and go on with what was read; gives what is to be known."""
        run = self.chunk.inputs.get(int(self.observation.obs_id))
        if run is None:  # an observation in memory, or of an archive without an index
            return []
        tolerant = self.chunk.reduction.on_fault == "note"
        self.observation, seen = inspected(self.observation, run, self.chunk.sums, tolerant)
        return seen

    def _make(self, target: Dataset) -> tuple[Dataset, float]:
        reduction = self.chunk.reduction
        self._begin_link(-1, reduction.stack)
        reduction.stack.admit(self.observation)
        self.step = "geometry"
        dataset = reduction.geometry.cutout(target, self.observation, reduction)
        for place, maker in enumerate(self.chunk.makers):
            self._begin_link(place, maker)
            dataset = maker.make(dataset, self.observation)
            if dataset is None:  # the next maker would be blamed
                raise TypeError("make() gave None; return the dataset at its end")
        return dataset, apply_background_norm(dataset)

    def _begin_link(self, place: int, link: Component) -> None:
        """Say what works now, and whose it is."""
        owners = self.chunk.owners
        owner = f" of {owners[place]}" if owners else ""
        self.step = f"{link.role} {link.kind}{owner}"

    def _fail(self, error: BaseException) -> None:
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


def apply_background_norm(dataset: Dataset) -> float:
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
    safe = dataset.mask_safe.data.astype(bool) if dataset.mask_safe else slice(None)
    return int(data[safe].sum())
