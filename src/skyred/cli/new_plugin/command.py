"""The options and messages of the `new-plugin` command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

ROLES = ("selector", "maker", "stacker", "model", "fitter", "estimator", "engine")


def _add_role_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for role in reversed(ROLES):
        article = "an" if role[0] in "aeiou" else "a"
        command = click.option(
            f"--{role}",
            multiple=True,
            metavar="KIND",
            help=f"Create {article} {role} of this kind.",
        )(command)
    return command


@click.command("new-plugin")
@click.argument("name")
@_add_role_options
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Folder to create the plugin in; by default the current one.",
)
def new_plugin(name: str, output: Path, **kinds: tuple[str, ...]) -> None:
    """Create a plugin called NAME, with working components to start from.

    NAME is the name of an installable package, such as skyred-dust. If NAME ends in .py, a single
    file is created that needs no installation: skyred run FILE --plugin dust.py

    \b
    skyred new-plugin skyred-dust --maker dust-veto
    skyred new-plugin dust.py --maker dust-veto --estimator dust-table
    """
    from skyred.cli.new_plugin.writing import Draft, write_file, write_package
    from skyred.errors import ConfigError

    drafts = [Draft(role, kind) for role in ROLES for kind in kinds[role]]
    if problems := list(_find_problems(name, drafts)):
        raise ConfigError(problems)
    if name.endswith(".py"):
        path = write_file(output / name, drafts)
        command = f"skyred run {path.with_suffix('.yaml')} --plugin {path}"
        click.echo(f"created the plugin {path}; try: {command}{_engine_option(drafts)}")
    else:
        folder = write_package(output, name, drafts)
        click.echo(
            f"created the plugin {folder}; its README.md describes how to install, run and test it"
        )


def _engine_option(drafts: list[Any]) -> str:
    return next((f" --engine {draft.kind}" for draft in drafts if draft.role == "engine"), "")


def _find_problems(name: str, drafts: list[Any]) -> Iterator[Any]:
    """Yield problems: invalid names and kinds, and conflicts with other plugins."""
    import re

    from skyred.errors import Problem
    from skyred.plugins import Plugins

    if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*(\.py)?", name):
        expected = "expected lower-case letters, digits, - and _, such as skyred-dust or dust.py"
        yield Problem(("NAME",), f"{name!r} is not a valid plugin name", expected)
    elif not name.endswith(".py") and not _is_free(name.replace("-", "_")):
        yield Problem(
            ("NAME",),
            f"{name!r} is a Python keyword or an installed module",
            "choose another name",
        )
    if not drafts:
        yield Problem((), "no component is requested", "add one: --maker my-kind")
    catalog = Plugins.load().catalog
    for index, draft in enumerate(drafts):
        path = (f"--{draft.role}",)
        if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", draft.kind):
            yield Problem(
                path, f"{draft.kind!r} is not a valid kind", "expected kebab-case: my-kind"
            )
        elif draft.kind in [previous_draft.kind for previous_draft in drafts[:index]]:
            yield Problem(path, f"{draft.kind!r} is repeated", "use each kind once")
        elif draft.kind in catalog.kinds(draft.role):
            owner = catalog.owner_of(draft.role, draft.kind)
            yield Problem(path, f"{draft.kind!r} is provided by {owner}", "choose another kind")


def _is_free(module: str) -> bool:
    """Return whether a name is neither a keyword nor an installed module."""
    import keyword
    from importlib.util import find_spec

    return not keyword.iskeyword(module) and find_spec(module) is None
