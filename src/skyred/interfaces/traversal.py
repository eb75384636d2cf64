"""The objects nested in an object with fields, and the locations in its fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from skyred.fields import FrozenMapping, Location, specs
from skyred.interfaces.value_class import Fields


def walk(
    root: Fields, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Fields]]:
    """Yield an object and all objects nested in it.

    Parameters
    ----------
    root : Fields
        The object.
    path : tuple of (str or int)
        The path of the object.

    Yields
    ------
    path : tuple of (str or int)
        The path of the nested object.
    fields : Fields
        The nested object.
    """
    yield path, root
    for name, spec in specs(type(root)).items():
        field_value = getattr(root, name, None)
        if spec.shape == "leaf" or field_value is None:
            continue
        for item_path, item in _items(field_value):
            if isinstance(item, Fields):
                yield from walk(item, (*path, name, *item_path))


def locations(instance: Fields) -> Iterator[tuple[tuple[str | int, ...], Location]]:
    """Yield the locations in the fields of an object.

    Parameters
    ----------
    instance : Fields
        The object; objects nested in it are not searched.

    Yields
    ------
    path : tuple of (str or int)
        The path of the location in the object.
    location : Location
        The location.
    """
    for name, content in vars(instance).items():
        content = getattr(content, "sources", content)  # Regions contain files too
        if isinstance(content, Location):
            yield (name,), content
        elif isinstance(content, tuple):
            yield from (
                ((name, index) if len(content) > 1 else (name,), item)
                for index, item in enumerate(content)
                if isinstance(item, Location)
            )


def _items(field_value: Any) -> Iterable[tuple[tuple[str | int, ...], Any]]:
    if isinstance(field_value, tuple):
        return [((index,), item) for index, item in enumerate(field_value)]
    if isinstance(field_value, FrozenMapping):
        return [((name,), item) for name, item in field_value.items()]
    return [((), field_value)]
