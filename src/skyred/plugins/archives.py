"""The archives that plugins open."""

from __future__ import annotations

import inspect
import warnings
from typing import TYPE_CHECKING, Any

import attrs

from skyred.errors import ArchiveError, SkyredWarning
from skyred.interfaces.archive import require_archive
from skyred.plugins.catalog import CORE
from skyred.plugins.entry_points import BLOCK_VARIABLE

if TYPE_CHECKING:
    from skyred.plugins.loading import Plugins

HOOK = "skyred_archive"


def find_archive(plugins: Plugins, location: str | tuple[str, ...]) -> tuple[Any, str]:
    """Open an archive, and return the plugin that supports its location.

    Parameters
    ----------
    plugins : Plugins
        The plugins.
    location : str or tuple of str
        The location, or the files of the archive.

    Returns
    -------
    archive : Archive
        The archive.
    source : str
        The plugin and the location, for messages.

    Raises
    ------
    ArchiveError
        If no plugin supports the location, if several do, or if the archive cannot be opened.
        Errors of other plugins are warnings if a plugin supports it.
    ComponentError
        If the plugin returns an object without the interface of an `Archive`.
    """
    calls = _HookCalls(plugins, location)
    stores = calls.open()
    if len(stores) > 1:
        raise ArchiveError(
            f"{location!r} can be opened by the plugins {' and '.join(sorted(stores))}; "
            f"block one with {BLOCK_VARIABLE}=NAME"
        )
    if not stores:
        raise calls.error()
    for message in calls.failures:
        warnings.warn(message, SkyredWarning, stacklevel=3)
    ((name, store),) = stores.items()
    loaded = plugins.find_loaded(name)
    source = f"the archive {location!r} of {name if loaded is None else loaded.owner}"
    require_archive(store, source)
    return store, source


@attrs.define
class _HookCalls:
    """The calls of the hooks of all plugins for one location, with their errors."""

    plugins: Plugins
    location: str | tuple[str, ...]
    #: Errors of plugins that support the location.
    archive_errors: list[ArchiveError] = attrs.field(factory=list)
    #: Faults of plugins that may not support it, by message.
    failures: dict[str, BaseException] = attrs.field(factory=dict)

    def open(self) -> dict[str, Any]:
        """Return the archives that plugins open, by name of the plugin."""
        stores: dict[str, Any] = {}
        for name, implementation in self.plugins.hook_implementations(HOOK):
            try:
                store = implementation.function(location=self.location)
            except ArchiveError as error:  # another plugin may support the location
                self.archive_errors.append(error)
            except (Exception, SystemExit) as error:  # a plugin may raise anything
                self.failures[self._describe(name, error)] = error
            else:
                if store is not None:
                    stores[name] = store
        return stores

    def error(self) -> ArchiveError:
        """Return the error of a location that no plugin has opened."""
        if self.archive_errors:
            error = self.archive_errors[0]
            for message in self.failures:
                error.add_note(message)
            return error
        if self.failures:
            error = ArchiveError("\n".join(self.failures))
            error.__cause__ = next(iter(self.failures.values()))
            return error
        unavailable_plugins = "; or by ".join(self.plugins.catalog.unavailable_plugins)
        return ArchiveError(
            f"no plugin can open {self.location!r}; expected one of:\n"
            + _list_archives(self.plugins)
            + f"\nit may be supported by {unavailable_plugins}" * bool(unavailable_plugins)
        )

    def _describe(self, name: str, error: BaseException) -> str:
        details = str(error).removeprefix(f"{self.location}: ")
        if isinstance(error, SystemExit):
            details = f"it exits Python (code {error.code})"
        elif not details:
            details = type(error).__name__
        loaded = self.plugins.find_loaded(name)
        message = f"plugin {name!r} cannot open {self.location!r}: {details}"
        if loaded is None or loaded.owner.distribution == CORE:
            return message
        owner = loaded.owner
        return (
            f"{message} (raised by {owner.distribution} {owner.version}; block the plugin with "
            f"{BLOCK_VARIABLE}={name} if it is not needed)"
        )


def _list_archives(plugins: Plugins) -> str:
    """Return the summary of each hook that opens archives, one per line."""
    summaries = {
        name: inspect.cleandoc(implementation.function.__doc__ or "").split("\n\n")[0]
        for name, implementation in plugins.hook_implementations(HOOK)
    }
    return "\n".join(
        f"  {name}: {' '.join(summary.split()) or 'not documented'}"
        for name, summary in summaries.items()
    )
