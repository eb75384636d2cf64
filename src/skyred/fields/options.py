"""Options for strings, numbers, booleans, locations, lists of them, and mappings of any content."""

from __future__ import annotations

import glob
import math
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from skyred.errors import FieldError, format_value, nearest
from skyred.fields.canonical import exact_key, freeze, plain_key, thaw
from skyred.fields.names import check_name
from skyred.fields.spec import REQUIRED, FieldSpec, declare
from skyred.fields.variables import TextWithVariables

_SCHEME = re.compile(r"\w[\w+-]+:")  # longer than the drive of a path on Windows


class Location(TextWithVariables):
    """A path or other location, with unexpanded environment variables."""

    __slots__ = ()

    def is_path(self) -> bool:
        """Return whether the location is a path, without a scheme such as ``sim:crab``.

        Returns
        -------
        bool
            True for a path.
        """
        return not _SCHEME.match(self)

    def path(self) -> Path:
        """Return the location as a path, with expanded variables and ``~``.

        Returns
        -------
        Path
            The path.

        Raises
        ------
        FieldError
            If a variable is not set.
        """
        return Path(self.expanded())

    def matches(self) -> list[Path]:
        """Return the existing paths that match the location, with wildcards as in a shell.

        Returns
        -------
        list of Path
            The paths, sorted; empty if there are none.

        Raises
        ------
        FieldError
            If a variable is not set.
        """
        path = self.path()
        if path.exists():
            return [path]
        return [Path(match) for match in sorted(glob.glob(str(path)))]  # noqa: PTH207 - absolute

    def expanded(self) -> str:
        """Expand environment variables and ``~``.

        Returns
        -------
        str
            The expanded location.

        Raises
        ------
        FieldError
            If a variable is not set.
        """
        return os.path.expanduser(super().expanded())  # noqa: PTH111 - may not be a path


def option(
    default: Any = REQUIRED,
    *,
    doc: str,
    type: type | None = None,
    choices: Sequence[str] = (),
    many: bool = False,
    min: float | None = None,
    max: float | None = None,
    expand: bool = False,
) -> Any:
    """Declare a plain option.

    Parameters
    ----------
    default : object
        The default; by default the option is required. None makes it optional.
    doc : str
        The description, one sentence.
    type : type, optional
        The type: bool, int, float, str, object (strings and numbers, stored as strings), dict,
        `Name` or `Location`; by default the type of the default.
    choices : sequence of str
        The allowed strings; by default any.
    many : bool
        Whether it is a list of such values, stored as a tuple.
    min, max : float, optional
        Bounds of a number, both included.
    expand : bool
        Whether a string may contain environment variables (``$NAME`` or ``${NAME}``). It is stored
        as it is written; its method ``expanded()`` returns the text with their values. A variable
        that is not set is reported by the check of a pipeline. A `Location` always works like this.

    Returns
    -------
    attrs field
        The field, to be assigned in the body of the class.

    Raises
    ------
    TypeError
        If the type is not supported, or `expand` is set for an option that is not any string.
    """
    value_type = type or _infer_type(default, many)
    if expand and (value_type not in (str, Location) or choices):
        raise TypeError("expand=True is only for options of type str without choices")
    if expand and value_type is str:
        value_type = TextWithVariables
    parse_type = _PARSERS.get(value_type)
    if parse_type is None:
        raise TypeError(
            f"unsupported type of an option: {value_type.__name__}; expected one of {_SUPPORTED}"
        )
    parse: Callable[[Any], Any] = _value_parser(parse_type, tuple(choices), min, max)
    name = _type_name(value_type, tuple(choices), min, max)
    if many:
        parse, name = _list_parser(parse), f"a list of values, each {name}"
    # strings in a mapping may be quantities; elsewhere '1e2' and '100' are different strings
    key = plain_key if value_type is dict else exact_key
    return declare(FieldSpec(type_name=name, doc=doc, parse=parse, key=key, plain=thaw), default)


def _infer_type(default: Any, many: bool) -> type:
    sample = next(iter(default), "") if many and default not in (REQUIRED, None) else default
    return str if sample is REQUIRED or sample is None else sample.__class__


def _list_parser(parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def parse_all(value: Any) -> tuple[Any, ...]:
        if isinstance(value, (str, int, float, os.PathLike)):
            value = (value,)  # a list with one item may be written without brackets
        try:
            return tuple(parse(item) for item in value)
        except TypeError:
            raise FieldError(f"invalid value {format_value(value)}", "expected a list") from None

    return parse_all


def _value_parser(
    parse_type: Callable[[Any], Any],
    choices: tuple[str, ...],
    low: float | None,
    high: float | None,
) -> Callable[[Any], Any]:
    def parse(value: Any) -> Any:
        result = parse_type(value)
        if choices and result not in choices:
            suggestion = nearest(str(result), choices)
            raise FieldError(
                f"invalid value {format_value(result)}",
                f"expected one of {', '.join(choices)}",
                suggestion,
            )
        if (low is not None and result < low) or (high is not None and result > high):
            raise FieldError(
                f"invalid value {format_value(result)}", f"expected {_bounds(low, high)}"
            )
        return result

    return parse


def _bounds(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"a number from {low} to {high}"
    return f"a number of at least {low}" if high is None else f"a number of at most {high}"


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise FieldError(f"invalid value {format_value(value)}", "expected true or false")


def _int(value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise FieldError(f"invalid value {format_value(value)}", "expected an integer")
    return int(value)


def _float(value: Any) -> float:
    if isinstance(value, (bool, str)) or not hasattr(value, "__float__"):
        raise FieldError(f"invalid value {format_value(value)}", "expected a number")
    if math.isnan(number := float(value)):
        raise FieldError("invalid value nan", "expected a number")
    return number


def _scalar(value: Any) -> str:
    if isinstance(value, str) or (hasattr(value, "__float__") and not isinstance(value, bool)):
        return str(value)
    raise FieldError(f"invalid value {format_value(value)}", "expected a string or a number")


def _str(value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    raise FieldError(f"invalid value {format_value(value)}", "expected a string")


def _text_with_variables(value: Any) -> TextWithVariables:
    return TextWithVariables(_str(value))


def _location(value: Any) -> Location:
    if isinstance(value, (str, os.PathLike)) and str(value):
        return Location(value)
    raise FieldError(
        f"invalid value {format_value(value)}", "expected a path or a location such as sim:crab"
    )


def _dict(value: Any) -> Any:
    if hasattr(value, "items"):
        return freeze(value)
    raise FieldError(f"invalid value {format_value(value)}", "expected a mapping")


class Name(str):
    """The type of names that are used in file names."""

    __slots__ = ()


_PARSERS: dict[type, Callable[[Any], Any]] = {
    Name: check_name,
    object: _scalar,
    bool: _bool,
    int: _int,
    float: _float,
    str: _str,
    dict: _dict,
    Location: _location,
}
_SUPPORTED = ", ".join(value_type.__name__ for value_type in _PARSERS)
_PARSERS[TextWithVariables] = _text_with_variables  # declared with `expand`
_TYPE_NAMES: dict[type, str] = {
    Name: "a name",
    object: "a string or number",
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a string",
    dict: "a mapping",
    Location: "a location",
    TextWithVariables: "a string, which may contain environment variables",
}


def _type_name(
    value_type: type, choices: tuple[str, ...], low: float | None, high: float | None
) -> str:
    if choices:
        return "one of " + ", ".join(choices)
    if low is not None or high is not None:
        return _bounds(low, high).replace("a number", _TYPE_NAMES[value_type])
    return _TYPE_NAMES[value_type]
