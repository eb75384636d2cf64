"""Conversion of units in files to the units of this package, TeV, s, deg and m2."""

from __future__ import annotations

import math
from functools import lru_cache

# columns without TUNIT for which gammapy assumes the unit of GADF, or uses ratios only (SCALE)
ASSUMED_UNITS = {"TIME": "s", "START": "s", "STOP": "s", "SCALE": "sr-1", "BKG": "s-1 MeV-1 sr-1"}
# columns for which gammapy also assumes the unit if astropy cannot parse TUNIT (1/s/MeV/sr in CTA
# 1DC)
ASSUMED_IF_INVALID = ("BKG",)
# energies in files are multiples of eV; any other unit of energy contradicts the values
_ENERGY_UNIT = "eV"


def assume_unit(name: str, unit: str) -> str:
    """Return the unit that gammapy uses for a column.

    Parameters
    ----------
    name : str
        The name of the column.
    unit : str
        The unit as it is written in the file; "" if there is none.

    Returns
    -------
    str
        `unit`; if it is missing or invalid, the unit that gammapy assumes for this column, if any.
    """
    is_invalid = name in ASSUMED_IF_INVALID and not is_fits_unit(unit)
    return ASSUMED_UNITS.get(name, unit) if is_invalid or not unit else unit


@lru_cache(maxsize=256)
def is_fits_unit(unit: str) -> bool:
    """Return whether astropy can read a unit as TUNIT of a FITS file.

    Parameters
    ----------
    unit : str
        The unit as it is written in the file.

    Returns
    -------
    bool
        False for 'degree' and 'second', for example.
    """
    from astropy import units

    try:
        units.Unit(unit, format="fits")
    except ValueError:
        return False
    return True


def is_unusual_energy(unit: str) -> bool:
    """Return whether a unit is an energy, but not a multiple of eV by a power of 1000.

    Parameters
    ----------
    unit : str
        The unit as it is written in the file.

    Returns
    -------
    bool
        True for erg or J, for example.
    """
    factor = conversion_factor(unit, _ENERGY_UNIT)
    return factor is not None and abs(math.log10(factor) / 3 - round(math.log10(factor) / 3)) > 1e-9


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
        The factor; None if `unit` is not a unit, or has another physical type.
    """
    from astropy import units

    try:
        return float(units.Unit(unit).to(units.Unit(target)))
    except (ValueError, TypeError):  # UnitConversionError is both
        return None
