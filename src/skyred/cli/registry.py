"""The installed plugin distributions with all that they provide, as JSON or Markdown."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, metadata
from typing import TYPE_CHECKING

import attrs

from skyred.cli.plugin_commands import PluginCommands
from skyred.interfaces.adapting import GROUP as ADAPTER_GROUP
from skyred.plugins.entry_points import (
    COMMAND_GROUP,
    COMPONENT_GROUP,
    distribution_info,
    find_entry_points,
)
from skyred.plugins.hooks import implemented_hooks

if TYPE_CHECKING:
    from importlib.metadata import PackageMetadata

    from skyred.plugins import LoadedPlugin, Plugins

LISTED_HOOKS = ("skyred_components", "skyred_models")  # their classes are listed instead
LICENSE_CLASSIFIER = "License :: OSI Approved :: "


@attrs.frozen
class Provided:
    """Something that a plugin provides.

    Parameters
    ----------
    role : str
        The role of a component; "adapter", "command" or "hook".
    kind : str
        The kind of a component; the role of an adapter; the name of a command or a hook.
    description : str
        One line.
    """

    role: str
    kind: str
    description: str


@attrs.frozen
class PluginRecord:
    """An entry point of a distribution, or a plugin file.

    Parameters
    ----------
    name : str
        The name of the plugin.
    group : str
        The group of the entry point.
    module : str
        The module or file.
    blocked : bool
        Whether the user blocked the plugin.
    fault : str
        The fault; "" if there is none.
    provides : tuple of Provided
        Components, hooks, commands or adapters.
    """

    name: str
    group: str
    module: str
    blocked: bool = False
    fault: str = ""
    provides: tuple[Provided, ...] = ()


@attrs.frozen
class DistributionRecord:
    """A distribution with plugins.

    Parameters
    ----------
    name, version, summary : str
        Name, version and summary of the distribution.
    license : str
        The SPDX expression or the name of the licence; "" if unknown.
    requires : tuple of str
        Required versions of Python and skyred.
    urls : mapping of str to str
        The links, such as "Homepage" and "Documentation".
    plugins : tuple of PluginRecord
        The plugins.
    """

    name: str
    version: str
    summary: str = ""
    license: str = ""
    requires: tuple[str, ...] = ()
    urls: dict[str, str] = attrs.field(factory=dict)
    plugins: tuple[PluginRecord, ...] = ()


def read_registry(plugins: Plugins, commands: PluginCommands) -> list[DistributionRecord]:
    """Return the distributions that provide plugins, skyred first.

    Parameters
    ----------
    plugins : Plugins
        The plugins of components, archives and watchers.
    commands : PluginCommands
        The plugins of commands.

    Returns
    -------
    list of DistributionRecord
        The distributions.
    """
    records: dict[tuple[str, str], list[PluginRecord]] = {}
    for (name, version), record in _list_plugins(plugins, commands):
        records.setdefault((name, version), []).append(record)
    order = sorted(records, key=lambda key: (key[0] != "skyred", key))
    return [_describe_distribution(*key, records[key]) for key in order]


def format_json(registry: Iterable[DistributionRecord]) -> str:
    """Return distributions as a JSON array.

    Parameters
    ----------
    registry : iterable of DistributionRecord
        The distributions.

    Returns
    -------
    str
        The JSON text.
    """
    return json.dumps([attrs.asdict(record) for record in registry], indent=2, ensure_ascii=False)


def format_markdown(registry: Iterable[DistributionRecord]) -> str:
    """Return distributions as Markdown: a section and a table for each.

    Parameters
    ----------
    registry : iterable of DistributionRecord
        The distributions.

    Returns
    -------
    str
        The Markdown text.
    """
    return "\n".join(line for record in registry for line in _markdown_lines(record)).rstrip()


def _list_plugins(
    plugins: Plugins, commands: PluginCommands
) -> Iterator[tuple[tuple[str, str], PluginRecord]]:
    for plugin in plugins.loaded:
        owner = plugin.owner
        provided = tuple(_list_provided(plugin, plugins))
        group = "" if owner.file else COMPONENT_GROUP
        yield (
            (owner.distribution, owner.version),
            PluginRecord(
                owner.plugin, group, plugin.module, plugin.blocked, plugin.fault, provided
            ),
        )
    for command in commands.plugins:
        point = command.entry_point
        provided = tuple(
            Provided("command", name, value.get_short_help_str(limit=100))
            for name, value in (command.commands.items() if command.works else ())
        )
        yield (
            distribution_info(point),
            PluginRecord(
                point.name, COMMAND_GROUP, point.value, command.blocked, command.fault, provided
            ),
        )
    for point in find_entry_points(ADAPTER_GROUP):
        adapter = Provided("adapter", point.name, f"Converts objects: {point.value}")
        yield (
            distribution_info(point),
            PluginRecord(point.name, ADAPTER_GROUP, point.value, provides=(adapter,)),
        )


def _list_provided(plugin: LoadedPlugin, plugins: Plugins) -> Iterator[Provided]:
    for entry in plugins.catalog:
        if entry.owner == plugin.owner:
            yield Provided(entry.cls.role, plugins.catalog.name(entry), entry.cls.summary())
    for model in plugins.catalog.models:
        if model.owner == plugin.owner:
            declaration = model.declaration
            role = f"{declaration.submodel} model"
            yield Provided(role, declaration.tag[-1], declaration.doc)
    instance = plugins.manager.get_plugin(plugin.owner.plugin)
    if instance is None or plugin.fault or plugin.blocked:
        return
    for hook in implemented_hooks(plugins.manager, instance):
        if hook not in LISTED_HOOKS:
            documentation = inspect.getdoc(getattr(instance, hook)) or ""
            yield Provided("hook", hook, documentation.partition("\n")[0])


def _describe_distribution(
    name: str, version: str, plugins: list[PluginRecord]
) -> DistributionRecord:
    try:
        data = metadata(name)
    except (PackageNotFoundError, ValueError):  # a plugin file, or metadata without a name
        return DistributionRecord(name, version, plugins=tuple(plugins))
    requirements = [line.partition(";")[0].strip() for line in data.get_all("Requires-Dist") or ()]
    python = _first(data, "Requires-Python")
    requires = (
        *([f"Python {python}"] if python else ()),
        *dict.fromkeys(line for line in requirements if _is_skyred(line)),
    )
    return DistributionRecord(
        name,
        version,
        _first(data, "Summary"),
        _find_license(data),
        requires,
        _find_urls(data),
        tuple(plugins),
    )


def _first(data: PackageMetadata, field: str) -> str:
    return next(iter(data.get_all(field) or ()), "")


def _is_skyred(requirement: str) -> bool:
    return requirement.startswith("skyred") and not requirement[6:].startswith(("-", "_", "["))


def _find_license(data: PackageMetadata) -> str:
    expression = _first(data, "License-Expression") or _first(data, "License")
    if expression and "\n" not in expression:  # some contain the complete text
        return expression
    classifiers = data.get_all("Classifier") or ()
    names = [line for line in classifiers if line.startswith(LICENSE_CLASSIFIER)]
    return ", ".join(line.removeprefix(LICENSE_CLASSIFIER) for line in names)


def _find_urls(data: PackageMetadata) -> dict[str, str]:
    pairs = [line.partition(",") for line in data.get_all("Project-URL") or ()]
    urls = {label.strip(): url.strip() for label, _, url in pairs}
    home_page = _first(data, "Home-page")
    return {"Homepage": home_page, **urls} if home_page else urls


def _markdown_lines(record: DistributionRecord) -> Iterator[str]:
    yield from (f"## {record.name} {record.version}", "")
    if record.summary:
        yield from (record.summary, "")
    links = [f"[{label}]({url})" for label, url in record.urls.items()]
    facts = {
        "Licence": record.license,
        "Requires": ", ".join(record.requires),
        "Links": ", ".join(links),
    }
    lines = [f"- {title}: {content}" for title, content in facts.items() if content]
    yield from (*lines, *([""] if lines else ()))
    for plugin in record.plugins:
        if plugin.blocked:
            yield from (f"The plugin `{plugin.name}` is blocked by `SKYRED_BLOCK`.", "")
        if plugin.fault:
            yield from (f"The plugin `{plugin.name}` is faulty: {_escape(plugin.fault)}", "")
    rows = [(plugin.name, item) for plugin in record.plugins for item in plugin.provides]
    if rows:
        yield from ("| plugin | role | name | description |", "|---|---|---|---|")
    for plugin_name, item in rows:
        description = _escape(item.description)
        yield f"| {plugin_name} | {item.role} | `{item.kind}` | {description} |"
    yield ""


def _escape(description: str) -> str:
    """Escape the characters that end a cell of a table, or start HTML."""
    return description.replace("\n", " ").replace("|", "\\|").replace("<", "&lt;")
