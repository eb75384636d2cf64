"""Units as files write them, in the units of this package: TeV, s, deg, m2."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=256)
def factor(text: str, wanted: str) -> float | None:
    """Give what a number in one unit is to be multiplied with to be in another.

    Parameters
    ----------
    text : str
        The unit as the file writes it.
    wanted : str
        The unit it is to be in; "" for pure numbers.

    Returns
    -------
    float or None
        None if it is no unit, or not of that kind.
    """
    from astropy import units

    try:
        return float(units.Unit(text).to(units.Unit(wanted)))
    except (ValueError, TypeError):  # UnitConversionError is both
        return None
