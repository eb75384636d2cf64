"""Requirements of the distributions of plugins that the installed packages do not meet."""

from __future__ import annotations

from skyred.interfaces.records import Owner
from skyred.io.requirements import requirements_of, unmet_requirements
from skyred.plugins.catalog import CORE


def describe_unmet_requirements(owner: Owner, plugin: str = "") -> list[str]:
    """Return a message for each requirement of a distribution that is not met.

    Parameters
    ----------
    owner : Owner
        The plugin.
    plugin : str
        The subject of the messages; by default the plugin with its distribution.

    Returns
    -------
    list of str
        The messages, with the required and the installed version; empty for a plugin of skyred or
        a one-file plugin.
    """
    if owner.file or owner.distribution == CORE:
        return []
    subject = plugin or f"plugin {owner.plugin!r} of {owner.distribution} {owner.version}"
    return [
        f"{subject} requires {unmet.requirement}, but {unmet.state}"
        if unmet.installed
        else f"{subject} requires {unmet.requirement}, which is not installed"
        for unmet in unmet_requirements(requirements_of(owner.distribution))
    ]
