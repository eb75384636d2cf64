"""Sections of the reference in reStructuredText: components and their options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import skyred
from skyred.fields import REQUIRED, FieldSpec, default_of, describe_class, specs
from skyred.plugins import CatalogEntry, Plugins


def component(
    entry: CatalogEntry, plugins: Plugins, example: str = "", file: str = "", line: str = "-"
) -> Iterator[str]:
    """Yield the section of a component: its docstring, an example, its options.

    Parameters
    ----------
    entry : CatalogEntry
        The component.
    plugins : Plugins
        The plugins that it was loaded with.
    example : str
        An example in YAML; "" for none.
    file : str
        The file that contains the example.
    line : str
        The character that underlines the heading.

    Yields
    ------
    str
        The lines.
    """
    modules = {plugin.owner: plugin.module for plugin in plugins.loaded}
    is_public = getattr(skyred, entry.cls.__name__, None) is entry.cls
    module = "skyred" if is_public else modules[entry.owner]
    role = "" if entry.owner.distribution == "skyred" else f" ({entry.cls.role})"
    yield from heading(entry.cls.kind, line)
    yield from (*describe_class(entry.cls).split("\n"), "")
    if entry.cls.requires:
        yield from (f"Required packages: {', '.join(entry.cls.requires)}", "")
    yield from (f"In Python: ``{module}.{entry.cls.__name__}``{role}", "")
    if example:
        yield from (f"Example, from ``{file}``:", "", ".. code-block:: yaml", "")
        yield from (*(f"    {line}" for line in example.rstrip().split("\n")), "")
    yield from options(entry.cls)


def options(cls: type) -> Iterator[str]:
    """Yield the options of a class as a definition list.

    Parameters
    ----------
    cls : type
        The component or value class.

    Yields
    ------
    str
        The lines.
    """
    declared = specs(cls)
    if not declared:
        yield from ("It has no options.", "")
    for name, spec in declared.items():
        yield from _option(cls, name, spec)
        if inner := _value_class(spec):
            yield from (f"    Its keys ({inner.__name__}):", "")
            for key, inner_spec in specs(inner).items():
                yield from (
                    "    " + line if line else "" for line in _option(inner, key, inner_spec)
                )


def heading(title: str, line: str) -> tuple[str, str, str]:
    """Return a heading with its underline.

    Parameters
    ----------
    title : str
        The heading.
    line : str
        The character of the underline.

    Returns
    -------
    tuple of str
        The lines.
    """
    return title, line * len(title), ""


def _option(cls: type, name: str, spec: FieldSpec) -> Iterator[str]:
    """Yield the definition of an option: type, unit, default and description."""
    facts = [spec.type_name, _default_text(default_of(cls, name), spec)]
    if spec.unit:
        facts.insert(1, f"unit compatible with {spec.unit}")
    yield f"``{name}`` : {', '.join(facts)}"
    yield f"    {spec.doc}"
    yield ""


def _default_text(default: Any, spec: FieldSpec) -> str:
    if default is REQUIRED:
        return "required"
    if default is None:
        return "optional"
    plain = spec.plain(default)
    if plain in ([], {}, ""):
        return "empty by default"
    return f"default ``{_yaml_text(plain)}``"


def _yaml_text(plain: Any) -> str:
    if isinstance(plain, bool):
        return str(plain).lower()
    if isinstance(plain, list):
        return f"[{', '.join(map(_yaml_text, plain))}]"
    if isinstance(plain, dict):
        return f"{{{', '.join(f'{name}: {_yaml_text(value)}' for name, value in plain.items())}}}"
    return str(plain)


def _value_class(spec: FieldSpec) -> type | None:
    """Return the class of a nested value that is not a component, to list its keys inline."""
    is_component = bool(getattr(spec.of, "role", ""))
    return spec.of if spec.shape == "one" and not is_component else None
