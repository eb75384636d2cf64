"""The laws, by what they are about; those that bind all roles first."""

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
    """Give the laws that bind a role; all laws, if none is named."""
    found = [held for module in _MODULES for held in vars(module).values() if isinstance(held, Law)]
    return tuple(each for each in found if not role or role in each.roles)
