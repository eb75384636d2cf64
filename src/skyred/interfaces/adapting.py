"""Adapters that turn other objects, such as gammapy's makers and models, into components.

The adapters are functions, registered as entry points of the group ``skyred.adapters`` under the
name of a role: ``maker``, ``model`` or ``estimator``. Each takes an object and returns a component,
or None if it does not support the object. skyred provides the adapters for gammapy's objects; other
packages may add their own.
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


def adapt_object(role: str, candidate: object, **options: Any) -> Component | None:
    """Convert an object to a component, with the first adapter that supports it.

    Parameters
    ----------
    role : str
        The role of the component: ``maker``, ``model`` or ``estimator``.
    candidate : object
        The object to adapt.
    **options
        Keyword arguments that are passed to the adapters.

    Returns
    -------
    Component or None
        The component; None if no adapter supports the object.

    Raises
    ------
    FieldError
        If an adapter supports the object, but the object cannot be used in a pipeline.
    """
    for entry_point in _adapters(role):
        component: Component | None = entry_point.load()(candidate, **options)
        if component is not None:
            return component
    return None
