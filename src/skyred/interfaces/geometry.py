"""The interface of geometries: axes and extent of the reduced data."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from skyred.fields import Name, option
from skyred.interfaces.component import Component
from skyred.interfaces.value_class import value

if TYPE_CHECKING:
    from gammapy.data import Observation, ObservationTable
    from gammapy.datasets import Dataset
    from numpy.typing import NDArray
    from regions import SkyRegion

    from skyred.interfaces.data_entry import Reduction


@value
class Geometry(Component):
    """Defines axes, centre and size of the reduced data, and creates empty datasets."""

    role: ClassVar[str] = "geometry"
    #: The type of its datasets, "map" or "spectrum", which must be the type that the makers need;
    #: None for another type, which is not checked.
    dataset_type: ClassVar[Literal["map", "spectrum"] | None] = None
    name: str | None = option(
        None,
        type=Name,
        doc="Name of the dataset, or prefix of the names of several datasets; by default the name "
        "of the data entry.",
    )

    @abstractmethod
    def target(self, name: str | None = None) -> Dataset:
        """Create an empty dataset of the full geometry.

        Parameters
        ----------
        name : str, optional
            The name of the dataset; by default the `name` of the geometry.

        Returns
        -------
        Dataset
            The empty dataset.
        """

    @abstractmethod
    def cutout(self, target: Dataset, observation: Observation, reduction: Reduction) -> Dataset:
        """Create the empty dataset of one observation.

        Parameters
        ----------
        target : Dataset
            The empty dataset of the full geometry, from the method `target`.
        observation : Observation
            The observation.
        reduction : Reduction
            The data entry, with its makers.

        Returns
        -------
        Dataset
            An empty dataset for the part of `target` in the field of view of the observation.

        Raises
        ------
        SkipObservation
            If the observation does not overlap with the geometry.
        """

    def sky_region(self) -> SkyRegion | None:
        """Return the extraction region of the counts.

        Returns
        -------
        SkyRegion or None
            The region; None for maps.

        Raises
        ------
        SkyredError
            If the file of the region cannot be read.
        """
        return None

    def coverage_fractions(
        self, table: ObservationTable, reduction: Reduction
    ) -> NDArray[np.float64]:
        """Return lower limits on the fraction of the geometry covered by the dataset of each run.

        Parameters
        ----------
        table : ObservationTable
            The observation table, one row for each run.
        reduction : Reduction
            The data entry, with its makers.

        Returns
        -------
        array
            The fractions, shape (n,); 0 where the coverage is unknown.
        """
        return np.zeros(len(table))
