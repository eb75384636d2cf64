"""Fields that hold other objects: value classes and components, lists and mappings of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Protocol, runtime_checkable

from skyred.errors import FieldError
from skyred.fields.canonical import FrozenMapping
from skyred.fields.names import checked_name
from skyred.fields.spec import REQUIRED, FieldSpec, declare


@runtime_checkable
class Nested(Protocol):
    """What can be held: knows its canonical key and its plain form."""

    def key(self) -> Hashable:
        """Give the canonical key."""
        ...

    def to_plain(self, complete: bool = False) -> dict[str, Any]:
        """Give plain YAML data."""
        ...


def part(of: type, default: Any = REQUIRED, *, doc: str) -> Any:
    """Declare one nested object of the class `of`; None as default makes it optional."""
    return declare(
        _spec(of, doc, "one", with_article(of), _one(of), lambda value: value.key()), default
    )


def chain(of: type, default: Any = (), *, doc: str) -> Any:
    """Declare a list of nested objects of the class `of`, held as a tuple."""

    def key(values: tuple[Nested, ...]) -> Hashable:
        return tuple(value.key() for value in values)

    name = f"a list, each {with_article(of)}"
    return declare(_spec(of, doc, "many", name, _many(of), key), default)


def table(of: type, default: Any = REQUIRED, *, doc: str) -> Any:
    """Declare nested objects of the class `of` by name, held as a `FrozenMapping`."""

    def key(values: Mapping[str, Nested]) -> Hashable:
        return tuple((name, value.key()) for name, value in values.items())

    name = f"a mapping of names, each to {with_article(of)}"
    return declare(_spec(of, doc, "map", name, _table(of), key), default)


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
    """Write nested objects for YAML; `complete` writes fields that have their default too."""
    if isinstance(value, tuple):
        return [write_nested(item, complete) for item in value]
    if isinstance(value, FrozenMapping):
        return {name: write_nested(item, complete) for name, item in value.items()}
    return value.to_plain(complete)


def with_article(of: type) -> str:
    """Name a class in words: an energy axis."""
    name = re.sub(r"(?<!^)(?=[A-Z])", " ", of.__name__).lower()
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _one(of: type) -> Callable[[Any], Any]:
    adapt = getattr(of, "adapt", None)

    def parse(value: Any) -> Any:
        if isinstance(value, of):
            return value
        adapted = adapt(value) if adapt else None
        if adapted is not None:
            return adapted
        if isinstance(value, type):
            raise FieldError(f"is the class {value.__name__}", f"call it: {value.__name__}(...)")
        raise FieldError(f"is {value!r:.80}", f"expected {with_article(of)}")

    return parse


def _many(of: type) -> Callable[[Any], tuple[Any, ...]]:
    one = _one(of)

    def parse(value: Any) -> tuple[Any, ...]:
        items = value if isinstance(value, (list, tuple)) else [value]
        return tuple(one(item) for item in items)

    return parse


def _table(of: type) -> Callable[[Any], FrozenMapping]:
    one = _one(of)

    def parse(value: Any) -> FrozenMapping:
        if not isinstance(value, Mapping) or not value:
            raise FieldError(f"is {value!r:.80}", "expected at least one name with what it holds")
        return FrozenMapping({checked_name(name): one(item) for name, item in value.items()})

    return parse
