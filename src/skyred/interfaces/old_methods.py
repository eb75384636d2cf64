"""Support for renamed methods: plugins may still define or call them by their old names."""

from __future__ import annotations

import functools
from typing import Any

from skyred.errors import warn_of_old_name

_ALIAS = "_is_alias_of_old_method"


def use_old_method(cls: type, old: str, new: str) -> None:
    """Use the old method as the new one, and warn, if a class overrides only the old one.

    Parameters
    ----------
    cls : type
        A subclass of the class that declares both methods.
    old, new : str
        The old and the new name.
    """
    if _position(cls, old) >= _position(cls, new):
        return
    warn_of_old_name(f"{cls.__name__}.{old}", f"{cls.__name__}.{new}")
    method = getattr(cls, old)

    @functools.wraps(method)
    def call_old_method(self: Any, *arguments: Any) -> Any:
        return method(self, *arguments)

    setattr(call_old_method, _ALIAS, True)
    setattr(cls, new, call_old_method)


def call_new_method(instance: Any, new: str, *arguments: Any) -> Any:
    """Call the new method, skipping the aliases of old methods that `use_old_method` has added.

    Base classes implement their old methods with this function. Methods that override an old one
    may call it through ``super()``.

    Parameters
    ----------
    instance : object
        The object.
    new : str
        The name of the method.
    *arguments
        The arguments.

    Returns
    -------
    object
        The result.
    """
    methods = (vars(cls)[new] for cls in type(instance).__mro__ if new in vars(cls))
    method = next(method for method in methods if not getattr(method, _ALIAS, False))
    return method(instance, *arguments)


def _position(cls: type, name: str) -> int:
    """Return the position in the method resolution order of the first class with a method."""
    return next(i for i, parent in enumerate(cls.__mro__) if name in vars(parent))
