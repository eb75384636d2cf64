"""The stacker: how reduced datasets combine, as a monoid."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from skyred.fields import option
from skyred.interfaces.component import Component, value

if TYPE_CHECKING:
    import numpy as np
    from gammapy.data import Observation, ObservationTable
    from gammapy.datasets import Dataset, Datasets
    from numpy.typing import NDArray

    from skyred.interfaces.geometry import Geometry


@value
class Stacker(Component):
    """Combines the datasets of observations into a total.

    Its laws: `zero` is an exact identity on both sides of `merge`; `merge` is associative and
    ``add(t, d) == merge(t, add(zero, d))``, both to float32 rounding; nothing aliases.
    Then partial totals of chunks can be made anywhere and merged in order.
    """

    role: ClassVar[str] = "stacker"
    #: Whether all observations become one dataset, in which their times are lost.
    one_dataset: ClassVar[bool] = False
    chunk: int = option(
        8, min=1, doc="How many consecutive observations are made and stacked as one piece of work."
    )

    def prepare(self, table: ObservationTable) -> Stacker:
        """Learn from the rows of the chosen runs before any data are read; gives what works.

        Called in the parent process, when runs are selected and again when they are reduced. What
        it returns enters the cache key.

        Raises
        ------
        ArchiveError
            If the table lacks something.
        """
        return self

    def admit(self, observation: Observation) -> None:
        """Judge an observation before it is made.

        Raises
        ------
        SkipObservation
            If it has no place in the total, with the reason.
        """

    def minimum_size(self, coverage_fractions: NDArray[np.float64]) -> float:
        """Return the least size of the result, in units of the geometry's whole dataset.

        Parameters
        ----------
        coverage_fractions : array
            The share of the geometry that each run's dataset takes, if it is made, shape (n,).
        """
        return 0.0

    @abstractmethod
    def zero(self, geometry: Geometry) -> Any:
        """Give the total of nothing yet; its datasets are called after ``geometry.name``."""

    @abstractmethod
    def add(self, total: Any, dataset: Dataset, observation: Observation) -> Any:
        """Give the total with one more dataset; owns `total`, leaves `dataset` as it was."""

    @abstractmethod
    def merge(self, left: Any, right: Any) -> Any:
        """Give the total of two totals, `left` first; owns both."""

    @abstractmethod
    def result(self, total: Any) -> Datasets:
        """Give the datasets of a total."""
