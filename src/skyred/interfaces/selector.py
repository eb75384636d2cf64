"""The interface of selectors of observations, based on the observation table."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from skyred.interfaces.component import Component

if TYPE_CHECKING:
    from gammapy.data import GTI, ObservationTable


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
            The selected rows, with unchanged values.
        """

    def cut_gti(self, gti: GTI) -> Sequence[GTI]:
        """Cut the good time of a selected observation, when it is reduced.

        Events outside the parts are left out, and each part is reduced to its own dataset. By
        default, observations are not cut.

        Parameters
        ----------
        gti : gammapy.data.GTI
            The good time intervals of the observation, or of a part of it that an earlier selector
            has cut; they must not be modified.

        Returns
        -------
        sequence of gammapy.data.GTI
            The parts that are used, in order; the observation is skipped if there are none.
        """
        return (gti,)


def cutting_selectors(selectors: Iterable[Selector]) -> tuple[Selector, ...]:
    """Return the selectors that may cut the good time of observations.

    Parameters
    ----------
    selectors : iterable of Selector
        The selectors.

    Returns
    -------
    tuple of Selector
        The selectors that override `cut_gti`, in order.
    """
    return tuple(
        selector for selector in selectors if type(selector).cut_gti is not Selector.cut_gti
    )
