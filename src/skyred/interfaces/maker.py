"""The maker: one observation to its reduced dataset, link by link."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from skyred.fields import foreign
from skyred.interfaces.component import Component, component

if TYPE_CHECKING:
    from gammapy.data import Observation, Observations
    from gammapy.datasets import Dataset


class Maker(Component):
    """Makes one part of the reduced dataset of one observation."""

    role: ClassVar[str] = "maker"
    #: Responses that this maker reads, as gammapy names them ("aeff", "edisp", "psf", "bkg").
    needs: tuple[str, ...] = ()

    @abstractmethod
    def make(self, dataset: Dataset, observation: Observation) -> Dataset:
        """Give the dataset with this maker's part in it; it may be the one given, changed.

        Raises
        ------
        SkipObservation
            To leave the observation out, with the reason.
        """

    def prepare(self, observations: Observations) -> Maker:
        """Learn from all observations before any is made; gives the maker to work with.

        Called once, in the parent process. What it returns enters the cache key.
        """
        return self

    @classmethod
    def adapt(cls, other: object) -> Component | None:
        """Take a gammapy maker: anything with ``run(dataset, observation)``."""
        run = getattr(other, "run", None)
        return None if run is None or isinstance(other, type) else AdaptedMaker(adapted=other)


@component
class AdaptedMaker(Maker):
    """A gammapy maker as it is."""

    kind = "adapted"
    adapted: Any = foreign(doc="Anything with run(dataset, observation).")

    def make(self, dataset: Dataset, observation: Observation) -> Dataset:
        """Run the gammapy maker."""
        return self.adapted.run(dataset, observation)


def required_irfs(makers: Sequence[Maker]) -> tuple[str, ...]:
    """Give the responses that a chain of makers reads, each once."""
    return tuple(dict.fromkeys(name for maker in makers for name in maker.needs))
