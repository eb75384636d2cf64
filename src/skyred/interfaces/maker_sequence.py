"""Properties of a sequence of makers: offset limit, required IRFs, and modified observations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from skyred.interfaces.maker import Maker

if TYPE_CHECKING:
    from astropy.units import Quantity


def modifying_makers(makers: Iterable[Maker]) -> list[Maker]:
    """Return the makers that have their own `Maker.modify_observation`.

    Parameters
    ----------
    makers : iterable of Maker
        The makers.

    Returns
    -------
    list of Maker
        Those that modify observations, in the same order.
    """
    return [
        maker for maker in makers if type(maker).modify_observation is not Maker.modify_observation
    ]


def largest_offset(makers: Sequence[Maker]) -> Quantity | None:
    """Return the maximum offset of events, the smallest limit of all makers.

    Parameters
    ----------
    makers : sequence of Maker
        The makers.

    Returns
    -------
    Quantity or None
        The angle; None if no maker limits the offset.
    """
    offsets = [offset for maker in makers if (offset := maker.largest_offset) is not None]
    return min(offsets, default=None)


def required_irfs(makers: Sequence[Maker]) -> tuple[str, ...] | None:
    """Return the IRFs that makers read.

    Parameters
    ----------
    makers : sequence of Maker
        The makers.

    Returns
    -------
    tuple of str or None
        The names of the IRFs, without duplicates; None if the IRFs of a maker are unknown.
    """
    irfs_of_makers = [maker.needs for maker in makers]
    if any(irfs is None for irfs in irfs_of_makers):
        return None
    return tuple(dict.fromkeys(name for irfs in irfs_of_makers for name in irfs or ()))
