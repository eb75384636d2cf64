"""Modelling: the parts of `model:` to one set of models on the datasets."""

from __future__ import annotations

from collections.abc import Iterable
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
        If two models have one name.
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
    shared: dict[str, Any] = {}
    for model in models:
        for part in getattr(model, "_models", [model]):
            for parameter in list(part.parameters):
                label = parameter._link_label_io
                if label is not None and shared.setdefault(label, parameter) is not parameter:
                    setattr(part, parameter.name, shared[label])
