"""All laws in one module for each role; the laws of all roles come first."""

from __future__ import annotations

from types import ModuleType

from skyred.testing.law import Law
from skyred.testing.laws import (
    construction,
    declaration,
    engines,
    estimators,
    fitters,
    geometries,
    makers,
    models,
    selectors,
    stackers,
)

_MODULES: tuple[ModuleType, ...] = (
    *(declaration, construction),
    *(selectors, geometries, makers, stackers, models, fitters, estimators, engines),
)


def laws(role: str = "") -> tuple[Law, ...]:
    """Return the laws that apply to a role.

    Parameters
    ----------
    role : str
        The role; by default, all laws are returned.

    Returns
    -------
    tuple of Law
        The laws, in a fixed order.
    """
    all_laws = [
        value for module in _MODULES for value in vars(module).values() if isinstance(value, Law)
    ]
    return tuple(law for law in all_laws if not role or role in law.roles)
