"""Plain numbers for quantities: everything in TeV, cm, s and rad."""

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
    """Give the factor from a unit to its like in TeV, cm, s and rad.

    >>> round(scale_of("cm-2 s-1 GeV-1"))
    1000
    """
    si = u.Unit(unit).decompose()
    powers = {base.name: float(power) for base, power in zip(si.bases, si.powers, strict=True)}
    # kg^a m^b = J^a m^(b - 2a) s^(2a)
    energy = powers.get("kg", 0.0)
    length = powers.get("m", 0.0) - 2 * energy
    return float(si.scale / JOULES_IN_TEV**energy * 100**length)


class Plain(np.ndarray[Any, Any]):
    """Numbers in TeV, cm, s and rad, for formulas that ask their quantities for values.

    It converts nothing. Formulas that rely on a conversion give other numbers than with quantities,
    so whoever uses it compares the two first.
    """

    @classmethod
    def of(cls, numbers: ArrayLike) -> Plain:
        """Take numbers as they are."""
        return np.asarray(numbers, dtype=float).view(cls)

    @property
    def value(self) -> NDArray[np.float64]:
        """The numbers."""
        return np.asarray(self)

    def to_value(self, unit: object = None) -> NDArray[np.float64]:
        """Give the numbers."""
        return np.asarray(self)

    def to(self, unit: object) -> Plain:
        """Give itself."""
        return self
