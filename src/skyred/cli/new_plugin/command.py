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
            metavar=METAVARS.get(role, "KIND"),
            help=HELP.get(role) or f"Create {_article(role)} {role} of this kind.",
        )
        for role in ROLES
    ]
    for option in reversed(options):
        command = option(command)
    return command


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
    import re

    from skyred.errors import Problem
    from skyred.plugins import Plugins

    if not drafts:
        yield Problem((), "no component is requested", "add one: --maker my-kind")
    plugins = Plugins.load()
    catalog = plugins.catalog
    for index, draft in enumerate(drafts):
        path = (f"--{draft.role}",)
        previous_drafts = drafts[:index]
        if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", draft.kind):
            yield Problem(
                path, f"{draft.kind!r} is not a valid kind", "expected kebab-case: my-kind"
            )
        elif draft.kind in [previous_draft.kind for previous_draft in previous_drafts]:
            yield Problem(path, f"{draft.kind!r} is repeated", "use each kind once")
        elif owner := catalog.owner_of(draft.role, draft.kind):
            yield Problem(path, f"{draft.kind!r} is provided by {owner}", "choose another kind")
        elif draft.role == "spectral-model" and (package := _owner_of_type(draft.kind, catalog)):
            yield Problem(path, f"{draft.kind!r} is provided by {package}", "choose another type")
        elif draft.role == "archive" and (plugin := _owner_of_scheme(draft.kind, plugins)):
            problem = f"{draft.kind!r} is provided by the plugin {plugin}"
            yield Problem(path, problem, "choose another scheme")
        if draft.role in SINGLE and draft.role in [previous.role for previous in previous_drafts]:
            yield Problem(path, "is set twice", f"a plugin has at most one {draft.role}")
    commands = [draft for draft in drafts if draft.role == "command"]
    if is_file and commands:
        yield Problem(
            ("--command",), "is not possible for a file", "create a package: NAME without .py"
        )
    yield from _taken_commands(commands)


def _owner_of_type(model_type: str, catalog: Any) -> str:
    """Return the package with a spectral model of this type; "" if there is none."""
    from gammapy.modeling.models import SPECTRAL_MODEL_REGISTRY

    if entries := catalog.models.find(model_type):
        return str(entries[0].owner)
    tags = {tag for cls in SPECTRAL_MODEL_REGISTRY for tag in cls.tag}
    return "gammapy" if model_type in tags else ""


def _owner_of_scheme(scheme: str, plugins: Any) -> str:
    """Return the plugin that opens archives with this scheme; "" if there is none."""
    for name, implementation in plugins.hook_implementations("skyred_archive"):
        # plugins that accept or refuse locations of all schemes have none of their own
        if _is_for(implementation.function, scheme) and not _is_for(
            implementation.function, "no-such-scheme"
        ):
            return str(name)
    return ""


def _is_for(open_archive: Callable[..., Any], scheme: str) -> bool:
    """Return whether a hook opens a location with this scheme, or says why it cannot be opened."""
    try:
        return open_archive(location=f"{scheme}:no-such-archive") is not None
    except (Exception, SystemExit):  # a plugin may raise anything
        return True


def _taken_commands(drafts: list[Any]) -> Iterator[Any]:
    from skyred.cli.plugin_commands import plugin_commands
    from skyred.errors import Problem

    ctx = click.get_current_context()
    program = ctx.find_root().command
    names = program.list_commands(ctx) if isinstance(program, click.Group) else []
    for draft in drafts:
        if draft.kind in names:
            owner = plugin_commands(ctx).owner(draft.kind) or "skyred"
            problem = f"{draft.kind!r} is provided by {owner}"
            yield Problem(("--command",), problem, "choose another name")


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
