"""Checks before a fit that the models can be written to the run folder, and read again."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u

from skyred.errors import ModelError
from skyred.inspection.file_checks import OPERATORS
from skyred.io.model_differences import find_different_attribute, is_equal
from skyred.io.model_types import SUBMODELS, is_compound, is_registered
from skyred.plugins import Catalog
from skyred.run.model_values import relative_change, true_energies

log = logging.getLogger(__name__)
MAX_CHANGE = 1e-3  # of the values of a model; larger ones are not noise of numerical integrals
NOISE = 1e-6
COORDINATES = ("frame", "scale")  # arguments that change a model wherever it is evaluated


def check_round_trip(
    models: Iterable[Any], catalog: Catalog, *, is_written: bool, datasets: Iterable[Any] = ()
) -> None:
    """Check that models of classes that are not gammapy's survive their YAML file.

    Classes that a plugin declares are registered, with their owner.

    Parameters
    ----------
    models : iterable of gammapy.modeling.models.ModelBase
        The models.
    catalog : Catalog
        The components and model classes of the plugins.
    is_written : bool
        Whether the run has a folder.
    datasets : iterable of gammapy.datasets.Dataset
        The datasets, in whose range of true energies spectra are compared.

    Raises
    ------
    ModelError
        If the run has a folder and a model cannot be written, or would be read as another model. A
        model that can be written but not read, and small differences, are only logged.
    """
    energies = true_energies(datasets)
    for model in models:
        for submodel in _iter_submodels(model):
            cls = type(submodel)
            is_declared = catalog.models.register_class(cls)
            if not is_written:
                continue
            name = f"the {submodel.type} model {cls.__name__} of {model.name!r}"
            try:
                data = submodel.to_dict(full_output=True)
            except Exception as error:  # the class may raise anything
                raise ModelError(
                    f"{name} cannot be written to models.yaml: to_dict fails with "
                    f"{type(error).__name__}: {error}; correct to_dict and from_dict, or run the "
                    "analysis without a run folder"
                ) from error
            if message := _find_read_fault(submodel, data, is_declared, energies):
                log.warning("%s can be written but not read from models.yaml: %s", name, message)


def _iter_submodels(model: Any) -> Iterator[Any]:
    """Yield the submodels that may not survive a file: compound ones, and classes of others."""
    submodels = [getattr(model, f"{name}_model", None) for name in SUBMODELS]
    for submodel in submodels:
        if submodel is not None:
            yield from _iter_parts(submodel)


def _iter_parts(submodel: Any) -> Iterator[Any]:
    if not is_compound(submodel):
        if not _is_of_gammapy(submodel) or _is_naima(submodel):
            yield submodel
        return
    if getattr(submodel.operator, "__name__", "") not in OPERATORS:
        yield submodel
    for part in (submodel.model1, submodel.model2):
        yield from _iter_parts(part)


def _is_of_gammapy(submodel: Any) -> bool:
    return type(submodel).__module__.split(".")[0] == "gammapy"


def _is_naima(submodel: Any) -> bool:
    return type(submodel).__name__ == "NaimaSpectralModel"


def _find_read_fault(
    submodel: Any, data: dict[str, Any], is_declared: bool, energies: u.Quantity
) -> str:
    """Return the reason why a model cannot be read from its file; "" if it can.

    Raises
    ------
    ModelError
        If it would be read, but as another model.
    """
    if is_compound(submodel):
        expected = ", ".join(sorted(OPERATORS))
        return f"its operator is {submodel.operator!r}; expected one of {expected}"
    cls = type(submodel)
    if not _has_unwritten_map(submodel, data):
        try:
            copy = cls.from_dict(data)
        except Exception as error:  # the class may raise anything
            return f"{type(error).__name__}: {error}"
        _check_difference(submodel, copy, energies)
    if not is_declared and not _is_of_gammapy(submodel):
        hint = "declare it with the hook skyred_models of a plugin"
        registered = is_registered(submodel.type, data[submodel.type]["type"])
        return hint if not registered else f"other programs do not find its class; {hint}"
    return ""


def _has_unwritten_map(submodel: Any, data: dict[str, Any]) -> bool:
    """Return whether the map of a model is written to its file later, with the models."""
    from gammapy.modeling.models import TemplateSpatialModel

    filename = data[submodel.type].get("filename", "")  # a class may write options instead
    is_written = filename == "" or bool(filename and Path(filename).exists())
    return isinstance(submodel, TemplateSpatialModel) and not is_written


def _check_difference(submodel: Any, copy: Any, energies: u.Quantity) -> None:
    """Raise a ModelError if a model and its copy differ; log it if the values agree."""
    name = f"the {submodel.type} model {type(submodel).__name__}"
    hint = "its methods to_dict and from_dict must contain it"
    difference = _find_different_parameter(submodel, copy)
    argument = _find_different_argument(submodel, copy)
    change = 0.0
    if not difference and argument not in COORDINATES:
        change = relative_change(submodel, copy, energies)
    is_unknown = bool(argument and np.isnan(change))
    if difference or argument in COORDINATES or change > MAX_CHANGE or is_unknown:
        difference = difference or (f"value of {argument}" if argument else "flux or profile")
        raise ModelError(f"{name} would be read from models.yaml with another {difference}; {hint}")
    if argument:
        log.warning("%s would be read from models.yaml with another value of %s, which does not "
                    "change the model; %s", name, argument, hint)  # fmt: skip
    elif change > NOISE:
        log.info("%s is read from models.yaml with values that differ by %.1g", name, change)


def _find_different_parameter(submodel: Any, copy: Any) -> str:
    for parameter in submodel.parameters:
        parameter_of_copy = getattr(copy, parameter.name, None)
        if parameter_of_copy is None:
            return f"value of {parameter.name}"
        if attribute := find_different_attribute(parameter, parameter_of_copy):
            return f"{attribute} of {parameter.name}"
    return ""


def _find_different_argument(submodel: Any, copy: Any) -> str:
    """Return the first argument of the constructor that the copy has with another value."""
    values, values_of_copy = vars(submodel), vars(copy)
    signatures = [
        inspect.signature(vars(cls)["__init__"])
        for cls in type(submodel).__mro__
        if "__init__" in vars(cls)
    ]
    for name in dict.fromkeys(name for item in signatures for name in item.parameters):
        if name in values and not is_equal(values[name], values_of_copy.get(name)):
            return name
    return ""
