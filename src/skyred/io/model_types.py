"""The types of models in plain data, and gammapy's registries of their classes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

SUBMODELS = ("spectral", "spatial", "temporal")
Path = tuple[str | int, ...]


def iter_model_types(data: Any, submodel: str = "") -> Iterator[tuple[Path, str, str]]:
    """Yield the types of the spectral, spatial and temporal models in plain data.

    Parameters
    ----------
    data : mapping, list or plain value
        The data, such as the content of ``models.yaml`` or the options of a component.
    submodel : str
        The kind of model that the data describe; "" if unknown.

    Yields
    ------
    path : tuple of (str or int)
        The path of the type in the data.
    submodel : str
        The kind of model.
    type : str
        The type.
    """
    if isinstance(data, Mapping):
        if submodel and isinstance(data.get("type"), str):
            yield ("type",), submodel, data["type"]
        items: Iterable[tuple[Any, Any]] = data.items()
    elif isinstance(data, (list, tuple)):
        items = enumerate(data)
    else:
        return
    for key, item in items:
        inner = str(key) if key in SUBMODELS else submodel if key in ("model1", "model2") else ""
        for path, kind, name in iter_model_types(item, inner):
            yield (key, *path), kind, name


def iter_submodels(model: Any) -> Iterator[Any]:
    """Yield the spectral, spatial and temporal models of a model, with the parts of compound ones.

    Parameters
    ----------
    model : gammapy.modeling.models.ModelBase
        The model.

    Yields
    ------
    gammapy.modeling.models.ModelBase
        The models that are not compound.
    """
    for name in SUBMODELS:
        yield from _iter_parts(getattr(model, f"{name}_model", None))


def _iter_parts(submodel: Any) -> Iterator[Any]:
    if is_compound(submodel):
        yield from _iter_parts(submodel.model1)
        yield from _iter_parts(submodel.model2)
    elif submodel is not None:
        yield submodel


def is_compound(submodel: Any) -> bool:
    """Return whether a model is a compound model, with two parts and an operator.

    Parameters
    ----------
    submodel : object
        The model.

    Returns
    -------
    bool
        Whether it is one.
    """
    from gammapy.modeling.models import CompoundSpectralModel

    return isinstance(submodel, CompoundSpectralModel)


def find_tags(tag: object) -> tuple[str, ...]:
    """Return the tags in the attribute `tag` of a model class.

    Parameters
    ----------
    tag : str or iterable of str
        The attribute.

    Returns
    -------
    tuple of str
        The tags.
    """
    if isinstance(tag, str):
        return (tag,)
    return tuple(tag) if isinstance(tag, (list, tuple)) else ()


def registry_of(submodel: str) -> Any:
    """Return gammapy's registry of a kind of models.

    Parameters
    ----------
    submodel : {"spectral", "spatial", "temporal"}
        The kind of model.

    Returns
    -------
    gammapy.utils.registry.Registry
        The registry, a list of classes.
    """
    from gammapy.modeling import models

    return getattr(models, f"{submodel.upper()}_MODEL_REGISTRY")


def find_registered(submodel: str, tag: str) -> list[Any]:
    """Return the classes with a tag in gammapy's registry.

    Parameters
    ----------
    submodel : str
        The kind of model.
    tag : str
        The tag.

    Returns
    -------
    list of type
        The classes; at most one, unless tags are not unique.
    """
    return [cls for cls in registry_of(submodel) if tag in find_tags(getattr(cls, "tag", ()))]


def is_registered(submodel: str, tag: str) -> bool:
    """Return whether gammapy's registry has a class with a tag.

    Parameters
    ----------
    submodel : {"spectral", "spatial", "temporal"}
        The kind of model.
    tag : str
        The tag.

    Returns
    -------
    bool
        Whether it has one.
    """
    return bool(find_registered(submodel, tag))
