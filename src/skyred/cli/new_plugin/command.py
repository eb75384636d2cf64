"""The command new-plugin: what it is asked for, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

ROLES = ("selector", "maker", "stacker", "model", "fitter", "estimator", "engine")


def _one_option_a_role(command: Callable[..., Any]) -> Callable[..., Any]:
    for role in reversed(ROLES):
        article = "an" if role[0] in "aeiou" else "a"
        command = click.option(
            f"--{role}", multiple=True, metavar="KIND", help=f"Begin {article} {role} of this kind."
        )(command)
    return command


@click.command("new-plugin")
@click.argument("name")
@_one_option_a_role
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Folder to put it into; by default this one.",
)
def new_plugin(name: str, output: Path, **kinds: tuple[str, ...]) -> None:
    """Begin a plugin called NAME, with components that work and are yours to change.

    NAME becomes a folder with a package that can be installed: skyred-dust. If it ends in .py it
    becomes one file, used without installation: skyred run FILE --plugin dust.py

    \b
    skyred new-plugin skyred-dust --maker dust-veto
    skyred new-plugin dust.py --maker dust-veto --estimator dust-table
    """
    from skyred.cli.new_plugin.writing import Draft, write_file, write_package
    from skyred.errors import ConfigError

    drafts = [Draft(role, kind) for role in ROLES for kind in kinds[role]]
    if problems := list(_problems(name, drafts)):
        raise ConfigError(problems)
    if name.endswith(".py"):
        path = write_file(output / name, drafts)
        command = f"skyred run {path.with_suffix('.yaml')} --plugin {path}"
        click.echo(f"{path} is a plugin; try: {command}{_engine(drafts)}")
    else:
        folder = write_package(output, name, drafts)
        click.echo(f"{folder} is a plugin; its README.md says how to install, run and test it")


def _engine(drafts: list[Any]) -> str:
    return next((f" --engine {each.kind}" for each in drafts if each.role == "engine"), "")


def _problems(name: str, drafts: list[Any]) -> Iterator[Any]:
    """Name what is wrong with the name, and with kinds: their form, and those that are taken."""
    import re

    from skyred.errors import Problem
    from skyred.plugins import Plugins

    if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*(\.py)?", name):
        expected = "expected small letters, digits and hyphens, such as skyred-dust or dust.py"
        yield Problem(("NAME",), f"{name!r} is no name of a plugin", expected)
    elif not name.endswith(".py") and not _is_free(name.replace("-", "_")):
        yield Problem(("NAME",), f"{name!r} is a name that Python has", "choose another name")
    if not drafts:
        yield Problem((), "there is nothing to begin", "name a component: --maker my-kind")
    catalog = Plugins.load().catalog
    for place, draft in enumerate(drafts):
        where = (f"--{draft.role}",)
        if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", draft.kind):
            yield Problem(where, f"{draft.kind!r} is no kind", "expected kebab-case: my-kind")
        elif draft.kind in [other.kind for other in drafts[:place]]:
            yield Problem(where, f"{draft.kind!r} is named twice", "expected each kind once")
        elif draft.kind in catalog.kinds(draft.role):
            owner = catalog.owner_of(draft.role, draft.kind)
            yield Problem(where, f"{draft.kind!r} is offered by {owner}", "choose another kind")


def _is_free(module: str) -> bool:
    """Tell whether a package can be called so: no keyword, and nothing that is installed."""
    import keyword
    from importlib.util import find_spec

    return not keyword.iskeyword(module) and find_spec(module) is None
