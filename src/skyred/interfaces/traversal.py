"""The objects nested in an object with fields, and the locations in its fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from skyred.fields import FrozenMapping, Location, Secret, TextWithVariables, specs
from skyred.interfaces.value_class import Fields

S = TypeVar("S", bound=str)


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
    yield from _fields_of_type(instance, Location)


def texts_with_variables(
    instance: Fields,
) -> Iterator[tuple[tuple[str | int, ...], TextWithVariables]]:
    """Yield the strings in the fields of an object that may contain environment variables.

    Parameters
    ----------
    instance : Fields
        The object; objects nested in it are not searched.

    Yields
    ------
    path : tuple of (str or int)
        The path of the string in the object.
    string : TextWithVariables
        The string; locations are left out.
    """
    for path, string in _fields_of_type(instance, TextWithVariables):
        if not isinstance(string, Location):
            yield path, string


def secrets(instance: Fields) -> Iterator[tuple[str, Secret]]:
    """Yield the secrets in the fields of an object.

    Parameters
    ----------
    instance : Fields
        The object; objects nested in it are not searched.

    Yields
    ------
    name : str
        The name of the field.
    secret : Secret
        The reference to the secret.
    """
    for name, content in vars(instance).items():
        if isinstance(content, Secret):
            yield name, content


def _fields_of_type(instance: Fields, cls: type[S]) -> Iterator[tuple[tuple[str | int, ...], S]]:
    for name, content in vars(instance).items():
        content = getattr(content, "sources", content)  # Regions contain files too
        if isinstance(content, cls):
            yield (name,), content
        elif isinstance(content, tuple):
            yield from (
                ((name, index) if len(content) > 1 else (name,), item)
                for index, item in enumerate(content)
                if isinstance(item, cls)
            )


def _items(field_value: Any) -> Iterable[tuple[tuple[str | int, ...], Any]]:
    if isinstance(field_value, tuple):
        return [((index,), item) for index, item in enumerate(field_value)]
    if isinstance(field_value, FrozenMapping):
        return [((name,), item) for name, item in field_value.items()]
    return [((), field_value)]
