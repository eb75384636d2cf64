"""Components: the steps of an analysis, with their kind and exported code."""

from __future__ import annotations

import re
from abc import ABC
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, overload

from skyred.errors import ExportError
from skyred.interfaces.class_origin import package_of
from skyred.interfaces.signatures import check_methods
from skyred.interfaces.value_class import Fields, value
from skyred.io.requirements import find_syntax_error

if TYPE_CHECKING:
    from skyred.scripting import Script

T = TypeVar("T", bound=type)
KIND = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class Component(Fields, ABC):
    """One step of an analysis.

    To define a component, subclass one of the interfaces (`Selector`, `Geometry`, `Maker`,
    `Stacker`, `Model`, `Fitter`, `Estimator`, `Engine`), decorate the class with `component`, set
    its `kind`, declare its fields with `option`, `quantity`, `position`, ... and implement the
    abstract methods.

    Parameters
    ----------
    **fields : object
        The options, which subclasses declare.
    """

    role: ClassVar[str] = ""
    kind: ClassVar[str] = ""
    #: Old names of the kind. They work in YAML, with a warning. A `Renamed` also has the versions
    #: of the plugin in which the name was changed, and in which it will be removed.
    old_kinds: ClassVar[tuple[str, ...]] = ()
    #: The kind as it is written in YAML: with the distribution if several installed plugins provide
    #: the same kind.
    yaml_kind: ClassVar[str] = ""
    #: The packages that the component needs, as in the dependencies of a project ("torch>=2").
    requires: ClassVar[tuple[str, ...]] = ()

    def _identity(self) -> tuple[str, ...]:
        # kinds are only unique within a distribution
        package = package_of(type(self))
        return (self.role, self.kind, *((package,) if package else ()))

    def to_plain(self, complete: bool = False) -> dict[str, Any]:
        """Return kind and fields as plain YAML data.

        Parameters
        ----------
        complete : bool
            Whether to include fields that have their default value.

        Returns
        -------
        dict of str to object
            The kind, and the values by name.
        """
        return {"kind": self.yaml_kind or self.kind, **super().to_plain(complete)}

    def write_script(self, script: Script) -> None:
        """Write the code of this component into a plain gammapy script (`skyred export`).

        Parameters
        ----------
        script : Script
            The script to write to.

        Raises
        ------
        ExportError
            If plain gammapy cannot do the same; the message gives the reason.
        """
        raise ExportError("has no equivalent in plain gammapy")

    @classmethod
    def adapt(cls, candidate: object) -> Component | None:
        """Convert another object to a component of this role.

        Parameters
        ----------
        candidate : object
            The object to adapt.

        Returns
        -------
        Component or None
            The component; None if the object cannot be adapted.
        """
        return None

    @classmethod
    def check_class(cls) -> None:
        """Check the declaration of the class, when it is decorated.

        Raises
        ------
        TypeError
            If the declaration violates a rule of the role.
        """

    @classmethod
    def summary(cls) -> str:
        """Return the first line of the docstring of the class.

        Returns
        -------
        str
            The line.
        """
        return (cls.__doc__ or "").strip().split("\n")[0]


def write_component(component: Component, script: Script) -> None:
    """Write the code of a component into a script, if its own class defines `write_script`.

    An inherited `write_script` is not used, because a subclass may do something else.

    Parameters
    ----------
    component : Component
        The component.
    script : Script
        The script to write to.

    Raises
    ------
    ExportError
        If the component has no equivalent in plain gammapy, or only its parent has one.
    """
    cls = type(component)
    defining_class = next(base for base in cls.__mro__ if "write_script" in vars(base))
    if defining_class not in (cls, Component):
        parent = defining_class.__name__
        raise ExportError(
            f"has no equivalent in plain gammapy, only its parent {parent} has one: "
            f"define write_script in {cls.__name__}, or, if it does the same as its parent, set "
            f"write_script = {parent}.write_script"
        )
    component.write_script(script)


@overload
def component(component_class: T) -> T: ...


@overload
def component(*, requires: Iterable[str] = ()) -> Callable[[T], T]: ...


def component(
    component_class: T | None = None, *, requires: Iterable[str] = ()
) -> T | Callable[[T], T]:
    """Turn a class into a component, a frozen class with keyword-only fields.

    Parameters
    ----------
    component_class : type, optional
        The class, if the decorator is used without arguments.
    requires : sequence of str
        The packages that the component needs in addition to the dependencies of its plugin, as in
        the dependencies of a project: ``("torch>=2",)``. They are looked up, but not imported. If
        one is missing, the check of a pipeline reports it, with the command that installs it.

    Returns
    -------
    type or callable
        The class itself, modified; a decorator if only `requires` is passed.

    Raises
    ------
    TypeError
        If the class is not a subclass of an interface, has no `kind` in kebab-case, has a field
        that is not declared with `option`, `quantity`, ..., has invalid `old_kinds`, `old_names` or
        `requires`, defines `check` under an old name, so that it would never be called, or a method
        with another signature than the interface; or if an estimator has no `product`.
    """
    if isinstance(requires, str):
        raise TypeError(f"requires is a string; expected a tuple: ({requires!r},)")
    requirements = tuple(requires)

    def declare_component(cls: T) -> T:
        return _declare_component(cls, requirements)

    return declare_component if component_class is None else declare_component(component_class)


def _declare_component(cls: T, requirements: tuple[str, ...]) -> T:
    if not (isinstance(cls, type) and issubclass(cls, Component) and cls.role):
        raise TypeError(f"{cls!r} is not a subclass of an interface such as skyred.Maker")
    cls.old_kinds = vars(cls).get("old_kinds", ())  # not inherited from the parent class
    if isinstance(cls.old_kinds, str):
        raise TypeError(
            f"{cls.__name__}.old_kinds is a string; expected a tuple: ({cls.old_kinds!r},)"
        )
    kind = cls.__dict__.get("kind", "")
    if not isinstance(kind, str) or not KIND.fullmatch(kind):
        raise TypeError(
            f'{cls.__name__} has the kind {kind!r}; expected kebab-case: kind = "my-kind"'
        )
    check_methods(cls)
    cls.check_class()
    cls.yaml_kind = kind
    for requirement in requirements:
        if error := find_syntax_error(requirement):
            raise TypeError(f"{cls.__name__} requires {requirement!r}, which is invalid: {error}")
    cls.requires = tuple(dict.fromkeys((*cls.requires, *requirements)))
    return value(cls)
