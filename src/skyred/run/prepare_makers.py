"""Preparation of makers with all runs of a data entry that pass the inspection."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs

from skyred.errors import PrepareError, SkyredError
from skyred.interfaces import Maker, Reduction, Selector, cutting_selectors
from skyred.run.select import Selection
from skyred.run.worker.good_time import cut_observation, drop_events_outside
from skyred.run.worker.open_observation import InspectionFailed, inspect_observation

if TYPE_CHECKING:
    from gammapy.data import Observation

log = logging.getLogger(__name__)


def prepare_makers(entry: str, reduction: Reduction, selection: Selection) -> tuple[Maker, ...]:
    """Return the makers of a data entry, prepared with its valid runs.

    Parameters
    ----------
    entry : str
        The name of the data entry.
    reduction : Reduction
        The data entry.
    selection : Selection
        The selected observations of the data entry.

    Returns
    -------
    tuple of Maker
        The prepared makers, in order.

    Raises
    ------
    PrepareError
        If a maker cannot be prepared; the message contains the reason.
    """
    observations = ValidRuns(
        entry,
        selection,
        tolerant=reduction.on_fault == "note",
        selectors=cutting_selectors(reduction.select),
    )
    return tuple(_prepare(entry, maker, observations) for maker in reduction.make)


def _prepare(entry: str, maker: Maker, observations: ValidRuns) -> Maker:
    try:
        return maker.prepare(observations)
    except SkyredError:
        raise
    except Exception as error:  # a maker of a plugin may raise anything
        raise PrepareError(
            f"data.{entry}: the maker {maker.kind!r} cannot be prepared: "
            f"{type(error).__name__}: {error}"
        ) from error


@attrs.frozen(eq=False)
class ValidRuns:
    """The runs of a data entry that pass the inspection, without events outside the good time.

    Each run is read during the iteration and not kept, so that memory use does not grow with the
    number of runs. If selectors restrict a run to time intervals, the events of each interval are
    yielded as an observation. A run with a fault is skipped with a warning; it fails when it is
    reduced, and the observation log contains the reason. `len` reads all runs.

    Parameters
    ----------
    entry : str
        The name of the data entry.
    selection : Selection
        The selected observations, and their files.
    tolerant : bool
        Whether faults in individual HDUs are tolerated.
    selectors : tuple of Selector
        The selectors that restrict the good time of runs.
    """

    entry: str
    selection: Selection
    tolerant: bool = False
    selectors: tuple[Selector, ...] = ()
    _warned: set[int] = attrs.field(factory=set, init=False)

    def __iter__(self) -> Iterator[Observation]:
        for observation in self.selection.observations:
            run = self.selection.inputs.get(int(observation.obs_id))
            if run is None:  # an observation in memory, or from an archive without index
                in_good_time, _ = drop_events_outside(observation)
                yield from cut_observation(in_good_time, self.selectors)
                continue
            try:
                inspected_observation, _ = inspect_observation(observation, run, {}, self.tolerant)
            except InspectionFailed as error:
                self._warn(run.obs_id, error)
            else:
                yield from cut_observation(inspected_observation, self.selectors)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _warn(self, obs_id: int, error: InspectionFailed) -> None:
        if obs_id not in self._warned:
            log.warning(
                "data.%s: makers are prepared without run %d: %s", self.entry, obs_id, error
            )
            self._warned.add(obs_id)
