"""Adapting: components made of objects that are none, such as gammapy's makers and models.

Entry points of the group ``skyred.adapters`` name the functions that do so, by role: ``maker``,
``model``, ``estimator``. Each takes an object and returns a component, or None for what it does not
know. Those for gammapy's objects come with skyred; another package may add its own.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skyred.interfaces.component import Component

GROUP = "skyred.adapters"


@cache
def _adapters(role: str) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=GROUP, name=role))


def adapted(role: str, other: object, **options: Any) -> Component | None:
    """Return an object as a component.

    Parameters
    ----------
    role : str
        The role of the component: ``maker``, ``model`` or ``estimator``.
    other : object
        The object.
    **options
        Passed on to the adapters.

    Returns
    -------
    Component or None
        Of the first adapter that knows the object; None if none does.

    Raises
    ------
    FieldError
        If an adapter knows the object, but it cannot stand in a chain.
    """
    for point in _adapters(role):
        component: Component | None = point.load()(other, **options)
        if component is not None:
            return component
    return None
