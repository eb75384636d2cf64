"""Build the models of the section `model:` for the datasets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from skyred.errors import ComponentError, ModelError, format_list
from skyred.interfaces import Model
from skyred.interfaces.model import ModelContext
from skyred.plugins import Catalog
from skyred.plugins.component_errors import describe_component, errors_of, is_default
from skyred.plugins.model_values import find_value_fault, foreign_classes
from skyred.run.dataset_state import DatasetState

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import ModelBase, Models

log = logging.getLogger(__name__)


def build_models(
    components: Iterable[Model],
    datasets: Datasets,
    catalog: Catalog | None = None,
    report: Callable[[str], None] = log.info,
) -> Models:
    """Build the models of all components, and link parameters that share a link label.

    Parameters
    ----------
    components : iterable of Model
        The components of the `model:` section.
    datasets : Datasets
        The reduced datasets.
    catalog : Catalog, optional
        The components of the plugins, to name them in errors.
    report : callable
        Function of a string, called for models that are left out or adjusted; by default the
        strings are logged.

    Returns
    -------
    Models
        The models of all components, in order.

    Raises
    ------
    ComponentError
        If a component changes the datasets, or builds something else than models of gammapy, or if
        a model of a plugin cannot be evaluated for the datasets.
    ModelError
        If two models have the same name, or linked parameters have different names or
        incompatible units.
    """
    from gammapy.modeling.models import Models

    kind_by_name: dict[str, str] = {}
    models = []
    components = list(components)
    for component, selected_models in _select(components, datasets, catalog, report):
        for model in selected_models:
            if model.name in kind_by_name:
                raise ModelError(
                    f"two models are named {model.name!r}: one from {kind_by_name[model.name]!r}, "
                    f"one from {component.kind!r}; rename one of them"
                )
            kind_by_name[model.name] = component.kind
            models.append(model)
    _link_parameters(models)
    if catalog is not None:
        for cls in {cls for model in models for cls in foreign_classes(model)}:
            catalog.models.register_class(cls)  # with its owner, for messages
    if fault := find_value_fault(models, datasets):
        raise ComponentError(fault)
    all_models = Models(models)
    _adjust(components, all_models, datasets, catalog, report)
    return all_models


def _select(
    components: Sequence[Model],
    datasets: Datasets,
    catalog: Catalog | None,
    report: Callable[[str], None],
) -> Iterator[tuple[Model, Sequence[ModelBase]]]:
    """Build the models of all components, and yield those that each component selects."""
    built = [(component, _build(component, datasets, catalog)) for component in components]
    context = ModelContext(datasets, report)
    for component, models in built:
        other_models = [
            model for owner, items in built if owner.kind != component.kind for model in items
        ]
        with errors_of(component, catalog):
            yield component, component.select(models, other_models, context)


def _adjust(
    components: Sequence[Model],
    models: Models,
    datasets: Datasets,
    catalog: Catalog | None,
    report: Callable[[str], None],
) -> None:
    """Let the components adjust the models, in order."""
    adjusting_components = [
        component for component in components if type(component).adjust is not Model.adjust
    ]
    if not adjusting_components:
        return
    test_statistics: dict[str, float] = {}
    for component in components:
        with errors_of(component, catalog):
            test_statistics |= component.test_statistics()
    context = ModelContext(datasets, report, test_statistics)
    for component in adjusting_components:
        with errors_of(component, catalog):
            component.adjust(models, context)


def _build(component: Model, datasets: Datasets, catalog: Catalog | None) -> list[ModelBase]:
    from gammapy.modeling.models import ModelBase

    # components of skyred do not change datasets; checksums of large maps take time
    state = None if is_default(component, catalog) else DatasetState.read(datasets, copy=True)
    with errors_of(component, catalog):
        built: Any = component.build(datasets)
        models = list(built) if isinstance(built, Iterable) else [None]
    for model in models:
        if not (isinstance(model, ModelBase) and hasattr(model, "name")):
            classes = type(built).__name__ + (f" of {type(model).__name__}" if model else "")
            raise ComponentError(
                f"the {describe_component(component, catalog)} built {classes}; expected Models, "
                "or a list of models of gammapy with names, such as SkyModel"
            )
    if state and (changes := state.find_changes(datasets)):
        state.restore(datasets)
        raise ComponentError(
            f"the {describe_component(component, catalog)} changed {format_list(changes, 5)}; a "
            "model must not change the datasets that it is built for"
        )
    return models


def _link_parameters(models: Iterable[Any]) -> None:
    # gammapy only links parameters within one file, but these models may come from several files
    first_by_label: dict[str, tuple[str, Any]] = {}
    for model in models:
        for submodel in _iter_submodels(model):
            for parameter in list(submodel.parameters):
                label = parameter._link_label_io
                if label is None:
                    continue
                first = first_by_label.setdefault(label, (model.name, parameter))
                _, first_parameter = first
                if first_parameter is not parameter:
                    _check_linkable(label, first, (model.name, parameter))
                    setattr(submodel, parameter.name, first_parameter)


def _iter_submodels(model: Any) -> Iterator[Any]:
    """Yield the submodels of a compound model, or the model itself if it is not compound."""
    submodels = getattr(model, "_models", None)
    if submodels is None:
        yield model
        return
    for submodel in submodels:
        yield from _iter_submodels(submodel)


def _check_linkable(label: str, *linked: tuple[str, Any]) -> None:
    (first_model, first_parameter), (second_model, second_parameter) = linked
    if first_parameter.name != second_parameter.name or not first_parameter.unit.is_equivalent(
        second_parameter.unit
    ):
        raise ModelError(
            f"the link {label!r} joins {first_parameter.name} of {first_model} "
            f"[{first_parameter.unit}] and {second_parameter.name} of {second_model} "
            f"[{second_parameter.unit}]: linked parameters must have the same name and "
            "equivalent units"
        )
