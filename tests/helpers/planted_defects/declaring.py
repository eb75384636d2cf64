"""Components with one defect each in declaration, storage, comparison or YAML."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from skyred import Selector, component, option


class Everything(Selector):
    """Select all."""

    def select(self, table: Any) -> Any:
        """Return the table."""
        return table


@component
class Valid(Everything):
    """Select all runs: a valid component."""

    kind = "planted-sound"
    size: int = option(3, doc="A number without unit.")


class Undecorated(Valid):
    """A component without decorator."""


@component
class DuplicateKind(Everything):
    """A component with the kind of another one."""

    kind = "cone"


@component
class NoSummary(Everything):
    kind = "planted-no-summary"


@component
class PoorDoc(Everything):
    """A component with an option whose doc is no sentence."""

    kind = "planted-poor-doc"
    size: int = option(3, doc="the size")


@component
class UnitInDoc(Everything):
    """A component with an angle without unit."""

    kind = "planted-unit-in-doc"
    radius: float = option(2.0, doc="Largest offset in deg.")


@component
class Mutable(Everything):
    """A component that can be changed."""

    kind = "planted-thawed"
    size: int = option(3, doc="A number without unit.")


def _set(self: Any, name: str, value: Any) -> None:
    self.__dict__[name] = value


# attrs does not allow this in a frozen class
Mutable.__setattr__ = _set  # type: ignore[method-assign]


@component
class OpensFile(Everything):
    """A component that reads a file on construction."""

    kind = "planted-opens-file"

    def __attrs_post_init__(self) -> None:
        if Path("/etc/passwd").exists():
            Path("/etc/passwd").read_text(encoding="utf-8")


@component
class ImportsGammapy(Everything):
    """A component that imports gammapy on construction."""

    kind = "planted-imports-gammapy"

    def __attrs_post_init__(self) -> None:
        import gammapy  # noqa: F401


@component
class RandomDigest(Everything):
    """A component with a random digest."""

    kind = "planted-random-digest"

    def digest(self) -> str:
        return str(random.random())


@component
class ForgetsOption(Everything):
    """A component whose key omits an option."""

    kind = "planted-forgets-option"
    size: int = option(3, doc="A number without unit.")

    def key(self) -> Any:
        return (self.kind,)


@component
class ForgetsYaml(Everything):
    """A component whose YAML omits an option."""

    kind = "planted-forgets-yaml"
    size: int = option(3, doc="A number without unit.")

    def to_plain(self, complete: bool = False) -> dict[str, Any]:
        return {"kind": self.kind}


@component
class NoPickle(Everything):
    """A component that cannot be pickled."""

    kind = "planted-no-pickle"

    def __getstate__(self) -> Any:
        raise TypeError("cannot pickle a lock")


@component
class BareError(Everything):
    """A component whose errors do not contain the option."""

    kind = "planted-bare-error"
    size: int = option(3, doc="A number without unit.")

    def evolve(self, **changes: Any) -> Any:
        raise ValueError("bad value")
