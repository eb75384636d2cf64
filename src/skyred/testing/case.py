"""A case: a component, what it is tried on, and what is expected to fail."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs

from skyred.errors import ConfigError
from skyred.fields import REQUIRED, default_of, specs
from skyred.interfaces import ROLES, Component
from skyred.testing.copies import Kept
from skyred.testing.law import NotTried
from skyred.testing.sample import Crab, Sample, crab

if TYPE_CHECKING:
    from gammapy.data import Observation, ObservationTable


def _instance(given: Any) -> Any:
    if isinstance(given, type):
        if not (issubclass(given, Component) and given.role in ROLES):
            raise TypeError(
                f"{given.__name__} is no component: subclass an interface such as Maker"
            )
        if missing := _missing(given):
            raise TypeError(
                f"{given.__name__} needs {', '.join(missing)}: give an instance, "
                f"{given.__name__}({missing[0]}=...)"
            )
        if inspect.isabstract(given):
            lacking = ", ".join(sorted(given.__abstractmethods__))
            raise TypeError(f"{given.__name__} does not say how to {lacking}: write the method")
        return given()
    if not isinstance(given, Component):
        raise TypeError(f"{given!r:.80} is no component: give a class or instance of one")
    return given


def _missing(cls: type[Component]) -> list[str]:
    if "__attrs_attrs__" not in cls.__dict__:
        return []  # undecorated: building it says so
    return [name for name in specs(cls) if default_of(cls, name) is REQUIRED]


@attrs.frozen(eq=False, slots=False)
class ComponentCase:
    """A component to be checked.

    Parameters
    ----------
    component : Component or type of Component
        An instance, or a class whose options all have defaults.
    sample : Sample, optional
        What it is tried on.
    expected_failures : mapping of str to str, optional
        Names of laws that it does not obey, each with the reason.

    Raises
    ------
    TypeError
        If it is no component, or a class that needs options.
    """

    component: Any = attrs.field(converter=_instance)
    sample: Sample = attrs.field(factory=Sample)
    expected_failures: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self.component.kind or type(self.component).__name__

    @property
    def cls(self) -> type[Component]:
        """Its class."""
        cls: type[Component] = type(self.component)
        return cls

    @property
    def crab(self) -> Crab:
        """The simulated Crab, for what the sample leaves out."""
        return crab()

    def observations(self) -> list[Observation]:
        """Give the observations; new copies each time."""
        if self.sample.observations is None:
            return self.crab.observations()
        return list(self._own_observations.copy())

    @cached_property
    def _own_observations(self) -> Kept:
        assert self.sample.observations is not None
        held = self.sample.observations
        return Kept([each.copy(in_memory=True, obs_id=each.obs_id) for each in held])

    def table(self) -> ObservationTable:
        """Give the table of observations; a new copy each time."""
        return self.crab.table() if self.sample.table is None else self.sample.table.copy()

    @cached_property
    def memo(self) -> dict[str, Any]:
        """What laws have found out and others need too."""
        return {}


def stored(component: Component) -> dict[str, Any]:
    """Give the options of a component as they are held."""
    return {name: getattr(component, name) for name in specs(type(component))}


def digest_or_skip(component: Component) -> str:
    """Give the digest; the law is not tried on what holds a Python object as it is."""
    try:
        return component.digest()
    except ConfigError as error:
        raise NotTried("it holds a Python object as it is, so it has no digest") from error
