"""Checks before a fit that the models can be written to the run folder, and read again."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from astropy import units as u

from skyred.errors import ModelError
from skyred.inspection.file_checks import OPERATORS
from skyred.io.model_types import SUBMODELS, is_registered
from skyred.plugins import Catalog

log = logging.getLogger(__name__)
ENERGIES = [0.3, 1, 10] * u.TeV
PLAIN_TYPES = (str, bool, int, float)


def check_round_trip(models: Iterable[Any], catalog: Catalog, *, is_written: bool) -> None:
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

    Raises
    ------
    ModelError
        If the run has a folder and a model cannot be written, or would be read as another model. A
        model that can be written but not read is only logged.
    """
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
            if message := _find_read_fault(submodel, data, is_declared):
                log.warning("%s can be written but not read from models.yaml: %s", name, message)


def _iter_submodels(model: Any) -> Iterator[Any]:
    """Yield the submodels that may not survive a file: compound ones, and classes of others."""
    submodels = [getattr(model, f"{name}_model", None) for name in SUBMODELS]
    for submodel in submodels:
        if submodel is not None:
            yield from _iter_parts(submodel)


def _iter_parts(submodel: Any) -> Iterator[Any]:
    operator = getattr(submodel, "operator", None)
    if operator is None:
        if _is_of_gammapy(submodel) and not _is_naima(submodel):
            return
        yield submodel
        return
    if getattr(operator, "__name__", "") not in OPERATORS:
        yield submodel
    for part in (submodel.model1, submodel.model2):
        yield from _iter_parts(part)


def _is_of_gammapy(submodel: Any) -> bool:
    return type(submodel).__module__.split(".")[0] == "gammapy"


def _is_naima(submodel: Any) -> bool:
    return type(submodel).__name__ == "NaimaSpectralModel"


def _find_read_fault(submodel: Any, data: dict[str, Any], is_declared: bool) -> str:
    """Return the reason why a model cannot be read from its file; "" if it can.

    Raises
    ------
    ModelError
        If it would be read, but as another model.
    """
    if hasattr(submodel, "operator"):
        expected = ", ".join(sorted(OPERATORS))
        return f"its operator is {submodel.operator!r}; expected one of {expected}"
    cls = type(submodel)
    try:
        copy = cls.from_dict(data)
    except Exception as error:  # the class may raise anything
        return f"{type(error).__name__}: {error}"
    if difference := _find_difference(submodel, copy):
        raise ModelError(
            f"the {submodel.type} model {cls.__name__} would be read from models.yaml with another "
            f"{difference}; its methods to_dict and from_dict must contain it"
        )
    if not is_declared and not _is_of_gammapy(submodel):
        hint = "declare it with the hook skyred_models of a plugin"
        registered = is_registered(submodel.type, data[submodel.type]["type"])
        return hint if not registered else f"other programs do not find its class; {hint}"
    return ""


def _find_difference(submodel: Any, copy: Any) -> str:
    """Return the first parameter, argument or flux that differs between a model and its copy."""
    for parameter in submodel.parameters:
        parameter_of_copy = getattr(copy, parameter.name, None)
        if parameter_of_copy is None or not u.isclose(
            parameter_of_copy.quantity, parameter.quantity, rtol=1e-9
        ):
            return f"value of {parameter.name}"
    for name in inspect.signature(type(submodel).__init__).parameters:
        value = vars(submodel).get(name)
        if isinstance(value, PLAIN_TYPES) and vars(copy).get(name) != value:
            return f"value of {name}"
    if submodel.type == "spectral":
        flux, flux_of_copy = submodel(ENERGIES), copy(ENERGIES)
        if not np.allclose(flux_of_copy.to_value(flux.unit), flux.value, rtol=1e-6, atol=0,
                           equal_nan=True):  # fmt: skip
            return "flux"
    return ""
