"""The requirements in modules by role; those that apply to all roles come first."""

from __future__ import annotations

from types import ModuleType

from skyred.testing.requirement import Requirement
from skyred.testing.requirements import (
    construction,
    declaration,
    engines,
    estimators,
    fitters,
    geometries,
    good_time,
    makers,
    models,
    observation_tables,
    selectors,
    stacked_datasets,
    stackers,
)

_MODULES: tuple[ModuleType, ...] = (
    *(declaration, construction),
    *(selectors, good_time, geometries, makers, observation_tables),
    *(stackers, stacked_datasets),
    *(models, fitters, estimators, engines),
)


def requirements(role: str = "") -> tuple[Requirement, ...]:
    """Return the requirements that apply to a role.

    Parameters
    ----------
    role : str
        The role; by default, all requirements are returned.

    Returns
    -------
    tuple of Requirement
        The requirements, in a fixed order.
    """
    all_requirements = [
        value
        for module in _MODULES
        for value in vars(module).values()
        if isinstance(value, Requirement)
    ]
    return tuple(
        requirement for requirement in all_requirements if not role or role in requirement.roles
    )
