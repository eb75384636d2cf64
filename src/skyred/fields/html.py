"""Declared fields as a notebook shows them: each with its value, default, unit and help."""

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
    page,
    paragraph,
    table,
)

LONGEST = 100  # characters of a value in the line that sums up a component


def show(held: Nested) -> str:
    """Give the HTML of a component or value: what it is, its options, and all that it holds."""
    return page(paragraph(_title(held), " ", _summary(type(held))), body(held))


def body(held: Nested) -> Html:
    """Give the options as a table, and below it what is nested."""
    known = specs(type(held)).items()
    rows = [_row(held, name, spec) for name, spec in known if spec.shape == "leaf"]
    nested = [_nested(held, name, spec) for name, spec in known if spec.shape != "leaf"]
    options = table(("Option", "Value", "Default", "What it is for"), rows) if rows else ""
    return join(options, *nested) if known else paragraph(muted("It has no options."))


def brief(held: Nested) -> str:
    """Give what differs from the defaults, in one line."""
    return ", ".join(f"{name}: {text}" for name, text in _changed(held))


def value_text(spec: FieldSpec, value: Any) -> str:
    """Write a value as it would be given, with its unit."""
    if value is None:
        return "not set"
    if isinstance(value, u.Quantity):
        numbers = ", ".join(f"{number:.12g}" for number in np.ravel(value.value))
        return f"{numbers} {value.unit}".rstrip()
    try:
        return _plain_text(spec.plain(value)) or "none"
    except ConfigError:  # a Python object as it is
        return repr(value)


def _plain_text(plain: Any) -> str:
    if isinstance(plain, Mapping):
        return f"({', '.join(f'{name}: {_plain_text(held)}' for name, held in plain.items())})"
    if isinstance(plain, list):
        return ", ".join(_plain_text(held) for held in plain)
    return str(plain).lower() if isinstance(plain, bool) else str(plain)


def _row(held: Nested, name: str, spec: FieldSpec) -> tuple[object, ...]:
    text = value_text(spec, getattr(held, name))
    default = default_of(type(held), name)
    usual = "must be given" if default is REQUIRED else value_text(spec, default)
    value = text if text == usual else bold(text)
    return hint(name, spec.type_name), value, muted(usual), spec.doc


def _changed(held: Nested) -> Iterator[tuple[str, str]]:
    for name, spec in specs(type(held)).items():
        value, default = getattr(held, name), default_of(type(held), name)
        if value is None:
            continue
        if spec.shape != "leaf":
            yield from _nested_text(name, spec, value)
        elif default is REQUIRED or value_text(spec, value) != value_text(spec, default):
            text = value_text(spec, value)
            yield name, text if len(text) <= LONGEST else f"{text[:LONGEST]}\N{HORIZONTAL ELLIPSIS}"


def _nested_text(name: str, spec: FieldSpec, value: Any) -> Iterator[tuple[str, str]]:
    if spec.shape == "one" and (text := brief(value)):
        yield name, f"({text})"


def _nested(held: Nested, name: str, spec: FieldSpec) -> Html:
    """Give a part folded up behind a line that sums it up; lists and mappings of parts unfolded."""
    value, label = getattr(held, name), hint(bold(name), spec.doc)
    if not value:
        return paragraph(label, " ", muted("not set" if value is None else "none"))
    if spec.shape == "one":
        return _folded(label, value)
    if spec.shape == "many":
        return details(label, *(_folded("", item) for item in value), unfolded=True)
    entries = [details(bold(key), body(item), unfolded=True) for key, item in value.items()]
    return details(label, *entries, unfolded=True)


def _folded(label: object, held: Nested) -> Html:
    name = getattr(held, "kind", "") or type(held).__name__
    line = join(label, " " if label else "", name, " ", muted(brief(held)))
    return details(line, paragraph(_summary(type(held))), body(held))


def _title(held: Nested) -> Html:
    kind, role = getattr(held, "kind", ""), getattr(held, "role", "")
    return join(muted(role), " ", bold(kind)) if kind else bold(type(held).__name__)


def _summary(cls: type) -> str:
    return inspect.cleandoc(cls.__doc__ or "").split("\n")[0]
