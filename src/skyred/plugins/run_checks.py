"""Checks of the plugins of a run: warnings about faults and unmet requirements."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from skyred.errors import PluginError, SkyredWarning
from skyred.interfaces import Component
from skyred.plugins.catalog import CORE
from skyred.plugins.loading import Plugins
from skyred.plugins.unmet_requirements import describe_unmet_requirements


def check_usable(plugins: Plugins) -> None:
    """Warn of faulty plugins, once, and raise an error if a run needs one of them.

    Parameters
    ----------
    plugins : Plugins
        The plugins of the run.

    Raises
    ------
    PluginError
        If a plugin of skyred itself is faulty, or a file that was passed as a plugin.
    """
    faults = zip(
        (loaded for loaded in plugins.loaded if loaded.fault), plugins.faults(), strict=True
    )
    needed_faults = []
    for loaded, fault in faults:
        if loaded.owner.file or loaded.owner.distribution == CORE:
            needed_faults.append(fault)
        else:
            _warn_once(plugins, f"{fault}. It is not used, and its hooks are not called")
    if needed_faults:
        raise PluginError("\n".join(needed_faults))


def check_requirements(plugins: Plugins, components: Iterable[Component]) -> None:
    """Warn of plugins in use whose requirements are not met, once for each plugin.

    Parameters
    ----------
    plugins : Plugins
        The plugins of the run.
    components : iterable of Component
        The components in use. Plugins that only implement other hooks are always in use.
    """
    excluded_owners = {entry.owner for entry in plugins.catalog} | {
        loaded.owner for loaded in plugins.loaded if loaded.fault or loaded.blocked
    }
    watchers = (loaded.owner for loaded in plugins.loaded if loaded.owner not in excluded_owners)
    components = list(components)
    catalog = plugins.catalog
    model_owners = catalog.models.owners(components)
    owners = dict.fromkeys((*catalog.owners(components), *model_owners, *watchers))
    for owner in owners:
        for message in describe_unmet_requirements(owner):
            _warn_once(plugins, message)


def _warn_once(plugins: Plugins, message: str) -> None:
    if message not in plugins.warnings:
        plugins.warnings.append(message)
        warnings.warn(message, SkyredWarning, stacklevel=4)
