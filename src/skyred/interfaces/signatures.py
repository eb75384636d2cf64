"""Checks that methods of components and products can be called as the interface declares them."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Iterator
from typing import Any

from skyred.fields import SPEC

INTERFACES = f"{__name__.rpartition('.')[0]}."  # the package of the interfaces


def check_methods(cls: type) -> None:
    """Check that all methods that override a method of an interface can be called in its place.

    Optional methods are only called by some pipelines, so that a wrong signature would be found
    late, or never. Additional arguments with defaults are allowed, and so are other names.

    Parameters
    ----------
    cls : type
        A subclass of an interface.

    Raises
    ------
    TypeError
        If a method cannot be called with the arguments of the interface, or a property is defined
        as a method or the other way round.
    """
    for name, member in _iter_overrides(cls):
        if fault := _find_fault(member, _find_interface_member(cls, name)):
            raise TypeError(f"{cls.__name__}.{name} {fault}")


def _iter_overrides(cls: type) -> Iterator[tuple[str, Any]]:
    """Yield the members of a class that override a member of an interface."""
    interface_names = _list_interface_names(
        tuple(base for base in cls.__mro__ if _is_interface(base))
    )
    for base in cls.__mro__:
        if _is_interface(base):
            return
        for name in interface_names & vars(base).keys():
            yield name, vars(base)[name]


@functools.cache
def _list_interface_names(bases: tuple[type, ...]) -> frozenset[str]:
    return frozenset(
        name
        for base in bases
        for name, member in vars(base).items()
        if not name.startswith("_")
        and isinstance(member, types.FunctionType | classmethod | staticmethod | property)
    )


def _find_interface_member(cls: type, name: str) -> Any:
    return next(
        vars(base)[name] for base in cls.__mro__ if _is_interface(base) and name in vars(base)
    )


def _is_interface(cls: type) -> bool:
    return cls.__module__.startswith(INTERFACES)


def _find_fault(member: Any, interface_member: Any) -> str:
    """Return why a member cannot be used in place of that of the interface; "" if it can."""
    is_function = isinstance(member, types.FunctionType)
    if isinstance(interface_member, property):
        return "is a method; expected a property: decorate it with @property" if is_function else ""
    if isinstance(interface_member, classmethod) and is_function:
        return "is a method of instances; decorate it with @classmethod"
    if isinstance(member, property):
        return "is a property; expected a method"
    if SPEC in getattr(member, "metadata", ()):
        return "is an option; expected a method: choose another name"
    if not (is_function or isinstance(member, classmethod | staticmethod)):
        is_method = callable(member) or hasattr(member, "__get__")
        return "" if is_method else f"is {member!r}; expected a method"
    # keyword arguments, such as the options of `evolve`, are not passed by position
    function = getattr(interface_member, "__func__", interface_member)
    arguments = _list_arguments(interface_member)[: function.__code__.co_argcount - 1]
    required = [argument for argument in arguments if argument.default is argument.empty]
    signature = inspect.Signature(_list_arguments(member))
    for called_arguments in (required, arguments):
        try:
            signature.bind(*called_arguments)
        except TypeError:
            return (
                f"has the signature {signature}; it is called with "
                f"({', '.join(argument.name for argument in called_arguments)}), by position, so "
                "all other arguments need a default"
            )
    return ""


def _list_arguments(member: Any) -> list[inspect.Parameter]:
    """Return the positional arguments of a method, without `self` or `cls`."""
    function = getattr(member, "__func__", member)
    # a decorator may add arguments, but `*arguments` are those of the decorated function
    own_parameters = inspect.signature(function, follow_wrapped=False).parameters
    is_variadic = any(item.kind is item.VAR_POSITIONAL for item in own_parameters.values())
    signature = inspect.signature(function, follow_wrapped=is_variadic)
    parameters = list(signature.parameters.values())
    is_bound = not isinstance(member, staticmethod)
    has_self = bool(parameters) and not str(parameters[0]).startswith("*")
    return parameters[1:] if is_bound and has_self else parameters
