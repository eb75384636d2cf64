"""The specification of fields, used by constructors, YAML, help, error messages and docs."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import attrs

from skyred.errors import FieldError

SPEC = "skyred"
REQUIRED: Any = attrs.NOTHING


@attrs.frozen
class FieldSpec:
    """The specification of a field.

    Parameters
    ----------
    type_name : str
        The type of its values, in words ("an angle", "a list of makers").
    doc : str
        The description, one sentence.
    parse : callable
        Function that converts a value from YAML or Python to the stored value; raises `FieldError`.
    key : callable
        Function that returns the canonical key of a stored value, for comparisons and digests.
    plain : callable
        Function that converts a stored value to plain YAML data.
    unit : str
        The unit of the default, or a unit of the expected type.
    shape : {"leaf", "one", "many", "map"}
        Whether the value is a plain value, one nested object, a list or a mapping of them.
    of : type or None
        The class of nested objects: the interface of a role, or a value class.
    optional : bool
        Whether None ("not set") is allowed.
    add_name : callable or None
        Function that returns a stored value with the name of its field.
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
    add_name: Callable[[Any, str], Any] | None = None


def declare(spec: FieldSpec, default: Any) -> Any:
    """Create the attrs field of a specification.

    Parameters
    ----------
    spec : FieldSpec
        The specification.
    default : object
        The default, or `REQUIRED`; None makes the field optional.

    Returns
    -------
    attrs field
        The field.

    Raises
    ------
    TypeError
        If the field has no description.
    """
    if not spec.doc.strip():
        raise TypeError("a field needs a doc: one sentence that describes it")
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
    spec = spec_of(field)
    try:
        parsed_value = parse_field(spec, value)
    except FieldError as error:
        raise add_field_name(error, type(owner), field.name) from None
    add_name = spec.add_name if parsed_value is not None else None
    return add_name(parsed_value, field.name) if add_name else parsed_value


def add_field_name(error: FieldError, owner: type, field: str) -> FieldError:
    """Return an error with the names of class and field before its message.

    Parameters
    ----------
    error : FieldError
        The error.
    owner : type
        The class of the field.
    field : str
        The name of the field.

    Returns
    -------
    FieldError
        The new error.
    """
    problem = error.problem.with_prefix(owner.__name__, field)
    message = str(attrs.evolve(problem, expected="", suggestion=""))
    return FieldError(message, problem.expected, problem.suggestion)


def parse_field(spec: FieldSpec, value: Any) -> Any:
    """Convert and validate a value of a field.

    Parameters
    ----------
    spec : FieldSpec
        The specification of the field.
    value : object
        The value in YAML or Python.

    Returns
    -------
    object
        The stored value.

    Raises
    ------
    FieldError
        If the value is invalid; the message does not contain the name of the field.
    """
    if value is None:
        if spec.optional:
            return None
        raise FieldError("is not set", f"expected {spec.type_name}")
    return spec.parse(value)


def spec_of(field: attrs.Attribute[Any]) -> FieldSpec:
    """Return the specification of an attrs field.

    Parameters
    ----------
    field : attrs.Attribute
        The field.

    Returns
    -------
    FieldSpec
        The specification.
    """
    spec: FieldSpec = field.metadata[SPEC]
    return spec


def specs(cls: type) -> dict[str, FieldSpec]:
    """Return the specifications of the fields of a component or value class.

    Returns
    -------
    dict of str to FieldSpec
        The specifications by name, in order of declaration.
    """
    return {field.name: spec_of(field) for field in attrs.fields(cls)}


def default_of(cls: type, name: str) -> Any:
    """Return the default of a field.

    Parameters
    ----------
    cls : type
        The component or value class.
    name : str
        The name of the field.

    Returns
    -------
    object
        The default; `REQUIRED` if there is none.
    """
    return getattr(attrs.fields(cls), name).default
