"""Requirements for models: each call builds new models that can be evaluated and saved."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from skyred.interfaces import Model
from skyred.io.model_types import iter_submodels
from skyred.plugins import Plugins
from skyred.testing.case import ComponentCase
from skyred.testing.compare import contents, differences
from skyred.testing.copies import duplicate
from skyred.testing.requirement import NotChecked, require, requirement
from skyred.testing.steps import step


@requirement(
    "builds gammapy models with unique names",
    "model",
    fix="Return Models([...]). If it needs other datasets, pass them: check(model, "
    "sample=Sample(datasets=...)).",
)
def builds_models_with_unique_names(case: ComponentCase) -> None:
    """Check that the component builds at least one gammapy model, and that names are unique.

    Parameters
    ----------
    case : ComponentCase
        The model to be checked.
    """
    from gammapy.modeling.models import Models

    datasets = _datasets(case)
    with step("building its models"):
        models = case.component.build(datasets)
    require(isinstance(models, Models), f"build returns {type(models).__name__}, not Models")
    is_rule = type(case.component).adjust is not Model.adjust  # it changes other models
    require(len(models) > 0 or is_rule, "it builds no model")
    names = list(models.names)
    require(len(set(names)) == len(names), f"names are not unique: {', '.join(names)}")


@requirement(
    "builds new but equal models each time",
    "model",
    fix="Create or copy the models in build(), with names that depend on the options only: a fit "
    "changes the models.",
)
def builds_new_equal_models(case: ComponentCase) -> None:
    """Check that a second call builds equal models, even if the first models were changed.

    Parameters
    ----------
    case : ComponentCase
        The model to be checked.
    """
    first = _build(case)
    original_contents = contents(duplicate(first))
    for parameter in first.parameters:
        parameter.value = parameter.value * 1.5 + 1
    changes = differences(original_contents, contents(_build(case)))
    require(not changes, f"the second time, {'; '.join(changes[:3])}")


@requirement(
    "leaves the datasets unchanged when it builds",
    "model",
    fix="Do not set datasets.models in build: the models of all components are set together.",
)
def leaves_datasets_unchanged(case: ComponentCase) -> None:
    """Check that `build` does not change the datasets or their models.

    Parameters
    ----------
    case : ComponentCase
        The model to be checked.
    """
    datasets = _datasets(case)
    original_contents = contents(_datasets(case))
    _build(case, datasets)
    changes = differences(original_contents, contents(datasets))
    require(not changes, "; ".join(changes[:3]))


@requirement(
    "has finite initial parameter values within the parameter limits",
    "model",
    old_names=("starts from finite values inside their limits",),
    fix="Give every parameter a finite value, within its limits if it has any.",
)
def has_valid_initial_values(case: ComponentCase) -> None:
    """Check the initial values of all parameters, from which a fit starts.

    Parameters
    ----------
    case : ComponentCase
        The model to be checked.
    """
    for par in _build(case).parameters:
        require(np.isfinite(par.value), f"{par.name} is {par.value}")
        # NaN means no limit
        is_outside = par.value < par.min or par.value > par.max
        limits = f"{par.min:g} to {par.max:g}"
        require(not is_outside, f"{par.name} = {par.value:g} is outside its limits {limits}")


@requirement(
    "predicts a finite number of counts",
    "model",
    fix="Set the models on the datasets, check dataset.npred(), and correct units and ranges.",
)
def predicts_counts(case: ComponentCase) -> None:
    """Check the predicted counts in all bins of the safe mask.

    Parameters
    ----------
    case : ComponentCase
        The model to be checked.
    """
    datasets = _datasets(case)
    models = _build(case)
    with step("setting its models on the datasets"):
        datasets.models = models
    for dataset in datasets:
        with step(f"predicting the counts of {dataset.name}"):
            npred = dataset.npred().data[dataset.mask_safe.data]
        n_invalid = int((~np.isfinite(npred)).sum())
        require(not n_invalid, f"npred of {dataset.name} is not finite in {n_invalid} bins")


@requirement(
    "lists the names of the sources that it builds",
    "model",
    fix="From source_names(), return only names of models that build() creates: estimators are "
    "checked against them before data are read. Leave out names that are only known after build(), "
    "and return False from knows_names().",
)
def lists_names(case: ComponentCase) -> None:
    """Check that all listed sources are built.

    Parameters
    ----------
    case : ComponentCase
        The model to be checked.
    """
    missing = set(case.component.source_names()) - set(_build(case).names)
    require(not missing, f"it lists {', '.join(sorted(missing))}, but builds no such model")


@requirement(
    "builds models that gammapy can write and read back",
    "model",
    fix="Use gammapy's model classes, or declare your own with the hook skyred_models: models are "
    "saved in models.yaml of the run folder.",
)
def builds_models_that_can_be_saved(case: ComponentCase) -> None:
    """Check that values, units, limits and frozen flags are the same after reading back.

    Parameters
    ----------
    case : ComponentCase
        The model to be checked.
    """
    from gammapy.modeling.models import Models

    models = _build(case)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "models.yaml"
        for model in models:  # template maps are written to the same folder
            for owner in (model, getattr(model, "spatial_model", None)):
                if owner is not None and getattr(owner, "filename", None) is not None:
                    owner.filename = str(Path(folder) / Path(owner.filename).name)
        with step("writing the models"):
            models.write(path, full_output=True, overwrite_templates=True)
        catalog = Plugins.load().catalog
        for model in models:  # as in a run
            for submodel in iter_submodels(model):
                catalog.models.register_class(type(submodel))
        with step("reading the models"):
            loaded_models = Models.read(path)
        changes = differences(_values(models), _values(loaded_models))
    require(not changes, f"after reading the file back, {'; '.join(changes[:3])}")


def _values(models: Any) -> dict[str, Any]:
    items = contents(models).items()
    return {name: value for name, value in items if not name.endswith("covariance")}


def _build(case: ComponentCase, datasets: Any = None) -> Any:
    """Build the models; if that fails, skip the check, as another requirement reports it."""
    try:
        return case.component.build(_datasets(case) if datasets is None else datasets)
    except Exception as error:  # the model may raise any exception
        raise NotChecked(f"it builds no models: {type(error).__name__}: {error}") from error


def _datasets(case: ComponentCase) -> Any:
    if case.sample.datasets is not None:
        return duplicate(case.sample.datasets)
    return case.crab.stacked_datasets()
