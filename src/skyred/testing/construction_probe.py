"""What building a component does beside storing, seen from a process where that can be watched.

An audit hook cannot be taken off again, so none is put on the process of the caller.
"""

from __future__ import annotations

import importlib
import sys
from functools import cache
from pathlib import Path
from typing import Any

import attrs

from skyred.fields import specs
from skyred.interfaces import Component
from skyred.plugins.one_file import OneFile, file_of
from skyred.testing.law import LawBroken, NotTried
from skyred.testing.subprocess_worker import Worker

_HEAVY = "gammapy"
_DEEDS = {
    "open": "opened",
    "socket.connect": "connected to",
    "socket.getaddrinfo": "looked up",
    "subprocess.Popen": "started",
    "os.system": "started",
    "os.mkdir": "made the folder",
    "os.remove": "removed",
}
_SOURCE = (".py", ".pyc", ".so", ".pyd")


@attrs.frozen
class Built:
    """What importing a component's module and building it did.

    Parameters
    ----------
    importing : bool
        Whether gammapy came with the module.
    building : bool
        Whether gammapy came with building.
    deeds : tuple of str
        Files that were opened while it was built, connections that were made, ...
    """

    importing: bool
    building: bool
    deeds: tuple[str, ...]

    @property
    def tainted(self) -> bool:
        """Whether the process can tell nothing more of imports."""
        return self.importing or self.building


@attrs.define
class Watch:
    """A process in which gammapy is not imported; begun anew when it is."""

    worker: Worker | None = None

    def build(self, component: Component) -> Built:
        """Build a component there from its own options.

        Raises
        ------
        NotTried
            If another process cannot import its class, since it stands in a notebook or script.
        """
        cls = type(component)
        if cls.__module__ == "__main__":
            raise NotTried("its class stands in a notebook or script")
        given = {name: getattr(component, name) for name in specs(cls)}
        self.worker = self.worker or Worker()
        try:
            built = self.worker.call(
                build_there, file_of(cls), cls.__module__, cls.__qualname__, given
            )
        except LawBroken:
            self._end()
            raise
        assert isinstance(built, Built)
        if built.tainted:
            self._end()
        return built

    def _end(self) -> None:
        if self.worker is not None:
            self.worker.close()
        self.worker = None


@cache
def shared_watch() -> Watch:
    """Give the one watch of this process."""
    return Watch()


@attrs.define
class Deeds:
    """An audit hook that writes down what is done while it is on."""

    on: bool = False
    seen: list[str] = attrs.field(factory=list)

    def __call__(self, event: str, given: tuple[Any, ...]) -> None:
        """Note an event, if it is a deed."""
        if not self.on or event not in _DEEDS:
            return
        what = str(given[0] if event != "socket.connect" else given[1])
        library = what.startswith((sys.prefix, sys.base_prefix, "/proc", "/sys"))
        if not (event == "open" and (library or Path(what).suffix in _SOURCE)):
            self.seen.append(f"{_DEEDS[event]} {what}")


@cache
def _deeds() -> Deeds:
    deeds = Deeds()
    sys.addaudithook(deeds)
    return deeds


def build_there(_: OneFile | None, module: str, name: str, given: dict[str, Any]) -> Built:
    """Import a module (a one-file plugin is loaded by now) and build a component of it."""
    cls: Any = importlib.import_module(module)
    importing = _HEAVY in sys.modules
    for part in name.split("."):
        cls = getattr(cls, part)
    deeds = _deeds()
    deeds.on, deeds.seen = True, []
    try:
        cls(**given)
    finally:
        deeds.on = False
    return Built(importing, not importing and _HEAVY in sys.modules, tuple(deeds.seen))
