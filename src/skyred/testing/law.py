"""Laws: conditions that every component of a role meets, each with a check and a remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from skyred.interfaces import ROLES

if TYPE_CHECKING:
    from skyred.testing.case import ComponentCase


class LawBroken(Exception):  # noqa: N818 - a verdict, not an error
    """A law does not hold; the message is the observation."""


class NotTried(Exception):  # noqa: N818 - as above
    """A law cannot be tried on a component; the message is the reason."""


@attrs.frozen
class Law:
    """A condition that every component of some roles meets.

    Parameters
    ----------
    name : str
        The condition, as the end of a sentence: "is frozen".
    roles : tuple of str
        The roles to which the law applies.
    fix : str
        The way to fix a component that breaks the law.
    test : callable
        Tries the law on a `ComponentCase`; raises `LawBroken` if it does not hold.
    """

    name: str
    roles: tuple[str, ...]
    fix: str
    test: Callable[[ComponentCase], None]

    @property
    def sentence(self) -> str:
        """The law as a sentence: "A component is frozen."."""
        subject = self.roles[0] if len(self.roles) == 1 else "component"
        return f"{'An' if subject[0] in 'aeiou' else 'A'} {subject} {self.name}."


def law(name: str, *roles: str, fix: str) -> Callable[[Callable[[ComponentCase], None]], Law]:
    """Return a decorator that turns a check into a law.

    Parameters
    ----------
    name : str
        The condition, as the end of a sentence.
    *roles : str
        The roles to which the law applies; by default all.
    fix : str
        The way to fix a component that breaks the law.

    Returns
    -------
    callable
        The decorator; it returns a `Law`.
    """
    return lambda test: Law(name, roles or tuple(ROLES), fix, test)


def require(condition: object, message: str) -> None:
    """Raise `LawBroken` unless a condition is true.

    Parameters
    ----------
    condition : object
        The condition, tested for truth.
    message : str
        The observation if it is false.

    Raises
    ------
    LawBroken
        If the condition is false.
    """
    if not condition:
        raise LawBroken(message)
