"""Makers with one defect each."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import numpy as np
from astropy import units as u

from skyred import Maker, SkipObservation, component, option, record_row, with_irfs

_COUNTER = itertools.count()
_SCALES = list[float]()


@component
class EnoughEvents(Maker):
    """Skip runs with few events: a valid maker."""

    kind = "planted-enough-events"
    events_min: int = option(10, min=0, doc="Minimum number of events.")

    def make(self, dataset: Any, observation: Any) -> Any:
        if len(observation.events.table) < self.events_min:
            raise SkipObservation(f"fewer than {self.events_min} events")
        return dataset


@component
class MeanEvents(Maker):
    """Scale the background by the number of events relative to the mean: a valid maker."""

    kind = "planted-mean-events"
    mean: float | None = option(None, type=float, doc="Mean number of events, set by `prepare`.")

    def prepare(self, observations: Any) -> Any:
        return self.evolve(mean=float(np.mean([len(obs.events.table) for obs in observations])))

    def make(self, dataset: Any, observation: Any) -> Any:
        dataset.background.data *= len(observation.events.table) / self.mean
        return dataset


@component
class ChangesEvents(Maker):
    """A maker that changes the events of the observation."""

    kind = "planted-changes-events"

    def make(self, dataset: Any, observation: Any) -> Any:
        observation.events.table["ENERGY"][:] = 1.0
        return dataset


@component
class ChangesArea(Maker):
    """A maker that changes the effective area of the observation."""

    kind = "planted-changes-area"

    def make(self, dataset: Any, observation: Any) -> Any:
        observation.aeff = copy.deepcopy(observation.aeff)
        observation.aeff.data *= 0.5
        return dataset


@component
class ScaledArea(Maker):
    """Scale the effective area: a valid maker."""

    kind = "planted-scaled-area"

    def modify_observation(self, observation: Any) -> Any:
        aeff = copy.deepcopy(observation.aeff)
        aeff.data *= 1.1
        return with_irfs(observation, aeff=aeff)

    def make(self, dataset: Any, observation: Any) -> Any:
        return dataset


@component
class ModifiesToNone(Maker):
    """A maker that returns no observation from modify_observation."""

    kind = "planted-modifies-to-none"

    def modify_observation(self, observation: Any) -> Any:
        observation.events.select_offset([0, 1] * u.deg)

    def make(self, dataset: Any, observation: Any) -> Any:
        return dataset


@component
class RandomCounts(Maker):
    """A maker with random results."""

    kind = "planted-random-counts"

    def make(self, dataset: Any, observation: Any) -> Any:
        dataset.background.data *= 1 + 0.1 * np.random.random()
        return dataset


@component
class CountsCalls(Maker):
    """A maker whose result depends on the number of calls."""

    kind = "planted-counts-calls"

    def make(self, dataset: Any, observation: Any) -> Any:
        dataset.background.data *= 1 + 0.1 * next(_COUNTER)
        return dataset


@component
class UsesModuleState(Maker):
    """A maker that depends on a global variable, which other processes do not share."""

    kind = "planted-uses-module-state"

    def __attrs_post_init__(self) -> None:
        _SCALES.append(1.1)

    def make(self, dataset: Any, observation: Any) -> Any:
        dataset.background.data *= _SCALES[0] if _SCALES else 1.0
        return dataset


@component
class ChangesName(Maker):
    """A maker that returns a dataset with another name."""

    kind = "planted-changes-name"

    def make(self, dataset: Any, observation: Any) -> Any:
        return dataset.copy(name=f"{dataset.name}-2")


@component
class WidensMask(Maker):
    """A maker that enlarges the safe mask."""

    kind = "planted-widens-mask"

    def make(self, dataset: Any, observation: Any) -> Any:
        dataset.mask_safe.data[...] = True
        return dataset


@component
class RemovesTimes(Maker):
    """A maker that removes the good time intervals."""

    kind = "planted-removes-times"

    def make(self, dataset: Any, observation: Any) -> Any:
        dataset.gti = None
        return dataset


@component
class SkipsWithoutReason(Maker):
    """A maker that skips runs without a reason."""

    kind = "planted-skips-without-reason"

    def make(self, dataset: Any, observation: Any) -> Any:
        if not len(observation.events.table):
            raise SkipObservation
        return dataset


@component
class FailsWithoutEvents(Maker):
    """A maker that fails for runs without events."""

    kind = "planted-fails-without-events"

    def make(self, dataset: Any, observation: Any) -> Any:
        dataset.meta = float(observation.events.table["ENERGY"].max())
        return dataset


@component
class HidesPreparation(Maker):
    """A maker with prepared values that are not in its digest."""

    kind = "planted-hides-preparation"

    def prepare(self, observations: Any) -> Any:
        prepared = self.evolve()
        prepared.__dict__["_mean"] = float(np.mean([len(obs.events.table) for obs in observations]))
        return prepared

    def make(self, dataset: Any, observation: Any) -> Any:
        dataset.background.data *= self.__dict__.get("_mean", 1.0)
        return dataset


@component
class ReturnsNone(Maker):
    """A maker that returns None."""

    kind = "planted-returns-none"

    def make(self, dataset: Any, observation: Any) -> Any:
        dataset.background.data *= 1.0


@component
class RecordsRows(Maker):
    """A maker that records rows: a valid maker."""

    kind = "planted-records-rows"

    def make(self, dataset: Any, observation: Any) -> Any:
        record_row("planted", {"n_events": len(observation.events.table), "rate": 1 / u.s})
        return dataset


@component
class ChangesUnit(Maker):
    """A maker that records a column with different units."""

    kind = "planted-changes-unit"

    def make(self, dataset: Any, observation: Any) -> Any:
        record_row("planted", {"x": 1 * (u.s if int(observation.obs_id) % 2 else u.m)})
        return dataset
