"""Problems of components with this computer: missing packages, variables and secrets."""

from __future__ import annotations

from collections.abc import Iterator

from skyred.errors import ConfigError, Problem
from skyred.interfaces.class_origin import describe_origin
from skyred.interfaces.component import Component
from skyred.interfaces.traversal import secrets, texts_with_variables, walk
from skyred.interfaces.value_class import Fields
from skyred.io.requirements import unmet_requirements


def unusable_fields(root: Fields) -> Iterator[Problem]:
    """Yield the problems of an object, and of all objects nested in it, with this computer.

    Parameters
    ----------
    root : Fields
        The object, such as a pipeline or an engine.

    Yields
    ------
    Problem
        A missing package, an environment variable in a string that is not set or has an invalid
        name, or a secret that cannot be read.
    """
    for path, item in walk(root):
        if isinstance(item, Component) and item.requires:
            yield from (problem.with_prefix(*path) for problem in _missing_packages(item))
        for field_path, string in texts_with_variables(item):
            if invalid := string.invalid_variable():
                yield Problem(
                    (*path, *field_path),
                    f"{invalid!r} has no valid name of an environment variable",
                    "expected ${NAME}, with ASCII letters, digits and underscores",
                )
            for name in string.unset_variables():
                yield Problem(
                    (*path, *field_path),
                    f"the environment variable {name} is not set",
                    f"set it (export {name}=...)",
                )
        for field_name, secret in secrets(item):
            yield from secret.problems(*path, field_name)


def require_usable(component: Component) -> None:
    """Raise an error if a component that is not a part of a pipeline cannot be used.

    Parameters
    ----------
    component : Component
        The component, such as an engine.

    Raises
    ------
    ConfigError
        If a package, an environment variable or a secret is missing.
    """
    if problems := [problem.with_prefix(component.role) for problem in unusable_fields(component)]:
        raise ConfigError(problems)


def _missing_packages(component: Component) -> Iterator[Problem]:
    for unmet in unmet_requirements(component.requires):
        yield Problem(
            (),
            f"the {component.role} {component.kind!r} of {describe_origin(type(component))} needs "
            f"{unmet.requirement}, but {unmet.package} {unmet.installed} is installed"
            if unmet.installed
            else f"the {component.role} {component.kind!r} of {describe_origin(type(component))} "
            f"needs the package {unmet.requirement}, which is not installed",
            f"install it: {unmet.pip_command}",
        )
