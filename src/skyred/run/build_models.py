"""Building models: the parts of `model:` to one set of models on the datasets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from skyred.errors import ModelError
from skyred.interfaces import Model

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models


def build_models(parts: Iterable[Model], datasets: Datasets) -> Models:
    """Put the models of all parts together, and link parameters that share a link label.

    Raises
    ------
    ModelError
        If two models have one name, or parameters are linked that cannot be one.
    """
    from gammapy.modeling.models import Models

    found: dict[str, str] = {}
    models = []
    for part in parts:
        for model in part.build(datasets):
            if model.name in found:
                raise ModelError(
                    f"two models are called {model.name!r}: one of {found[model.name]!r}, "
                    f"one of {part.kind!r}; rename one"
                )
            found[model.name] = part.kind
            models.append(model)
    _link(models)
    return Models(models)


def _link(models: Iterable[Any]) -> None:
    # gammapy links within one file; here the parts come from several
    shared: dict[str, tuple[str, Any]] = {}
    for model in models:
        for part in _innermost(model):
            for parameter in list(part.parameters):
                label = parameter._link_label_io
                if label is None:
                    continue
                first, linked = shared.setdefault(label, (model.name, parameter))
                if linked is not parameter:
                    _refuse_unlike(label, (first, linked), (model.name, parameter))
                    setattr(part, parameter.name, linked)


def _innermost(model: Any) -> Iterator[Any]:
    """Yield what holds parameters itself: of a compound model, its parts."""
    parts = getattr(model, "_models", None)
    if parts is None:
        yield model
        return
    for part in parts:
        yield from _innermost(part)


def _refuse_unlike(label: str, *both: tuple[str, Any]) -> None:
    (first, one), (second, other) = both
    if one.name != other.name or not one.unit.is_equivalent(other.unit):
        raise ModelError(
            f"the link {label!r} is on {one.name} of {first} [{one.unit}] and on {other.name} of "
            f"{second} [{other.unit}]: only parameters of one name and unit can be one"
        )
