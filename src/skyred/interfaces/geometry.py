"""The geometry: a value class that says where a reduction puts its data, found by kind."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from skyred.fields import Name, option
from skyred.interfaces.component import Component, value

if TYPE_CHECKING:
    from gammapy.data import Observation, ObservationTable
    from gammapy.datasets import Dataset
    from numpy.typing import NDArray
    from regions import SkyRegion

    from skyred.interfaces.data_entry import Reduction


@value
class Geometry(Component):
    """Axes, centre and size of the reduced data: gives empty datasets and their cutouts."""

    role: ClassVar[str] = "geometry"
    #: What its datasets are, "map" or "spectrum": makers that need one of the two refuse the other;
    #: None if they are something else.
    dataset_type: ClassVar[Literal["map", "spectrum"] | None] = None
    name: str | None = option(
        None,
        type=Name,
        doc="Name of the datasets, or its start; by default that of the data entry.",
    )

    @abstractmethod
    def target(self, name: str | None = None) -> Dataset:
        """Give the empty dataset that everything is stacked onto, called `name` or as it is."""

    @abstractmethod
    def cutout(self, target: Dataset, observation: Observation, reduction: Reduction) -> Dataset:
        """Give the empty dataset of one observation.

        Raises
        ------
        SkipObservation
            If the observation does not overlap.
        """

    def sky_region(self) -> SkyRegion | None:
        """Return the region in which counts are taken; None of maps.

        Raises
        ------
        SkyredError
            If its file cannot be read.
        """
        return None

    def coverage_fractions(
        self, table: ObservationTable, reduction: Reduction
    ) -> NDArray[np.float64]:
        """Return the least fraction of the geometry that each run's dataset covers, from the table.

        Shape (n,); 0 where that is not known.
        """
        return np.zeros(len(table))
