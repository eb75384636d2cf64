"""Components with one defect each in what they declare, store, compare or write."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from skyred import Selector, component, option


class Everything(Selector):
    """Select all."""

    def select(self, table: Any) -> Any:
        """Give the table."""
        return table


@component
class Sound(Everything):
    """Every run, as it is."""

    kind = "planted-sound"
    size: int = option(3, doc="A number without unit.")


class Undecorated(Sound):
    """Forgets the decorator."""


@component
class TakenKind(Everything):
    """Takes the kind of another."""

    kind = "cone"


@component
class NoSummary(Everything):
    kind = "planted-no-summary"


@component
class PoorDoc(Everything):
    """Has an option that is not described in a sentence."""

    kind = "planted-poor-doc"
    size: int = option(3, doc="the size")


@component
class UnitInDoc(Everything):
    """Has an angle that is a plain number."""

    kind = "planted-unit-in-doc"
    radius: float = option(2.0, doc="Largest offset in deg.")


@component
class Thawed(Everything):
    """Can be changed."""

    kind = "planted-thawed"
    size: int = option(3, doc="A number without unit.")


def _set(self: Any, name: str, value: Any) -> None:
    self.__dict__[name] = value


# attrs lets no frozen class say so itself
Thawed.__setattr__ = _set  # type: ignore[method-assign]


@component
class OpensFile(Everything):
    """Reads a file when it is built."""

    kind = "planted-opens-file"

    def __attrs_post_init__(self) -> None:
        if Path("/etc/passwd").exists():
            Path("/etc/passwd").read_text(encoding="utf-8")


@component
class ImportsGammapy(Everything):
    """Imports gammapy when it is built."""

    kind = "planted-imports-gammapy"

    def __attrs_post_init__(self) -> None:
        import gammapy  # noqa: F401


@component
class RandomDigest(Everything):
    """Has a digest that differs from time to time."""

    kind = "planted-random-digest"

    def digest(self) -> str:
        return str(random.random())


@component
class ForgetsOption(Everything):
    """Has an option that plays no part in its key."""

    kind = "planted-forgets-option"
    size: int = option(3, doc="A number without unit.")

    def key(self) -> Any:
        return (self.kind,)


@component
class ForgetsYaml(Everything):
    """Does not write its option."""

    kind = "planted-forgets-yaml"
    size: int = option(3, doc="A number without unit.")

    def to_plain(self, complete: bool = False) -> dict[str, Any]:
        return {"kind": self.kind}


@component
class NoPickle(Everything):
    """Holds something that cannot be sent to a worker."""

    kind = "planted-no-pickle"

    def __getstate__(self) -> Any:
        raise TypeError("cannot pickle a lock")


@component
class BareError(Everything):
    """Answers a wrong option with an error that does not name it."""

    kind = "planted-bare-error"
    size: int = option(3, doc="A number without unit.")

    def evolve(self, **changes: Any) -> Any:
        raise ValueError("bad value")
