"""Loading: entry points to plugins, with one clear error for each that cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import attrs
import pluggy

from skyred.errors import ArchiveError, PluginError
from skyred.interfaces.records import Owner
from skyred.plugins.catalog import Catalog
from skyred.plugins.entry_points import (
    BLOCK,
    COMMANDS,
    COMPONENTS,
    blocked,
    describe_fault,
    distribution_of,
    find_entry_points,
    in_load_order,
)
from skyred.plugins.hooks import (
    COMMAND_HOOK,
    find_misspelt_hook,
    implemented_hooks,
    new_manager,
)
from skyred.plugins.one_file import OneFile, place_in


@attrs.frozen
class Loaded:
    """A plugin as it was found: whose it is, and what is wrong with it ("" if nothing is).

    `way_out` is what SKYRED_BLOCK is set to, to leave it out.
    """

    owner: Owner
    module: str
    fault: str = ""
    blocked: bool = False
    way_out: str = attrs.field(
        default=attrs.Factory(lambda self: self.owner.plugin, takes_self=True)
    )


@attrs.define
class Plugins:
    """The plugins of a process: their hooks, their components, and what is wrong with them.

    Parameters
    ----------
    manager : pluggy.PluginManager
        Holds the plugins that work.
    catalog : Catalog
        Their components.
    loaded : list of Loaded
        All that were found, faulty and blocked ones too.
    """

    manager: pluggy.PluginManager
    catalog: Catalog = attrs.field(factory=Catalog)
    loaded: list[Loaded] = attrs.field(factory=list)

    @classmethod
    def load(
        cls, points: Iterable[EntryPoint] | None = None, files: Iterable[str | Path] = ()
    ) -> Plugins:
        """Load all plugins of the entry-point group ``skyred``; faulty ones are kept by name.

        Those named in the environment variable SKYRED_BLOCK (by comma) are left out: plugins by
        their names, or all of a distribution by its.

        Parameters
        ----------
        points : iterable of EntryPoint, optional
            What to load; by default all that is installed.
        files : iterable of str or Path
            Python files that are plugins without being installed.

        Raises
        ------
        PluginError
            If one of `files` cannot be read.
        """
        plugins = cls(new_manager())
        points = find_entry_points(COMPONENTS) if points is None else in_load_order(points)
        for point in points:
            owner = Owner(*distribution_of(point), point.name)
            plugins._load(owner, point.value, point.load)
        for file in dict.fromkeys(OneFile.of(Path(each)) for each in files):
            plugins._load(file.owner, str(file.path), file.load)
        return plugins

    def _load(self, owner: Owner, module: str, load: Callable[[], Any]) -> None:
        if blocked() & {owner.plugin, owner.distribution}:
            self.loaded.append(Loaded(owner, module, blocked=True))
            return
        if twin := self._named(owner.plugin):
            # by the plugin's name both would be left out
            fault = f"{twin.owner} has the same name" + "; rename the file" * bool(owner.file)
            self.loaded.append(Loaded(owner, module, fault, way_out=owner.distribution))
            return
        try:
            plugin = load()
            plugin = plugin() if isinstance(plugin, type) else plugin
        except (Exception, SystemExit) as error:  # a plugin's import must not stop the others
            where = place_in(Path(owner.file), error) if owner.file else ""
            fault = f"cannot be imported: {type(error).__name__}: {error}{where}"
            self.loaded.append(Loaded(owner, module, fault))
            return
        self.register(plugin, owner, module)

    def register(self, plugin: Any, owner: Owner, module: str = "") -> None:
        """Take in a plugin: a module or object with hook implementations."""
        fault = find_misspelt_hook(self.manager, plugin) or _misplaced(self.manager, plugin, owner)
        if not fault:
            try:
                self.manager.register(plugin, name=owner.plugin)
            except (ValueError, pluggy.PluginValidationError) as error:
                fault = f"cannot be registered: {error}"
        if not fault:
            fault = self._take_components(plugin, owner)
        if fault and self.manager.get_plugin(owner.plugin) is plugin:  # all of it or nothing
            self.manager.unregister(name=owner.plugin)
            self.catalog.drop(owner)
        self.loaded.append(Loaded(owner, module, fault))

    def _take_components(self, plugin: Any, owner: Owner) -> str:
        offer = getattr(plugin, "skyred_components", None)
        if offer is None:
            return ""
        try:
            faults = [self.catalog.add(cls, owner) for cls in offer()]
        except Exception as error:  # as above
            return f"skyred_components() failed: {type(error).__name__}: {error}"
        return "; ".join(fault for fault in faults if fault)

    def _named(self, name: str) -> Loaded | None:
        return next(
            (each for each in self.loaded if each.owner.plugin == name and not each.blocked), None
        )

    def faults(self) -> list[str]:
        """Say what is wrong, one sentence a faulty plugin, with the way out."""
        return [
            describe_fault(
                known.owner.plugin,
                known.owner.distribution,
                known.owner.version,
                known.module,
                known.fault,
                known.way_out,
            )
            for known in self.loaded
            if known.fault
        ]

    def require_sound(self) -> None:
        """Raise `PluginError` if any plugin is faulty."""
        if faults := self.faults():
            raise PluginError("\n".join(faults))

    def watchers(self, hook: str) -> Iterator[tuple[str, Any]]:
        """Yield plugin name and implementation of a lifecycle hook, in calling order."""
        for implementation in reversed(getattr(self.manager.hook, hook).get_hookimpls()):
            yield implementation.plugin_name, implementation

    def open_archive(self, location: str | tuple[str, ...]) -> Any:
        """Open an archive with the plugin that claims it.

        Raises
        ------
        ArchiveError
            If none does, or more than one.
        """
        claims, refused = dict[str, Any](), list[ArchiveError]()
        for name, implementation in self.watchers("skyred_archive"):
            try:
                store = implementation.function(location=location)
            except ArchiveError as error:  # not the last word: another plugin may know the place
                refused.append(error)
                continue
            except Exception as error:  # whatever a plugin raises is about this location
                raise ArchiveError(f"plugin {name!r} cannot open {location!r}: {error}") from error
            if store is not None:
                claims[name] = store
        if len(claims) > 1:
            raise ArchiveError(
                f"{location!r} is claimed by the plugins {' and '.join(sorted(claims))}; "
                f"leave one out with {BLOCK}=NAME"
            )
        if not claims and refused:
            raise refused[0]
        if not claims:
            raise ArchiveError(
                f"no plugin knows how to open {location!r}; expected the folder or index file of "
                "a DL3 store, a list of DL3 files, or sim:crab"
            )
        return next(iter(claims.values()))


def _misplaced(manager: pluggy.PluginManager, plugin: Any, owner: Owner) -> str:
    """Return what is wrong with the choice of hooks; "" if nothing is."""
    implemented = implemented_hooks(manager, plugin)
    if COMMAND_HOOK in implemented:
        return f"{COMMAND_HOOK}() is not called here: {_place_of_commands(owner)}"
    if owner.file and not implemented:  # whoever names a file as a plugin means it to have some
        return "offers nothing: expected a function skyred_components() with @hookimpl above it"
    return ""


def _place_of_commands(owner: Owner) -> str:
    if owner.file:
        return "a file cannot add commands; install a package that does (skyred new-plugin)"
    return f"put it into a module of its own, with an entry point in the group {COMMANDS}"
