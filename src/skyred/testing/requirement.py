"""Requirements: conditions that all components of a role must meet, each with a check and a fix."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from skyred.interfaces import ROLES

if TYPE_CHECKING:
    from skyred.testing.case import ComponentCase


class RequirementViolated(Exception):  # noqa: N818 - the result of a check, not an error
    """Raised if a requirement is not met; the message is the observation."""


class NotChecked(Exception):  # noqa: N818 - as above
    """Raised if a requirement cannot be checked; the message is the reason."""


@attrs.frozen
class Requirement:
    """A condition that every component of some roles must meet.

    Parameters
    ----------
    name : str
        The condition, as the end of a sentence: "is frozen".
    roles : tuple of str
        The roles to which the requirement applies.
    fix : str
        The way to fix a component that violates the requirement.
    test : callable
        Checks the requirement; raises `RequirementViolated` if it is not met.
    old_names : tuple of str
        Former names, which still work in `expected_failures`.
    """

    name: str
    roles: tuple[str, ...]
    fix: str
    test: Callable[[ComponentCase], None]
    old_names: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The requirement as a sentence, such as "A component is frozen."."""
        subject = self.roles[0] if len(self.roles) == 1 else "component"
        return f"{'An' if subject[0] in 'aeiou' else 'A'} {subject} {self.name}."


def requirement(
    name: str, *roles: str, fix: str, old_names: tuple[str, ...] = ()
) -> Callable[[Callable[[ComponentCase], None]], Requirement]:
    """Return a decorator that turns a check into a requirement.

    Parameters
    ----------
    name : str
        The condition, as the end of a sentence.
    *roles : str
        The roles to which the requirement applies; by default all.
    fix : str
        The way to fix a component that violates the requirement.
    old_names : tuple of str
        Former names of the requirement.

    Returns
    -------
    callable
        The decorator; it returns a `Requirement`.
    """
    return lambda test: Requirement(name, roles or tuple(ROLES), fix, test, old_names)


def require(condition: object, message: str) -> None:
    """Raise `RequirementViolated` unless a condition is true.

    Parameters
    ----------
    condition : object
        The condition, tested for truth.
    message : str
        The observation if the condition is false.

    Raises
    ------
    RequirementViolated
        If the condition is false.
    """
    if not condition:
        raise RequirementViolated(message)
