"""Conversion of units in files to those of this package: TeV, s, deg, m2."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=256)
def conversion_factor(unit: str, target: str) -> float | None:
    """Return the factor that converts a number from one unit to another.

    Parameters
    ----------
    unit : str
        The unit as it is written in the file.
    target : str
        The unit to convert to; "" for dimensionless numbers.

    Returns
    -------
    float or None
        None if `unit` is not a unit, or has another physical type.
    """
    from astropy import units

    try:
        return float(units.Unit(unit).to(units.Unit(target)))
    except (ValueError, TypeError):  # UnitConversionError is both
        return None
