"""Descriptions of components and their options."""

from __future__ import annotations

from typing import Any

from skyred.fields import REQUIRED, FieldSpec, default_of, describe_class, specs
from skyred.plugins import CatalogEntry


def describe(entry: CatalogEntry) -> str:
    """Return the description of a component.

    Parameters
    ----------
    entry : CatalogEntry
        The component.

    Returns
    -------
    str
        Role, kind, owner, docstring and options.
    """
    cls = entry.cls
    lines = [f"{cls.role} {cls.kind}    ({entry.owner})", "", describe_class(cls)]
    options = list(_format_options(cls))
    lines += ["", "Options:" if options else "It has no options.", *options]
    return "\n".join(lines).rstrip()


def _format_options(cls: type, indent: str = "  ") -> Any:
    for name, spec in specs(cls).items():
        yield f"{indent}{name}: {spec.type_name}{_format_default(cls, name, spec)}"
        yield f"{indent}    {spec.doc}"
        nested_class = spec.of if spec.shape in ("one", "many") else None
        if nested_class is not None and not getattr(nested_class, "role", ""):
            yield from _format_options(nested_class, indent + "    ")


def _format_default(cls: type, name: str, spec: FieldSpec) -> str:
    default = default_of(cls, name)
    if default is REQUIRED:
        return " (required)"
    if default is None:
        return " (optional)"
    plain_default = spec.plain(default)
    return f" {plain_default}" if isinstance(plain_default, list) else f" [{plain_default}]"
