"""Preparing makers with what all observations show, each of them inspected first."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs

from skyred.errors import PrepareError, SkyredError
from skyred.interfaces import Maker, Reduction
from skyred.run.select import Selection
from skyred.run.worker.open_observation import InspectionFailed, inspected

if TYPE_CHECKING:
    from gammapy.data import Observation

log = logging.getLogger(__name__)


def prepared(entry: str, reduction: Reduction, selection: Selection) -> tuple[Maker, ...]:
    """Give the makers of a data entry, with what they learn from all of its runs.

    Raises
    ------
    PrepareError
        If a maker cannot be prepared, with its reason.
    """
    observations = SoundRuns(entry, selection, tolerant=reduction.on_fault == "note")
    return tuple(_prepared(entry, maker, observations) for maker in reduction.make)


def _prepared(entry: str, maker: Maker, observations: SoundRuns) -> Maker:
    try:
        return maker.prepare(observations)
    except SkyredError:
        raise
    except Exception as error:  # whatever a third party's maker raises
        raise PrepareError(
            f"data.{entry}: the maker {maker.kind!r} cannot be prepared: "
            f"{type(error).__name__}: {error}"
        ) from error


@attrs.frozen(eq=False)
class SoundRuns:
    """The runs that can be used, as the archive has them or as they were inspected.

    Each is read when its turn comes and held no longer than whoever asks for it does: memory does
    not grow with their number. One with a fault is left out, with a warning: the ledger tells why
    when it is made. `len` reads all of them.

    Parameters
    ----------
    entry : str
        The data entry.
    selection : Selection
        Its observations, and their files.
    tolerant : bool
        Whether faults of single HDUs are tolerated.
    """

    entry: str
    selection: Selection
    tolerant: bool = False
    _told: set[int] = attrs.field(factory=set, init=False)

    def __iter__(self) -> Iterator[Observation]:
        for observation in self.selection.observations:
            run = self.selection.inputs.get(int(observation.obs_id))
            if run is None:  # in memory, or of an archive without an index
                yield observation
                continue
            try:
                sound, _ = inspected(observation, run, {}, self.tolerant)
            except InspectionFailed as verdict:
                self._warn(run.obs_id, verdict)
            else:
                yield sound

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _warn(self, obs_id: int, verdict: InspectionFailed) -> None:
        if obs_id not in self._told:
            log.warning("data.%s: nothing is learnt from run %d: %s", self.entry, obs_id, verdict)
            self._told.add(obs_id)
