"""The selector: which observations, judged by the observation table alone."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from skyred.interfaces.component import Component

if TYPE_CHECKING:
    from gammapy.data import ObservationTable


class Selector(Component):
    """Chooses observations from the table of an archive; cheap for ten thousand runs.

    To judge a run by its content, write a maker that raises `SkipObservation`.
    """

    role: ClassVar[str] = "selector"

    @abstractmethod
    def select(self, table: ObservationTable) -> ObservationTable:
        """Give a sub-table: some of the rows, unchanged."""
