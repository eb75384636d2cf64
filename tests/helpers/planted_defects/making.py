"""Makers with one defect each."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from skyred import Maker, SkipObservation, component, option

_COUNTER = itertools.count()
_SCALES = list[float]()


@component
class EnoughEvents(Maker):
    """Leave out runs with few events: a sound maker."""

    kind = "planted-enough-events"
    events_min: int = option(10, min=0, doc="Least number of events.")

    def make(self, dataset: Any, observation: Any) -> Any:
        if len(observation.events.table) < self.events_min:
            raise SkipObservation(f"fewer than {self.events_min} events")
        return dataset


@component
class MeanEvents(Maker):
    """Scale the background by what it learns from all runs: a sound maker."""

    kind = "planted-mean-events"
    mean: float | None = option(None, type=float, doc="Mean number of events, once it is learnt.")

    def prepare(self, observations: Any) -> Any:
        return self.evolve(mean=float(np.mean([len(o.events.table) for o in observations])))

    def make(self, dataset: Any, observation: Any) -> Any:
        dataset.background.data *= len(observation.events.table) / self.mean
        return dataset


@component
class CutsEvents(Maker):
    """Takes events off the observation."""

    kind = "planted-cuts-events"

    def make(self, dataset: Any, observation: Any) -> Any:
        observation.events.table["ENERGY"][:] = 1.0
        return dataset


@component
class RandomCounts(Maker):
    """Adds what chance gives."""

    kind = "planted-random-counts"

    def make(self, dataset: Any, observation: Any) -> Any:
        dataset.background.data *= 1 + 0.1 * np.random.random()
        return dataset


@component
class CountsCalls(Maker):
    """Remembers how often it was called."""

    kind = "planted-counts-calls"

    def make(self, dataset: Any, observation: Any) -> Any:
        dataset.background.data *= 1 + 0.1 * next(_COUNTER)
        return dataset


@component
class StaysHome(Maker):
    """Keeps in its module what it needs, which does not come with it to another process."""

    kind = "planted-stays-home"

    def __attrs_post_init__(self) -> None:
        _SCALES.append(1.1)

    def make(self, dataset: Any, observation: Any) -> Any:
        dataset.background.data *= _SCALES[0] if _SCALES else 1.0
        return dataset


@component
class LosesName(Maker):
    """Gives a copy, which has a random name."""

    kind = "planted-loses-name"

    def make(self, dataset: Any, observation: Any) -> Any:
        return dataset.copy(name=f"{dataset.name}-2")


@component
class WidensMask(Maker):
    """Takes all bins for safe."""

    kind = "planted-widens-mask"

    def make(self, dataset: Any, observation: Any) -> Any:
        dataset.mask_safe.data[...] = True
        return dataset


@component
class LosesTimes(Maker):
    """Forgets the good time intervals."""

    kind = "planted-loses-times"

    def make(self, dataset: Any, observation: Any) -> Any:
        dataset.gti = None
        return dataset


@component
class SaysNothing(Maker):
    """Leaves runs out without a word."""

    kind = "planted-says-nothing"

    def make(self, dataset: Any, observation: Any) -> Any:
        if not len(observation.events.table):
            raise SkipObservation
        return dataset


@component
class FailsEmpty(Maker):
    """Fails where there are no events."""

    kind = "planted-fails-empty"

    def make(self, dataset: Any, observation: Any) -> Any:
        dataset.meta = float(observation.events.table["ENERGY"].max())
        return dataset


@component
class LearnsAside(Maker):
    """Keeps what it learns where no digest sees it."""

    kind = "planted-learns-aside"

    def prepare(self, observations: Any) -> Any:
        made = self.evolve()
        made.__dict__["_mean"] = float(np.mean([len(o.events.table) for o in observations]))
        return made

    def make(self, dataset: Any, observation: Any) -> Any:
        dataset.background.data *= self.__dict__.get("_mean", 1.0)
        return dataset


@component
class ForgetsReturn(Maker):
    """Gives nothing."""

    kind = "planted-forgets-return"

    def make(self, dataset: Any, observation: Any) -> Any:
        dataset.background.data *= 1.0
