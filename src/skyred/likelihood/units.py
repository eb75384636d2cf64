"""Conversion of quantities to plain numbers in TeV, cm, s and rad."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

JOULES_IN_TEV = u.TeV.to("J")


@cache
def scale_of(unit: u.UnitBase | str) -> float:
    """Return the factor that converts a unit to TeV, cm, s and rad.

    Parameters
    ----------
    unit : Unit or str
        The unit.

    Returns
    -------
    float
        The factor.

    Examples
    --------
    >>> round(scale_of("cm-2 s-1 GeV-1"))
    1000
    """
    si = u.Unit(unit).decompose()
    powers = {base.name: float(power) for base, power in zip(si.bases, si.powers, strict=True)}
    # kg^a m^b = J^a m^(b - 2a) s^(2a)
    energy = powers.get("kg", 0.0)
    length = powers.get("m", 0.0) - 2 * energy
    return float(si.scale / JOULES_IN_TEV**energy * 100**length)


class PlainArray(np.ndarray[Any, Any]):
    """Numbers in TeV, cm, s and rad, with `value`, `to_value` and `to`, as quantities have them.

    Units are not converted. A formula that relies on a conversion therefore returns a
    different result for these arrays than for quantities: compare both before using the formula.
    """

    @classmethod
    def from_numbers(cls, numbers: ArrayLike) -> PlainArray:
        """Create an array from numbers, without a conversion.

        Parameters
        ----------
        numbers : array_like
            The numbers.

        Returns
        -------
        PlainArray
            The numbers.
        """
        return np.asarray(numbers, dtype=float).view(cls)

    @property
    def value(self) -> NDArray[np.float64]:
        """The numbers."""
        return np.asarray(self)

    def to_value(self, unit: object = None) -> NDArray[np.float64]:
        """Return the numbers.

        Parameters
        ----------
        unit : object, optional
            Ignored.

        Returns
        -------
        array
            The numbers.
        """
        return np.asarray(self)

    def to(self, unit: object) -> PlainArray:
        """Return the array itself.

        Parameters
        ----------
        unit : object
            Ignored.

        Returns
        -------
        PlainArray
            The array itself.
        """
        return self
