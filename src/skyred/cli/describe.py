"""Descriptions of components and their options."""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Any

from skyred.fields import REQUIRED, FieldSpec, default_of, describe_class, specs
from skyred.io.requirements import unmet_requirements
from skyred.plugins import CatalogEntry, ModelEntry

if TYPE_CHECKING:
    from skyred.conversion.counterparts import ClassCounterpart


def describe(entry: CatalogEntry, name: str = "") -> str:
    """Return the description of a component.

    Parameters
    ----------
    entry : CatalogEntry
        The component.
    name : str
        Its name in YAML; by default its kind.

    Returns
    -------
    str
        Role, kind, owner, docstring and options.
    """
    cls = entry.cls
    lines = [f"{cls.role} {name or cls.kind}    ({entry.owner})", "", describe_class(cls)]
    if cls.requires:
        lines += ["", f"Required packages: {', '.join(cls.requires)}"]
        lines += [
            f"  {unmet.requirement}: {unmet.state}; install it: {unmet.pip_command}"
            for unmet in unmet_requirements(cls.requires)
        ]
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


def describe_counterpart(entry: ClassCounterpart) -> str:
    """Return the description of the counterpart of a class of gammapy.

    Parameters
    ----------
    entry : ClassCounterpart
        The counterpart.

    Returns
    -------
    str
        The components, and the options for the arguments of the class.
    """
    counterpart = entry.counterpart
    kinds = ", ".join(counterpart.components)
    lines = [f"{entry.module}.{counterpart.name}", ""]
    lines.append(f"In skyred: {' '.join(part for part in (kinds, counterpart.note) if part)}")
    if entry.arguments:
        lines += ["", "Arguments, and the options that correspond to them:"]
        width = max(map(len, entry.arguments))
        lines += [
            f"  {argument.name:{width}}  {argument.option or argument.note or argument.reason}"
            for argument in entry.arguments.values()
        ]
    lines += [""] + [f"skyred show {kind}" for kind in counterpart.components]
    return "\n".join(lines).rstrip()


def describe_model(entry: ModelEntry) -> str:
    """Return the description of a model class of a plugin.

    Parameters
    ----------
    entry : ModelEntry
        The model class.

    Returns
    -------
    str
        Kind of model, tags, owner, docstring and parameters.

    Raises
    ------
    PluginError
        If the class cannot be imported or used.
    """
    cls, declaration = entry.load(), entry.declaration
    lines = [f"{declaration.submodel} model {', '.join(declaration.tag)}    ({entry.owner})", ""]
    lines += [inspect.getdoc(cls) or declaration.doc, "", "Parameters:"]
    lines += [f"  {_format_parameter(parameter)}" for parameter in cls.default_parameters]
    return "\n".join(lines).rstrip()


def _format_parameter(parameter: Any) -> str:
    """Return name, value, unit, limits and status of a parameter of gammapy."""
    limits = [
        f"{name} {getattr(parameter, name):g}"
        for name in ("min", "max")
        if not math.isnan(getattr(parameter, name))
    ]
    details = [*limits, *(["frozen"] if parameter.frozen else [])]
    description = f"{parameter.name}: {parameter.value:g} {parameter.unit}".rstrip()
    return description + (f" ({', '.join(details)})" if details else "")
