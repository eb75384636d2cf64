"""Plain numbers for quantities: everything in TeV, cm, s and rad."""

from __future__ import annotations

from functools import cache

from astropy import units as u

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
