"""The reduction of one observation: cutout, makers, stacking and outcome."""

from __future__ import annotations

import time
import traceback
from typing import TYPE_CHECKING, Any

import attrs

from skyred.errors import SkipObservation
from skyred.interfaces.records import Outcome
from skyred.io.captured_warnings import capture_warnings
from skyred.run.worker.good_time import drop_events_outside
from skyred.run.worker.open_observation import InspectionFailed, inspect_observation

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import Dataset

    from skyred.interfaces import Component
    from skyred.run.worker.chunk import Chunk


# a faulty run must neither discard the others nor exit the program
FAILURES = (Exception, SystemExit)


@attrs.define
class RunReduction:
    """The reduction of one observation of a chunk.

    Parameters
    ----------
    chunk : Chunk
        The chunk.
    observation : Observation
        The observation as the archive returned it.
    step : str
        The current step, for the observation log.
    outcome : Outcome
        The outcome, once `run` is done.
    total_invalid : bool
        Whether the total may include a part of the observation.
    """

    chunk: Chunk
    observation: Observation
    step: str = "inspection"
    outcome: Outcome = attrs.field(init=False)
    total_invalid: bool = False
    _started: float = attrs.field(factory=time.perf_counter)

    def run(self, target: Dataset) -> Dataset | None:
        """Inspect and reduce the observation, and set its outcome.

        Parameters
        ----------
        target : Dataset
            The empty dataset of the geometry.

        Returns
        -------
        Dataset or None
            The dataset; None if the observation is skipped or fails.
        """
        notes: list[str] = []
        with capture_warnings() as warning_notes:
            dataset = self._try_reduce(target, notes)
        self.outcome = attrs.evolve(self.outcome, notes=(*notes, *warning_notes))
        return dataset

    def stack(self, total: Any, dataset: Dataset) -> Any:
        """Add the dataset to the total; a failure sets the outcome and `total_invalid`.

        Parameters
        ----------
        total : object
            The stacker's total.
        dataset : Dataset
            The dataset of the observation.

        Returns
        -------
        object
            The new total.
        """
        self._set_step(-1, self.chunk.reduction.stack)
        try:
            return self.chunk.reduction.stack.add(total, dataset, self.observation)
        except FAILURES as error:
            notes = self.outcome.notes
            self._fail(error)
            self.outcome, self.total_invalid = attrs.evolve(self.outcome, notes=notes), True
            return total

    def _try_reduce(self, target: Dataset, notes: list[str]) -> Dataset | None:
        try:
            notes += self._inspect()
            dataset, norm = self._make(target)
        except InspectionFailed as error:
            self._set_outcome("failed", reason=str(error), maker=self.step)
            return None
        except SkipObservation as skip:
            self._set_outcome("skipped", reason=skip.reason, maker=self.step)
            return None
        except FAILURES as error:
            self._fail(error)
            return None
        self._set_outcome("reduced", counts=_counts(dataset), background_norm=norm)
        return dataset

    def _inspect(self) -> list[str]:
        """Inspect the files of the run, use the inspected copy from then on, and return notes."""
        run = self.chunk.inputs.get(int(self.observation.obs_id))
        if run is None:  # an observation in memory, or of an archive without an index
            self.observation, number = drop_events_outside(self.observation)
            return [f"left out {number} events outside the good time intervals"] if number else []
        tolerant = self.chunk.reduction.on_fault == "note"
        self.observation, notes = inspect_observation(
            self.observation, run, self.chunk.sums, tolerant
        )
        self.observation, _ = drop_events_outside(self.observation)  # the notes mention them
        return notes

    def _make(self, target: Dataset) -> tuple[Dataset, float]:
        reduction = self.chunk.reduction
        self._set_step(-1, reduction.stack)
        reduction.stack.admit(self.observation)
        self.step = "geometry"
        dataset = reduction.geometry.cutout(target, self.observation, reduction)
        for position, maker in enumerate(self.chunk.makers):
            self._set_step(position, maker)
            dataset = maker.make(dataset, self.observation)
            if dataset is None:  # otherwise the next maker would fail
                raise TypeError("make() returned None; it must return the dataset")
        return dataset, apply_background_norm(dataset)

    def _set_step(self, position: int, component: Component) -> None:
        """Set the current step to a component and its plugin."""
        owners = self.chunk.owners
        owner = f" of {owners[position]}" if owners else ""
        self.step = f"{component.role} {component.kind}{owner}"

    def _fail(self, error: BaseException) -> None:
        reason = f"{type(error).__name__}: {error}"
        trace = "".join(traceback.format_exception(error))
        self._set_outcome("failed", reason=reason, maker=self.step, traceback=trace)

    def _set_outcome(self, status: str, **details: Any) -> None:
        self.outcome = Outcome(
            entry=self.chunk.entry,
            obs_id=int(self.observation.obs_id),
            status=status,
            seconds=time.perf_counter() - self._started,
            **details,
        )


def apply_background_norm(dataset: Dataset) -> float:
    """Multiply the background of a dataset by its fitted norm, and remove the dataset's models.

    The norm is stored in the models of the dataset, and would be lost when models are set again.
    With off counts, the maker has already included it in the acceptance.

    Parameters
    ----------
    dataset : Dataset
        The dataset, changed in place.

    Returns
    -------
    float
        The norm; NaN if there is none.
    """
    model = getattr(dataset, "background_model", None)
    norm = float("nan")
    if model is not None:
        parameters = model.spectral_model.parameters
        norm = float(parameters["norm"].value) if "norm" in parameters.names else norm
        if dataset.stat_type == "cash":
            dataset.background = dataset.npred_background()
            # this map is gammapy's cache: the next background model would write into it
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
