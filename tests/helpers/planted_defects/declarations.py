"""Components with one defect each in declaration, storage, comparison or YAML."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from skyred import Selector, component, option


class SelectsAll(Selector):
    """Select all runs."""

    def select(self, table: Any) -> Any:
        """Return the complete table."""
        return table


@component
class Valid(SelectsAll):
    """Select all runs: a valid component."""

    kind = "planted-valid"
    size: int = option(3, doc="A number without unit.")


class Undecorated(Valid):
    """A component without decorator."""


@component
class DuplicateKind(SelectsAll):
    """A component with the kind of another one."""

    kind = "cone"


@component
class NoSummary(SelectsAll):
    kind = "planted-no-summary"


@component
class PoorDoc(SelectsAll):
    """A component with an option whose doc is not a sentence."""

    kind = "planted-poor-doc"
    size: int = option(3, doc="the size")


@component
class UnitInDoc(SelectsAll):
    """A component with an angle that is declared as a plain number."""

    kind = "planted-unit-in-doc"
    radius: float = option(2.0, doc="Largest offset in deg.")


@component
class Mutable(SelectsAll):
    """A component that can be changed."""

    kind = "planted-mutable"
    size: int = option(3, doc="A number without unit.")


def _set(self: Any, name: str, value: Any) -> None:
    self.__dict__[name] = value


# attrs does not allow this in a frozen class
Mutable.__setattr__ = _set  # type: ignore[method-assign]


@component
class OpensFile(SelectsAll):
    """A component that reads a file on construction."""

    kind = "planted-opens-file"

    def __attrs_post_init__(self) -> None:
        if Path("/etc/passwd").exists():
            Path("/etc/passwd").read_text(encoding="utf-8")


@component
class ImportsGammapy(SelectsAll):
    """A component that imports gammapy on construction."""

    kind = "planted-imports-gammapy"

    def __attrs_post_init__(self) -> None:
        import gammapy  # noqa: F401


@component
class RandomDigest(SelectsAll):
    """A component with a random digest."""

    kind = "planted-random-digest"

    def digest(self) -> str:
        return str(random.random())


@component
class OmitsOption(SelectsAll):
    """A component whose key omits an option."""

    kind = "planted-omits-option"
    size: int = option(3, doc="A number without unit.")

    def key(self) -> Any:
        return (self.kind,)


@component
class OmitsOptionInYaml(SelectsAll):
    """A component whose YAML omits an option."""

    kind = "planted-omits-option-in-yaml"
    size: int = option(3, doc="A number without unit.")

    def to_plain(self, complete: bool = False) -> dict[str, Any]:
        return {"kind": self.kind}


@component
class NoPickle(SelectsAll):
    """A component that cannot be pickled."""

    kind = "planted-no-pickle"

    def __getstate__(self) -> Any:
        raise TypeError("cannot pickle a lock")


@component
class BareError(SelectsAll):
    """A component whose errors do not contain the option."""

    kind = "planted-bare-error"
    size: int = option(3, doc="A number without unit.")

    def evolve(self, **changes: Any) -> Any:
        raise ValueError("bad value")
