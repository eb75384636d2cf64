"""Side effects of building a component, observed by an audit hook in another process.

An audit hook cannot be removed, so it must not be added to the process of the caller.
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
from skyred.testing.requirement import NotChecked, RequirementViolated
from skyred.testing.subprocess_worker import Worker

_HEAVY = "gammapy"
_AUDITED = {
    "open": "opened",
    "socket.connect": "connected to",
    "socket.getaddrinfo": "looked up",
    "subprocess.Popen": "started",
    "os.system": "started",
    "os.mkdir": "created the folder",
    "os.remove": "removed",
}
_SOURCE = (".py", ".pyc", ".so", ".pyd")


@attrs.frozen
class BuildRecord:
    """The side effects of importing a component's module and building the component.

    Parameters
    ----------
    imports_gammapy : bool
        Whether importing the module imports gammapy.
    build_imports_gammapy : bool
        Whether building the component imports gammapy.
    actions : tuple of str
        Actions while the component was built, such as opened files and network connections.
    """

    imports_gammapy: bool
    build_imports_gammapy: bool
    actions: tuple[str, ...]

    @property
    def gammapy_imported(self) -> bool:
        """Whether gammapy was imported in the process, so that the process must be replaced."""
        return self.imports_gammapy or self.build_imports_gammapy


@attrs.define
class BuildProbe:
    """A process in which gammapy is not imported; it is replaced if a component imports gammapy.

    Parameters
    ----------
    worker : Worker, optional
        The process; by default started on first use.
    """

    worker: Worker | None = None

    def build(self, component: Component) -> BuildRecord:
        """Build a copy of a component in the other process, from the same options.

        Parameters
        ----------
        component : Component
            The component.

        Returns
        -------
        BuildRecord
            The side effects.

        Raises
        ------
        NotChecked
            If the class is defined in a notebook or script, so that another process cannot import
            it.
        RequirementViolated
            If the component cannot be sent to the other process, or built there.
        """
        cls = type(component)
        if cls.__module__ == "__main__":
            raise NotChecked("its class is defined in a notebook or script")
        options = {name: getattr(component, name) for name in specs(cls)}
        self.worker = self.worker or Worker()
        try:
            record = self.worker.call(
                build_and_record, file_of(cls), cls.__module__, cls.__qualname__, options
            )
        except RequirementViolated:
            self._close()
            raise
        assert isinstance(record, BuildRecord)
        if record.gammapy_imported:
            self._close()
        return record

    def _close(self) -> None:
        if self.worker is not None:
            self.worker.close()
        self.worker = None


@cache
def shared_probe() -> BuildProbe:
    """Return the probe of this process.

    Returns
    -------
    BuildProbe
        The same probe in each call.
    """
    return BuildProbe()


@attrs.define
class AuditHook:
    """An audit hook that records actions while it is active.

    Parameters
    ----------
    active : bool
        Whether events are recorded.
    actions : list of str
        The recorded actions.
    """

    active: bool = False
    actions: list[str] = attrs.field(factory=list)

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """Record an audited event while the hook is active, except for opening libraries or source.

        Parameters
        ----------
        event : str
            The name of the event.
        args : tuple
            The arguments of the event.
        """
        if not self.active or event not in _AUDITED:
            return
        target = str(args[0] if event != "socket.connect" else args[1])
        is_library = target.startswith((sys.prefix, sys.base_prefix, "/proc", "/sys"))
        if not (event == "open" and (is_library or Path(target).suffix in _SOURCE)):
            self.actions.append(f"{_AUDITED[event]} {target}")


@cache
def _audit_hook() -> AuditHook:
    hook = AuditHook()
    sys.addaudithook(hook)
    return hook


def build_and_record(
    _: OneFile | None, module: str, name: str, options: dict[str, Any]
) -> BuildRecord:
    """Import a module, build a component from it, and record the side effects.

    Parameters
    ----------
    _ : OneFile or None
        The one-file plugin of the module, which is loaded by unpickling it.
    module : str
        The name of the module.
    name : str
        The qualified name of the class.
    options : dict of str to object
        The options of the component.

    Returns
    -------
    BuildRecord
        The side effects.
    """
    cls: Any = importlib.import_module(module)
    imports_gammapy = _HEAVY in sys.modules
    for attribute in name.split("."):
        cls = getattr(cls, attribute)
    hook = _audit_hook()
    hook.active, hook.actions = True, []
    try:
        cls(**options)
    finally:
        hook.active = False
    build_imports_gammapy = not imports_gammapy and _HEAVY in sys.modules
    return BuildRecord(imports_gammapy, build_imports_gammapy, tuple(hook.actions))
