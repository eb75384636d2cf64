"""Loading of plugins from entry points and files, with a message for each faulty plugin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import attrs
import pluggy

from skyred.errors import PluginError
from skyred.interfaces.records import Owner
from skyred.plugins.archives import find_archive
from skyred.plugins.catalog import Catalog
from skyred.plugins.entry_points import (
    BLOCK_VARIABLE,
    COMPONENT_GROUP,
    blocked_names,
    describe_fault,
    distribution_info,
    find_entry_points,
    sort_entry_points,
)
from skyred.plugins.hooks import (
    create_manager,
    describe_registration_error,
    find_api_fault,
    find_group_fault,
    find_hook_error,
    implemented_hooks,
)
from skyred.plugins.one_file import OneFile, line_in_file
from skyred.plugins.unmet_requirements import describe_unmet_requirements


@attrs.frozen
class LoadedPlugin:
    """An installed plugin or a plugin file, including faulty and blocked ones.

    Parameters
    ----------
    owner : Owner
        Distribution, version and name of the plugin.
    module : str
        The module or file of the plugin.
    fault : str
        The fault; "" if there is none.
    blocked : bool
        Whether the user blocked the plugin.
    block : str
        The value of SKYRED_BLOCK that blocks the plugin.
    """

    owner: Owner
    module: str
    fault: str = ""
    blocked: bool = False
    block: str = attrs.field(default=attrs.Factory(lambda self: self.owner.plugin, takes_self=True))


@attrs.define
class Plugins:
    """The plugins of a process, with their hooks, components and faults.

    Parameters
    ----------
    manager : pluggy.PluginManager
        The manager of the plugins without faults.
    catalog : Catalog
        The components of these plugins.
    loaded : list of LoadedPlugin
        All plugins, including faulty and blocked ones.
    warnings : list of str
        The warnings about these plugins that have been shown.
    """

    manager: pluggy.PluginManager
    catalog: Catalog = attrs.field(factory=Catalog)
    loaded: list[LoadedPlugin] = attrs.field(factory=list)
    warnings: list[str] = attrs.field(factory=list)

    @classmethod
    def load(
        cls, points: Iterable[EntryPoint] | None = None, files: Iterable[str | Path] = ()
    ) -> Plugins:
        """Load all plugins of the entry-point group ``skyred``; faulty ones are recorded.

        The environment variable SKYRED_BLOCK contains the names of blocked plugins and
        distributions, separated by commas.

        Parameters
        ----------
        points : iterable of EntryPoint, optional
            The entry points to load; by default all installed ones.
        files : iterable of str or Path
            Python files that are used as plugins without installation.

        Returns
        -------
        Plugins
            The plugins.

        Raises
        ------
        PluginError
            If one of `files` cannot be read.
        """
        plugins = cls(create_manager())
        points = find_entry_points(COMPONENT_GROUP) if points is None else sort_entry_points(points)
        for point in points:
            owner = Owner(*distribution_info(point), point.name)
            plugins._load(owner, point.value, point.load)
        for file in dict.fromkeys(OneFile.from_path(Path(path)) for path in files):
            plugins._load(file.owner, str(file.path), file.load)
        return plugins

    def _load(self, owner: Owner, module: str, load: Callable[[], Any]) -> None:
        if blocked_names() & {owner.plugin, owner.distribution}:
            self.loaded.append(LoadedPlugin(owner, module, blocked=True))
            reason = f"{owner}, which is blocked by {BLOCK_VARIABLE}"
            self.catalog.unavailable_plugins.append(reason)
            return
        if namesake := self.find_loaded(owner.plugin):
            # SKYRED_BLOCK=<plugin name> would block both plugins, so the message suggests the name
            # of the distribution
            fault = f"{namesake.owner} has the same name" + "; rename the file" * bool(owner.file)
            self._add_faulty(LoadedPlugin(owner, module, fault, block=owner.distribution))
            return
        try:
            plugin = load()
            plugin = plugin() if isinstance(plugin, type) else plugin
        except (Exception, SystemExit) as error:  # must not prevent the import of other plugins
            line = line_in_file(Path(owner.file), error) if owner.file else ""
            fault = f"cannot be imported: {type(error).__name__}: {error}{line}"
            unmet = "".join(f"; {message}" for message in describe_unmet_requirements(owner, "it"))
            self._add_faulty(LoadedPlugin(owner, module, f"{fault}{unmet}"))
            return
        self.register(plugin, owner, module)

    def register(self, plugin: Any, owner: Owner, module: str = "") -> None:
        """Register a plugin, or record its fault.

        Parameters
        ----------
        plugin : module or object
            The plugin, with hook implementations.
        owner : Owner
            Distribution, version and name of the plugin.
        module : str
            The module or file of the plugin, for error messages.
        """
        try:
            fault = self._add_hooks(plugin, owner)
            fault = fault or self._add_components(plugin, owner) or self._add_models(plugin, owner)
        except (Exception, SystemExit) as error:  # attributes of a plugin may raise anything
            fault = f"cannot be loaded: {type(error).__name__}: {error}"
        if fault and self.manager.get_plugin(owner.plugin) is plugin:
            # only a part of its components could be added
            self.manager.unregister(name=owner.plugin)
            self.catalog.drop(owner)
        if fault:
            self._add_faulty(LoadedPlugin(owner, module, fault))
        else:
            self.loaded.append(LoadedPlugin(owner, module))

    def _add_hooks(self, plugin: Any, owner: Owner) -> str:
        implemented = implemented_hooks(self.manager, plugin)
        fault = (
            find_api_fault(plugin)
            or find_hook_error(plugin, implemented)
            or find_group_fault(implemented, owner)
        )
        if not fault:
            try:
                self.manager.register(plugin, name=owner.plugin)
            except (ValueError, pluggy.PluginValidationError) as error:
                fault = describe_registration_error(self.manager, plugin, error)
        return fault

    def _add_faulty(self, loaded: LoadedPlugin) -> None:
        self.loaded.append(loaded)
        self.catalog.unavailable_plugins.append(f"{loaded.owner}, which is faulty: {loaded.fault}")

    def _add_components(self, plugin: Any, owner: Owner) -> str:
        component_hook = getattr(plugin, "skyred_components", None)
        if component_hook is None:
            return ""
        try:
            faults = [self.catalog.add(cls, owner) for cls in component_hook()]
        except (Exception, SystemExit) as error:  # a plugin may raise anything
            return f"skyred_components() failed: {type(error).__name__}: {error}"
        return "; ".join(fault for fault in faults if fault)

    def _add_models(self, plugin: Any, owner: Owner) -> str:
        model_hook = getattr(plugin, "skyred_models", None)
        if model_hook is None:
            return ""
        try:
            declarations = list(model_hook())
        except (Exception, SystemExit) as error:  # a plugin may raise anything
            return f"skyred_models() failed: {type(error).__name__}: {error}"
        faults = [self.catalog.models.add(declaration, owner) for declaration in declarations]
        return "; ".join(fault for fault in faults if fault)

    def find_loaded(self, name: str) -> LoadedPlugin | None:
        """Return the plugin of a name, unless it is blocked.

        Parameters
        ----------
        name : str
            The name.

        Returns
        -------
        LoadedPlugin or None
            The plugin, which may be faulty.
        """
        return next(
            (
                loaded
                for loaded in self.loaded
                if loaded.owner.plugin == name and not loaded.blocked
            ),
            None,
        )

    def faults(self) -> list[str]:
        """Return the error messages of faulty plugins.

        Returns
        -------
        list of str
            One message for each faulty plugin.
        """
        return [
            describe_fault(
                loaded.owner.plugin,
                loaded.owner.distribution,
                loaded.owner.version,
                loaded.module,
                loaded.fault,
                loaded.block,
            )
            for loaded in self.loaded
            if loaded.fault
        ]

    def raise_if_faulty(self) -> None:
        """Raise an error if a plugin is faulty.

        Raises
        ------
        PluginError
            If a plugin is faulty; the message lists all faults.
        """
        if faults := self.faults():
            raise PluginError("\n".join(faults))

    def hook_implementations(self, hook: str) -> Iterator[tuple[str, Any]]:
        """Yield the implementations of a hook, in calling order.

        Parameters
        ----------
        hook : str
            The name of the hook.

        Yields
        ------
        name : str
            The name of the plugin.
        implementation : pluggy.HookImpl
            The implementation.
        """
        for implementation in reversed(getattr(self.manager.hook, hook).get_hookimpls()):
            yield implementation.plugin_name, implementation

    def open_archive(self, location: str | tuple[str, ...]) -> Any:
        """Open an archive with the plugin that supports its location.

        Parameters
        ----------
        location : str or tuple of str
            The location, or the files of the archive.

        Returns
        -------
        Archive
            The archive, usually gammapy's `DataStore`.

        Raises
        ------
        ArchiveError
            If no plugin supports the location, if several do, or if the archive cannot be opened.
        ComponentError
            If the plugin returns an object without the interface of an `Archive`.
        """
        return find_archive(self, location)[0]
