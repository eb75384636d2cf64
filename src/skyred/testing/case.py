"""A component to be checked, with its sample and the expected failures."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs

from skyred.errors import ConfigError
from skyred.fields import REQUIRED, default_of, specs
from skyred.interfaces import ROLES, Component
from skyred.testing.copies import Snapshot
from skyred.testing.requirement import NotChecked
from skyred.testing.sample import Crab, Sample, crab

if TYPE_CHECKING:
    from gammapy.data import Observation, ObservationTable


def _create_instance(component: Any) -> Any:
    if isinstance(component, type):
        name = component.__name__
        if not (issubclass(component, Component) and component.role in ROLES):
            raise TypeError(f"{name} is not a component: subclass an interface such as Maker")
        if missing := _missing_options(component):
            raise TypeError(
                f"{name} needs {', '.join(missing)}: pass an instance, {name}({missing[0]}=...)"
            )
        if inspect.isabstract(component):
            methods = ", ".join(sorted(component.__abstractmethods__))
            raise TypeError(f"{name} does not implement the abstract methods: {methods}")
        return component()
    if not isinstance(component, Component):
        raise TypeError(f"{component!r:.80} is not a component: pass a class or instance of one")
    return component


def _missing_options(cls: type[Component]) -> list[str]:
    if "__attrs_attrs__" not in cls.__dict__:
        return []  # not decorated: building an instance raises the error
    return [name for name in specs(cls) if default_of(cls, name) is REQUIRED]


@attrs.frozen(eq=False, slots=False)
class ComponentCase:
    """A component to be checked.

    Parameters
    ----------
    component : Component or type of Component
        An instance, or a class whose options all have defaults.
    sample : Sample, optional
        The input for the component; by default the simulated Crab.
    expected_failures : mapping of str to str, optional
        The names of requirements that the component violates on purpose, each with the reason.

    Raises
    ------
    TypeError
        If `component` is not a component, or a class that needs options or is abstract.
    """

    component: Any = attrs.field(converter=_create_instance)
    sample: Sample = attrs.field(factory=Sample)
    expected_failures: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def name(self) -> str:
        """The name of the component in messages."""
        return self.component.kind or type(self.component).__name__

    @property
    def cls(self) -> type[Component]:
        """The class of the component."""
        cls: type[Component] = type(self.component)
        return cls

    @property
    def crab(self) -> Crab:
        """The simulated Crab, the source of all input that the sample does not define."""
        return crab()

    def observations(self) -> list[Observation]:
        """Return new copies of the observations.

        Returns
        -------
        list of gammapy.data.Observation
            The observations of the sample, in memory.
        """
        if self.sample.observations is None:
            return self.crab.observations()
        return list(self._own_observations.copy())

    @cached_property
    def _own_observations(self) -> Snapshot:
        assert self.sample.observations is not None
        runs = self.sample.observations
        return Snapshot([run.copy(in_memory=True, obs_id=run.obs_id) for run in runs])

    def table(self) -> ObservationTable:
        """Return a new copy of the observation table.

        Returns
        -------
        gammapy.data.ObservationTable
            The table of the sample.
        """
        return self.crab.table() if self.sample.table is None else self.sample.table.copy()

    @cached_property
    def memo(self) -> dict[str, Any]:
        """Results that are shared by the checks of several requirements, by name."""
        return {}


def stored_options(component: Component) -> dict[str, Any]:
    """Return the stored options of a component.

    Parameters
    ----------
    component : Component
        The component.

    Returns
    -------
    dict of str to object
        The values by option.
    """
    return {name: getattr(component, name) for name in specs(type(component))}


def digest_or_skip(component: Component) -> str:
    """Return the digest of a component, or skip the check if it has none.

    Parameters
    ----------
    component : Component
        The component.

    Returns
    -------
    str
        The digest.

    Raises
    ------
    NotChecked
        If the component has no digest, because it contains an arbitrary Python object.
    """
    try:
        return component.digest()
    except ConfigError as error:
        raise NotChecked("it contains an arbitrary Python object, so it has no digest") from error
