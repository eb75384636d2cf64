"""The HTML representation of objects with fields: value, default and description of each field."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from astropy import units as u

from skyred.errors import ConfigError
from skyred.fields.nested import Nested
from skyred.fields.spec import REQUIRED, FieldSpec, default_of, specs
from skyred.io.html import (
    Html,
    bold,
    details,
    hint,
    join,
    muted,
    paragraph,
    styled_div,
    table,
)

MAX_LENGTH = 100  # characters of a value in the summary line of a component


def component_html(instance: Nested) -> str:
    """Return the HTML representation of an object with fields.

    Parameters
    ----------
    instance : Nested
        The object, such as a component or a position.

    Returns
    -------
    str
        The title, the summary, the options and the nested objects.
    """
    return styled_div(
        paragraph(_title(instance), " ", _summary(type(instance))), html_body(instance)
    )


def html_body(instance: Nested) -> Html:
    """Return the options as a table, followed by the nested objects.

    Parameters
    ----------
    instance : Nested
        The object, such as a component or a position.

    Returns
    -------
    Html
        The table and the nested objects.
    """
    field_specs = specs(type(instance)).items()
    rows = [_row(instance, name, spec) for name, spec in field_specs if spec.shape == "leaf"]
    nested = [_nested(instance, name, spec) for name, spec in field_specs if spec.shape != "leaf"]
    options = table(("Option", "Value", "Default", "Description"), rows) if rows else ""
    return join(options, *nested) if field_specs else paragraph(muted("It has no options."))


def format_changes(instance: Nested) -> str:
    """Return the required options, and those that differ from their defaults, on one line.

    Nested lists and mappings are left out.

    Parameters
    ----------
    instance : Nested
        The object, such as a component or a position.

    Returns
    -------
    str
        The options with their values, separated by commas.
    """
    return ", ".join(f"{name}: {value}" for name, value in _changed_options(instance))


def format_value(spec: FieldSpec, value: Any) -> str:
    """Format the value of a field.

    Parameters
    ----------
    spec : FieldSpec
        The specification of the field.
    value : object
        The value.

    Returns
    -------
    str
        The value as text, with its unit.
    """
    if value is None:
        return "not set"
    if isinstance(value, u.Quantity):
        numbers = ", ".join(f"{number:.12g}" for number in np.ravel(value.value))
        return f"{numbers} {value.unit}".rstrip()
    try:
        return _format_plain(spec.plain(value)) or "none"
    except ConfigError:  # a field for any Python object
        return repr(value)


def _format_plain(data: Any) -> str:
    if isinstance(data, Mapping):
        return f"({', '.join(f'{name}: {_format_plain(item)}' for name, item in data.items())})"
    if isinstance(data, list):
        return ", ".join(_format_plain(item) for item in data)
    return str(data).lower() if isinstance(data, bool) else str(data)


def _row(instance: Nested, name: str, spec: FieldSpec) -> tuple[object, ...]:
    formatted = format_value(spec, getattr(instance, name))
    default = default_of(type(instance), name)
    formatted_default = "required" if default is REQUIRED else format_value(spec, default)
    value = formatted if formatted == formatted_default else bold(formatted)
    return hint(name, spec.type_name), value, muted(formatted_default), spec.doc


def _changed_options(instance: Nested) -> Iterator[tuple[str, str]]:
    for name, spec in specs(type(instance)).items():
        value, default = getattr(instance, name), default_of(type(instance), name)
        if value is None:
            continue
        if spec.shape != "leaf":
            yield from _nested_changes(name, spec, value)
        elif default is REQUIRED or format_value(spec, value) != format_value(spec, default):
            formatted = format_value(spec, value)
            if len(formatted) > MAX_LENGTH:
                formatted = f"{formatted[:MAX_LENGTH]}\N{HORIZONTAL ELLIPSIS}"
            yield name, formatted


def _nested_changes(name: str, spec: FieldSpec, value: Any) -> Iterator[tuple[str, str]]:
    if spec.shape == "one" and (summary := format_changes(value)):
        yield name, f"({summary})"


def _nested(instance: Nested, name: str, spec: FieldSpec) -> Html:
    """Return a nested object, collapsed below a summary line, or an expanded list or mapping."""
    value, label = getattr(instance, name), hint(bold(name), spec.doc)
    if not value:
        return paragraph(label, " ", muted("not set" if value is None else "none"))
    if spec.shape == "one":
        return _collapsible(label, value)
    if spec.shape == "many":
        return details(label, *(_collapsible("", item) for item in value), expanded=True)
    entries = [details(bold(key), html_body(item), expanded=True) for key, item in value.items()]
    return details(label, *entries, expanded=True)


def _collapsible(label: object, instance: Nested) -> Html:
    name = getattr(instance, "kind", "") or type(instance).__name__
    line = join(label, " " if label else "", name, " ", muted(format_changes(instance)))
    return details(line, paragraph(_summary(type(instance))), html_body(instance))


def _title(instance: Nested) -> Html:
    kind, role = getattr(instance, "kind", ""), getattr(instance, "role", "")
    return join(muted(role), " ", bold(kind)) if kind else bold(type(instance).__name__)


def _summary(cls: type) -> str:
    return inspect.cleandoc(cls.__doc__ or "").split("\n")[0]
