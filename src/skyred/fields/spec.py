"""What a field is: declared once, read by construction, YAML, help, errors and the reference."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import attrs

from skyred.errors import FieldError, Problem

SPEC = "skyred"
REQUIRED: Any = attrs.NOTHING


@attrs.frozen
class FieldSpec:
    """All that is known about a field.

    Parameters
    ----------
    type_name : str
        What it holds, in words ("an angle", "a list of makers").
    doc : str
        What it is for, one sentence.
    parse : callable
        From what YAML or a user gives to what is held; raises `FieldError`.
    key : callable
        From what is held to the canonical key that compares, hashes and digests.
    plain : callable
        From what is held back to what YAML writes.
    unit : str
        The unit of the default, or a unit that would do.
    shape : {"leaf", "one", "many", "map"}
        Whether it holds a plain value, or one, a list or a mapping of nested objects.
    of : type or None
        The class of nested objects (a role's interface, or a value class).
    optional : bool
        Whether None ("not set") is allowed.
    """

    type_name: str
    doc: str
    parse: Callable[[Any], Any]
    key: Callable[[Any], Hashable]
    plain: Callable[[Any], Any]
    unit: str = ""
    shape: str = "leaf"
    of: type | None = None
    optional: bool = False


def declare(spec: FieldSpec, default: Any) -> Any:
    """Make the attrs field of a spec; a default of None makes None allowed."""
    if not spec.doc.strip():
        raise TypeError("a field needs a doc: one sentence that says what it is for")
    if default is None:
        spec = attrs.evolve(spec, optional=True)

    def key(value: Any) -> Hashable:
        return None if value is None else spec.key(value)

    return attrs.field(
        default=default if default is None or default is REQUIRED else spec.parse(default),
        converter=attrs.Converter(_convert, takes_self=True, takes_field=True),
        eq=key,
        metadata={SPEC: spec},
    )


def _convert(value: Any, owner: Any, field: attrs.Attribute[Any]) -> Any:
    try:
        return parse_field(spec_of(field), value)
    except FieldError as error:
        raise named(error, type(owner), field.name) from None


def named(error: FieldError, owner: type, field: str) -> FieldError:
    """Put class and field in front of what is wrong."""
    problem = error.problem.with_prefix(owner.__name__, field)
    return FieldError(_placed(problem), problem.expected, problem.suggestion)


def _placed(problem: Problem) -> str:
    return str(attrs.evolve(problem, expected="", suggestion=""))


def parse_field(spec: FieldSpec, value: Any) -> Any:
    """Convert and validate one value; raises `FieldError` without the field's name."""
    if value is None:
        if spec.optional:
            return None
        raise FieldError("is not set", f"expected {spec.type_name}")
    return spec.parse(value)


def spec_of(field: attrs.Attribute[Any]) -> FieldSpec:
    """Give the spec of an attrs field."""
    spec: FieldSpec = field.metadata[SPEC]
    return spec


def specs(cls: type) -> dict[str, FieldSpec]:
    """Give the fields of a component or value class by name, in order of declaration."""
    return {field.name: spec_of(field) for field in attrs.fields(cls)}


def default_of(cls: type, name: str) -> Any:
    """Give a field's default; `REQUIRED` if it has none."""
    return getattr(attrs.fields(cls), name).default
