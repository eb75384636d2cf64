"""A law: what every component of a role obeys, as a sentence, a check, and the way to mend it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from skyred.interfaces import ROLES

if TYPE_CHECKING:
    from skyred.testing.case import ComponentCase


class LawBroken(Exception):  # noqa: N818 - a verdict, not an error
    """A law does not hold; says what was seen."""


class NotTried(Exception):  # noqa: N818 - as above
    """A law cannot be tried on this component; says why."""


@attrs.frozen
class Law:
    """What every component of some roles obeys.

    Parameters
    ----------
    name : str
        What it asks, as the end of a sentence: "is frozen".
    roles : tuple of str
        Whom it binds.
    mend : str
        How a component that breaks it is mended.
    test : callable
        Tries a `ComponentCase`; raises `LawBroken` if the law does not hold.
    """

    name: str
    roles: tuple[str, ...]
    mend: str
    test: Callable[[ComponentCase], None]

    @property
    def sentence(self) -> str:
        """The law as a sentence: "A component is frozen."."""
        who = self.roles[0] if len(self.roles) == 1 else "component"
        return f"{'An' if who[0] in 'aeiou' else 'A'} {who} {self.name}."


def law(name: str, *roles: str, mend: str) -> Callable[[Callable[[ComponentCase], None]], Law]:
    """Make a function the check of a law of some roles; of all, if none are named."""
    return lambda test: Law(name, roles or tuple(ROLES), mend, test)


def require(holds: object, seen: str) -> None:
    """Raise `LawBroken` with what was seen unless something holds."""
    if not holds:
        raise LawBroken(seen)
