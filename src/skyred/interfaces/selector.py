"""The interface of selectors of observations, based on the observation table."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from skyred.interfaces.component import Component

if TYPE_CHECKING:
    from gammapy.data import ObservationTable


class Selector(Component):
    """Selects observations from the observation table of an archive, without reading their data.

    To exclude observations because of their content, write a maker that raises `SkipObservation`.

    Parameters
    ----------
    **fields : object
        The options, which subclasses declare.
    """

    role: ClassVar[str] = "selector"

    @abstractmethod
    def select(self, table: ObservationTable) -> ObservationTable:
        """Select rows of an observation table.

        Parameters
        ----------
        table : ObservationTable
            The observation table.

        Returns
        -------
        ObservationTable
            A table with the selected rows, unchanged.
        """
