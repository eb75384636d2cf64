"""Fields for value classes and components, or lists and mappings of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from inspect import isabstract
from typing import Any, Protocol, runtime_checkable

from skyred.errors import FieldError, format_value
from skyred.fields.canonical import FrozenMapping
from skyred.fields.names import check_name
from skyred.fields.spec import REQUIRED, FieldSpec, declare


@runtime_checkable
class Nested(Protocol):
    """Protocol of objects that can be nested, with a canonical key and a plain form."""

    def key(self) -> Hashable:
        """Return the canonical key.

        Returns
        -------
        object
            The key: equal objects have equal keys, in any process.
        """
        ...

    def to_plain(self, complete: bool = False) -> dict[str, Any]:
        """Return plain YAML data.

        Parameters
        ----------
        complete : bool
            Whether to include fields that have their default value.

        Returns
        -------
        dict of str to object
            The values by name.
        """
        ...


def nested_object(of: type, default: Any = REQUIRED, *, doc: str) -> Any:
    """Declare a nested object.

    Parameters
    ----------
    of : type
        The class of the object: an interface or a value class.
    default : object
        The default; by default the option is required. None makes it optional.
    doc : str
        The description, one sentence.

    Returns
    -------
    attrs field
        The field, to be assigned in the body of the class.
    """
    return declare(
        _spec(of, doc, "one", with_article(of), _object_parser(of), lambda value: value.key()),
        default,
    )


def nested_list(of: type, default: Any = (), *, doc: str) -> Any:
    """Declare a list of nested objects, stored as a tuple.

    Parameters
    ----------
    of : type
        The class of the objects: an interface or a value class.
    default : sequence
        The default, empty by default.
    doc : str
        The description, one sentence.

    Returns
    -------
    attrs field
        The field, to be assigned in the body of the class.
    """

    def key(values: tuple[Nested, ...]) -> Hashable:
        return tuple(value.key() for value in values)

    name = f"a list of {_plural(of)}"
    return declare(_spec(of, doc, "many", name, _list_parser(of), key), default)


def nested_mapping(of: type, default: Any = REQUIRED, *, doc: str) -> Any:
    """Declare a mapping from names to nested objects, stored as a `FrozenMapping`.

    Parameters
    ----------
    of : type
        The class of the objects: an interface or a value class.
    default : mapping
        The default; by default the option is required. None makes it optional.
    doc : str
        The description, one sentence.

    Returns
    -------
    attrs field
        The field, to be assigned in the body of the class.
    """

    def key(values: Mapping[str, Nested]) -> Hashable:
        return tuple((name, value.key()) for name, value in values.items())

    name = f"a mapping from names to {_plural(of)}"
    return declare(_spec(of, doc, "map", name, _mapping_parser(of), key), default)


def _spec(
    of: type,
    doc: str,
    shape: str,
    name: str,
    parse: Callable[[Any], Any],
    key: Callable[[Any], Hashable],
) -> FieldSpec:
    return FieldSpec(
        type_name=name, doc=doc, parse=parse, key=key, plain=write_nested, shape=shape, of=of
    )


def write_nested(value: Any, complete: bool = False) -> Any:
    """Convert nested objects to plain YAML data.

    Parameters
    ----------
    value : Nested or tuple or FrozenMapping
        An object, or a tuple or mapping of objects.
    complete : bool
        Whether to include fields that have their default value.

    Returns
    -------
    dict or list
        The plain data.
    """
    if isinstance(value, tuple):
        return [write_nested(item, complete) for item in value]
    if isinstance(value, FrozenMapping):
        return {name: write_nested(item, complete) for name, item in value.items()}
    return value.to_plain(complete)


def _words(of: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", of.__name__).lower()


def _plural(of: type) -> str:
    words = _words(of)
    return words[:-1] + "ies" if words.endswith("y") else words + "s"


def with_article(of: type) -> str:
    """Return the name of a class in words, with its article.

    Parameters
    ----------
    of : type
        The class.

    Returns
    -------
    str
        The words, such as "an energy axis".
    """
    name = _words(of)
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _object_parser(of: type) -> Callable[[Any], Any]:
    adapt = getattr(of, "adapt", None)

    def parse(value: Any) -> Any:
        if isinstance(value, of):
            return value
        adapted = adapt(value) if adapt else None
        if adapted is not None:
            return adapted
        if isinstance(value, type):
            raise FieldError(
                f"is the class {value.__name__}", f"expected an instance: {value.__name__}(...)"
            )
        how = f": {of.__name__}(...)" if isinstance(value, Mapping) and not isabstract(of) else ""
        message = f"invalid value {format_value(value)}"
        raise FieldError(message, f"expected {with_article(of)}{how}")

    return parse


def _list_parser(of: type) -> Callable[[Any], tuple[Any, ...]]:
    parse_object = _object_parser(of)

    def parse(value: Any) -> tuple[Any, ...]:
        items = value if isinstance(value, (list, tuple)) else [value]
        return tuple(parse_object(item) for item in items)

    return parse


def _mapping_parser(of: type) -> Callable[[Any], FrozenMapping]:
    parse_object = _object_parser(of)

    def parse(value: Any) -> FrozenMapping:
        if not isinstance(value, Mapping) or not value:
            raise FieldError(
                f"invalid value {format_value(value)}", "expected a mapping with at least one name"
            )
        return FrozenMapping({check_name(name): parse_object(item) for name, item in value.items()})

    return parse
