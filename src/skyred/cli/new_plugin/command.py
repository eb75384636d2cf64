"""The options and messages of the `new-plugin` command."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

# copies of constants in `source` and `package`: importing them would make `--help` slow
ROLES = (
    *("selector", "geometry", "maker", "stacker", "model", "fitter", "estimator", "engine"),
    *("spectral-model", "archive", "observer", "command"),
)
LICENSES = ("BSD-3-Clause", "MIT", "none")
METAVARS = {"spectral-model": "TYPE", "archive": "SCHEME", "observer": "NAME", "command": "NAME"}
HELP = {
    "spectral-model": "Create a spectral model for gammapy, for `type: TYPE` in YAML.",
    "archive": "Open archives with locations that start with SCHEME and a colon.",
    "observer": "Follow runs, and write a file of this name into the run folder.",
    "command": "Add a command of this name to skyred.",
}
SINGLE = ("archive", "observer")  # each is a hook, and a module has only one function for it


def _add_options(command: Callable[..., Any]) -> Callable[..., Any]:
    options = [
        click.option(
            f"--{role}",
            multiple=True,
            metavar=_metavar(role),
            help=HELP.get(role) or f"Create {_article(role)} {role} of this kind.",
        )
        for role in ROLES
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _metavar(role: str) -> str:
    return METAVARS.get(role, "KIND")


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


@click.command("new-plugin")
@click.argument("name")
@_add_options
@click.option("--author", default="", help="Name of the author; by default the NAME developers.")
@click.option("--email", default="", help="E-mail address of the author.")
@click.option("--url", default="", help="Address of the repository, https://...")
@click.option("--description", default="", help="One sentence about the plugin.")
@click.option(
    "--license",
    "license_name",
    type=click.Choice(LICENSES),
    default="BSD-3-Clause",
    show_default=True,
    help="Licence of the package.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Folder to create the plugin in; by default the current one.",
)
@click.pass_context
def new_plugin(
    ctx: click.Context,
    /,
    name: str,
    output: Path,
    author: str,
    email: str,
    url: str,
    description: str,
    license_name: str,
    **kinds: tuple[str, ...],
) -> None:
    """Create a plugin called NAME, with working components to start from.

    NAME is the name of an installable package, such as skyred-dust. It has tests, documentation,
    a licence, and workflows for GitHub. If NAME ends in .py, a single file is created that needs
    no installation: skyred run FILE --plugin dust.py

    All these options can be combined and repeated, except that --archive and --observer are
    possible only once.

    \b
    skyred new-plugin skyred-dust --maker dust-veto --author "Ada Smith"
    skyred new-plugin dust.py --maker dust-veto --estimator dust-table
    """
    from skyred.cli.new_plugin.package import Metadata
    from skyred.cli.new_plugin.source import Draft
    from skyred.cli.new_plugin.writing import write_file, write_package
    from skyred.errors import ConfigError

    drafts = [Draft(role, kind) for role in ROLES for kind in kinds[role.replace("-", "_")]]
    values = {"author": author, "email": email, "url": url, "description": description}
    problems = [
        *_name_problems(name),
        *_draft_problems(drafts, is_file=name.endswith(".py")),
        *_metadata_problems(values),
    ]
    if name.endswith(".py"):
        is_set = ctx.get_parameter_source("license_name") is not click.core.ParameterSource.DEFAULT
        problems += _package_only_problems({**values, "license": license_name if is_set else ""})
    if problems:
        raise ConfigError(problems)
    if name.endswith(".py"):
        path = write_file(output / name, drafts)
        command = f"skyred run {path.with_suffix('.yaml')} --plugin {path}"
        click.echo(f"created the plugin {path}; try: {command}{_engine_option(drafts)}")
    else:
        folder = write_package(output, name, drafts, Metadata(**values, license=license_name))
        click.echo(
            f"created the plugin {folder}; its README.md describes how to install, run and test it"
        )


def _engine_option(drafts: list[Any]) -> str:
    return next((f" --engine {draft.kind}" for draft in drafts if draft.role == "engine"), "")


def _name_problems(name: str) -> Iterator[Any]:
    import re

    from skyred.errors import Problem

    if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*(\.py)?", name):
        expected = "expected lower-case letters, digits, - and _, such as skyred-dust or dust.py"
        yield Problem(("NAME",), f"{name!r} is not a valid plugin name", expected)
    elif not _is_free(name.removesuffix(".py") if name.endswith(".py") else name.replace("-", "_")):
        yield Problem(
            ("NAME",),
            f"{name!r} is a Python keyword or an installed module",
            "choose another name",
        )


def _is_free(module: str) -> bool:
    """Return whether a name is neither a keyword nor an installed module.

    Files and folders of the current folder, which ``python -m skyred`` can import, are ignored.
    """
    import keyword
    from importlib.util import find_spec

    spec = find_spec(module)
    is_local = spec is not None and (
        spec.origin is None or Path.cwd() in list(Path(spec.origin).parents)[:2]
    )
    return not keyword.iskeyword(module) and (spec is None or is_local)


def _draft_problems(drafts: list[Any], *, is_file: bool) -> Iterator[Any]:
    """Yield problems: invalid names, conflicts with other plugins, and impossible combinations."""
    from skyred.errors import Problem
    from skyred.plugins import Plugins

    if not drafts:
        yield Problem((), "no component is requested", "add one: --maker my-kind")
    plugins = Plugins.load()
    for index, draft in enumerate(drafts):
        path, previous_drafts = (f"--{draft.role}",), drafts[:index]
        if conflict := _find_conflict(draft, previous_drafts, plugins):
            problem, advice = conflict
            yield Problem(path, f"{draft.kind!r} {problem}", advice)
        if draft.role in SINGLE and draft.role in [previous.role for previous in previous_drafts]:
            yield Problem(path, "is set twice", f"a plugin has at most one {draft.role}")
    if is_file and "command" in [draft.role for draft in drafts]:
        yield Problem(
            ("--command",), "is not possible for a file", "create a package: NAME without .py"
        )


def _find_conflict(draft: Any, previous_drafts: list[Any], plugins: Any) -> tuple[str, str] | None:
    """Return why the name of a draft is not possible, and what to do; None if it is."""
    import re

    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", draft.kind):
        return "is not a valid kind", "expected kebab-case: my-kind"
    if draft.kind in [previous.kind for previous in previous_drafts]:
        return "is repeated", "use each kind once"
    if twin := _find_twin(draft, previous_drafts):
        return f"has the class name of {twin!r}", "rename one of them"
    if owner := _find_owner(draft, plugins):
        return f"is provided by {owner}", f"choose another {_metavar(draft.role).lower()}"
    return None


def _find_twin(draft: Any, previous_drafts: list[Any]) -> str:
    """Return the kind of a previous draft with the same name of its class; "" if there is none."""
    hooks = (*SINGLE, "command")  # without a class
    names = {
        previous.name: previous.kind for previous in previous_drafts if previous.role not in hooks
    }
    return "" if draft.role in hooks else names.get(draft.name, "")


def _find_owner(draft: Any, plugins: Any) -> str:
    """Return the plugin or package that already provides the draft; "" if there is none."""
    if draft.role == "command":
        return _owner_of_command(draft.kind)
    if draft.role == "archive":
        return _owner_of_scheme(draft.kind, plugins)
    if draft.role == "spectral-model":
        return _owner_of_type(draft.tags, plugins.catalog)
    return str(plugins.catalog.owner_of(draft.role, draft.kind) or "")


def _owner_of_type(tags: tuple[str, ...], catalog: Any) -> str:
    """Return the package with a spectral model of one of these tags; "" if there is none."""
    from gammapy.modeling.models import SPECTRAL_MODEL_REGISTRY

    for tag in tags:
        if entries := catalog.models.find(tag):
            return str(entries[0].owner)
    native_tags = {tag for cls in SPECTRAL_MODEL_REGISTRY for tag in cls.tag}
    return "gammapy" if native_tags.intersection(tags) else ""


def _owner_of_scheme(scheme: str, plugins: Any) -> str:
    """Return the plugin that opens archives with this scheme; "" if there is none."""
    for name, implementation in plugins.hook_implementations("skyred_archive"):
        # plugins that accept or refuse locations of all schemes have none of their own
        if _is_for(implementation.function, scheme) and not _is_for(
            implementation.function, "no-such-scheme"
        ):
            return f"the plugin {name}"
    return ""


def _is_for(open_archive: Callable[..., Any], scheme: str) -> bool:
    """Return whether a hook opens a location with this scheme, or says why it cannot be opened."""
    try:
        return open_archive(location=f"{scheme}:no-such-archive") is not None
    except (Exception, SystemExit):  # a plugin may raise anything
        return True


def _owner_of_command(name: str) -> str:
    """Return the owner of a command of skyred; "" if there is none."""
    from skyred.cli.plugin_commands import plugin_commands

    ctx = click.get_current_context()
    program = ctx.find_root().command
    names = program.list_commands(ctx) if isinstance(program, click.Group) else []
    return str(plugin_commands(ctx).owner(name) or "skyred") if name in names else ""


def _metadata_problems(values: Mapping[str, str]) -> Iterator[Any]:
    import re

    from skyred.errors import Problem

    for name, value in values.items():
        if not value.isprintable():
            problem = f"{value!r} contains control characters"
            yield Problem((f"--{name}",), problem, "expected one line of text")
    if values["email"] and not re.fullmatch(r"[^@\s<>,]+@[^@\s<>,]+\.[^@\s<>,]+", values["email"]):
        problem = f"{values['email']!r} is not an e-mail address"
        yield Problem(("--email",), problem, "expected name@example.org")
    if values["url"] and not re.fullmatch(r"https?://[^\s\"<>]+", values["url"]):
        problem = f"{values['url']!r} is not an address"
        yield Problem(("--url",), problem, "expected https://github.com/owner/repository")


def _package_only_problems(values: Mapping[str, str]) -> list[Any]:
    from skyred.errors import Problem

    return [
        Problem((f"--{name}",), "has no effect for a file", "create a package: NAME without .py")
        for name, value in values.items()
        if value
    ]
