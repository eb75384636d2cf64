"""The interface of stackers that combine reduced datasets."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from skyred.errors import warn_of_old_name
from skyred.fields import option
from skyred.interfaces.component import Component
from skyred.interfaces.old_methods import call_new_method, use_old_method
from skyred.interfaces.value_class import value

if TYPE_CHECKING:
    import numpy as np
    from gammapy.data import Observation, ObservationTable
    from gammapy.datasets import Dataset, Datasets
    from numpy.typing import NDArray

    from skyred.interfaces.geometry import Geometry


@value
class Stacker(Component):
    """Combines the datasets of observations into a total.

    The totals of chunks are computed in different processes and merged in order. Therefore merging
    with `zero` must not change a total. Up to float32 rounding, `merge` must be associative, and
    ``add(total, dataset)`` must equal ``merge(total, add(zero, dataset))``. Totals and datasets
    must not share memory.
    """

    role: ClassVar[str] = "stacker"
    #: Whether all observations are stacked into one dataset, which does not keep their times.
    one_dataset: ClassVar[bool] = False
    chunk: int = option(
        8, min=1, doc="Number of consecutive observations that are reduced and stacked as one task."
    )

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        use_old_method(cls, "admit", "check_observation")

    def prepare(self, table: ObservationTable) -> Stacker:
        """Prepare the stacker with the table of the selected observations, before data are read.

        Called in the parent process, when observations are selected and again when they are
        reduced. The returned stacker is part of the cache key.

        Parameters
        ----------
        table : ObservationTable
            The rows of the selected observations.

        Returns
        -------
        Stacker
            The stacker to use.

        Raises
        ------
        ArchiveError
            If a column or a value is missing.
        """
        return self

    def check_observation(self, observation: Observation) -> None:
        """Check an observation before it is reduced.

        Parameters
        ----------
        observation : Observation
            The observation, or a part of it if selectors cut it.

        Raises
        ------
        SkipObservation
            If the observation cannot be stacked, with the reason.
        """

    def admit(self, observation: Observation) -> None:
        """Call `check_observation`, with a warning: the old name of the method.

        Parameters
        ----------
        observation : Observation
            The observation.
        """
        warn_of_old_name("Stacker.admit", "Stacker.check_observation")
        call_new_method(self, "check_observation", observation)

    def name_pattern(self, name: str) -> str:
        """Return a pattern that the names of all stacked datasets match.

        Parameters
        ----------
        name : str
            The name of the geometry.

        Returns
        -------
        str
            The name of the dataset, or a pattern with wildcards; by default ``*``, for any name.
        """
        return "*"

    def minimum_size(self, coverage_fractions: NDArray[np.float64]) -> float:
        """Return a lower limit on the total size of the stacked datasets.

        Parameters
        ----------
        coverage_fractions : array
            The fraction of the geometry that the dataset of each run covers, shape (n,).

        Returns
        -------
        float
            The size, in units of the size of one dataset of the full geometry; 0 if it is unknown.
        """
        return 0.0

    @abstractmethod
    def zero(self, geometry: Geometry) -> Any:
        """Create an empty total; the names of its datasets are derived from ``geometry.name``.

        Parameters
        ----------
        geometry : Geometry
            The geometry of the datasets.

        Returns
        -------
        object
            The total, of any type that can be pickled.
        """

    @abstractmethod
    def add(self, total: Any, dataset: Dataset, observation: Observation) -> Any:
        """Add a dataset to a total.

        Parameters
        ----------
        total : object
            The total; it may be modified.
        dataset : Dataset
            The dataset of the observation; it must not be modified.
        observation : Observation
            The observation.

        Returns
        -------
        object
            The new total.
        """

    @abstractmethod
    def merge(self, left: Any, right: Any) -> Any:
        """Merge two totals.

        Parameters
        ----------
        left, right : object
            The totals, in the order of the observations; both may be modified.

        Returns
        -------
        object
            The merged total.
        """

    @abstractmethod
    def result(self, total: Any) -> Datasets:
        """Return the datasets of a total.

        Parameters
        ----------
        total : object
            The total.

        Returns
        -------
        Datasets
            The stacked datasets.
        """
