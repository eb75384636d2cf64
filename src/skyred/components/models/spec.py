"""Spectral, spatial and temporal models: conversion of the configuration to dictionaries.

Parameters can be written in two formats: as ``index: 2.7`` and ``amplitude: 4e-11 cm-2 s-1 TeV-1``
(or a mapping with value, unit, min, max, frozen, prior, link), and as gammapy's own list.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from skyred.components.models.ignored_settings import ignored_settings
from skyred.components.models.map_files import check_map_files
from skyred.components.models.piecewise import convert_energies, node_parameters
from skyred.errors import FieldError, FitError, ModelError, Problem, nearest
from skyred.fields import thaw
from skyred.fields.parameter_entries import (
    SubmodelError,
    convert_entry,
    validate_entry,
)
from skyred.io.model_types import find_tags, registry_of

# keys of gammapy's own dictionaries in addition to parameters
EXTRA_KEYS = {"type", "parameters", "frame", "filename", "unit", "energy", "values", "interp",
              "normalize", "param", "map", "model"}  # fmt: skip

FRAME_ADVICE = "expected icrs, fk5, galactic or supergalactic"


def to_gammapy(submodel: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a spectral, spatial or temporal model to gammapy's dictionary.

    Parameters
    ----------
    submodel : {"spectral", "spatial", "temporal"}
        The submodel of the source.
    spec : mapping
        ``type`` and parameters, in either format.

    Returns
    -------
    dict
        The dictionary, with all parameters of the model.

    Raises
    ------
    SubmodelError
        If the type, a parameter or a value is not valid.
    """
    data = thaw(spec)
    cls = model_class(submodel, data)
    defaults = {parameter.name: parameter for parameter in cls.default_parameters}
    if cls.__name__ == "PiecewiseNormSpectralModel":
        data = convert_energies(data)
        defaults = node_parameters(data)
    model_dict = {"type": data.pop("type")}
    entries = {entry.get("name"): entry for entry in data.pop("parameters", [])}
    for name, value in data.items():
        if name in defaults and name not in entries:
            entries[name] = validate_entry(value, name, defaults[name])
        elif isinstance(value, dict) and "type" in value:  # a component of a compound model
            model_dict[name] = to_gammapy(submodel, value)
        else:
            model_dict[name] = _check_argument(cls, name, value, defaults)
    # a piecewise norm takes its parameters in this order, whatever their names
    in_order = {name: entries.get(name, default.to_dict()) for name, default in defaults.items()}
    entries = in_order | entries
    model_dict["parameters"] = [
        convert_entry(name, entry, defaults.get(name)) for name, entry in entries.items()
    ]
    if not model_dict["parameters"]:
        del model_dict["parameters"]
    return model_dict


def model_class(submodel: str, data: Mapping[str, Any]) -> Any:
    """Return the gammapy class of a submodel.

    Parameters
    ----------
    submodel : {"spectral", "spatial", "temporal"}
        The submodel of the source.
    data : mapping
        The mapping of the submodel. Its ``type`` is gammapy's tag or the name of a class.

    Returns
    -------
    type
        The class.

    Raises
    ------
    SubmodelError
        If the type is unknown.
    """
    registry = registry_of(submodel)
    tags = sorted(tag for cls in registry for tag in find_tags(cls.tag))
    model_type = data.get("type")
    if model_type not in tags:
        suggestion = nearest(str(model_type), tags)
        short_tags = [tag for tag in tags if tag == tag.lower()]
        raise SubmodelError(
            Problem(
                ("type",) if "type" in data else (),
                f"unknown {submodel} model {model_type!r}" if model_type else "missing key 'type'",
                f"available: {', '.join(short_tags)}",
                suggestion,
            )
        )
    return registry.get_cls(model_type)


def _check_argument(cls: Any, name: str, value: Any, defaults: Mapping[str, Any]) -> Any:
    """Check that a key that is not a parameter is an argument of the model class.

    Parameters
    ----------
    cls : type
        The model class.
    name : str
        The name of the argument.
    value : object
        The value of the argument.
    defaults : mapping
        The parameters of the class, by name.

    Returns
    -------
    object
        The value, unchanged.

    Raises
    ------
    SubmodelError
        If the class does not have the argument.
    """
    argument_names = EXTRA_KEYS | set(inspect.signature(cls.__init__).parameters)
    if name not in argument_names:
        suggestion = nearest(name, [*defaults, *argument_names])
        raise SubmodelError(
            Problem(
                (name,),
                f"unknown parameter of {cls.__name__}",
                f"available: {', '.join(defaults)}",
                suggestion,
            )
        )
    return value


def build_submodel(submodel: str, spec: Mapping[str, Any]) -> Any:
    """Build a spectral, spatial or temporal model.

    Parameters
    ----------
    submodel : {"spectral", "spatial", "temporal"}
        The submodel of the source.
    spec : mapping
        ``type`` and parameters, in either format.

    Returns
    -------
    gammapy.modeling.models.ModelBase
        The model.

    Raises
    ------
    SubmodelError
        If the type, a parameter or a value is not valid.
    ModelError
        If a map of the model cannot be used.
    """
    data = to_gammapy(submodel, spec)
    check_map_files(data)

    def build(cls: Any, data: dict[str, Any]) -> Any:
        if not _inherits_from_dict(cls):
            return cls.from_dict({submodel: data})
        # gammapy's method ignores the arguments of a subclass
        own_arguments = inspect.signature(cls.__init__).parameters
        names = own_arguments.keys() & data.keys() - {"type", "parameters"}
        options = {name: data.pop(name) for name in names}
        data.setdefault("parameters", [])
        return cls.from_dict({submodel: data}, **options)

    model = build(model_class(submodel, data), copy.deepcopy(data))
    for problem in ignored_settings(model, thaw(spec), data, build):
        raise SubmodelError(problem)
    return model


def _inherits_from_dict(cls: Any) -> bool:
    """Return whether a class of a plugin inherits gammapy's method `from_dict`."""
    method = cls.from_dict.__func__
    is_inherited = cls.__module__.split(".")[0] != "gammapy" == method.__module__.split(".")[0]
    return is_inherited and "kwargs" in inspect.signature(method).parameters


def is_norm(spectral: Mapping[str, Any]) -> bool:
    """Return whether a spectral model is a norm model, judged by its class name as in gammapy.

    Parameters
    ----------
    spectral : mapping
        ``type`` and parameters.

    Returns
    -------
    bool
        Whether it is a norm model.
    """
    return "Norm" in model_class("spectral", spectral).__name__


def submodel_problems(submodel: str, spec: Mapping[str, Any] | None) -> Iterator[Problem]:
    """Yield the first problem with a submodel; no data are needed for the check.

    Parameters
    ----------
    submodel : {"spectral", "spatial", "temporal"}
        The submodel of the source.
    spec : mapping or None
        ``type`` and parameters; no problem if None.

    Yields
    ------
    Problem
        The first problem.
    """
    if spec is None:
        return
    try:
        model = build_submodel(submodel, spec)
        if submodel == "spatial":
            yield from _position_problems(model)
    except SubmodelError as error:
        yield error.problem.with_prefix(submodel)
    except ModelError as error:
        yield Problem((submodel, "filename"), str(error))
    except (FieldError, ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        message = f"gammapy cannot build the model: {error}"
        yield Problem((submodel,), message, "see gammapy's model gallery")


def describe_frame(frame: Any) -> str:
    """Return the reason why positions in a frame cannot be used.

    Parameters
    ----------
    frame : object
        The name of the frame.

    Returns
    -------
    str
        The reason; "" if positions in the frame can be used.
    """
    from skyred.likelihood.frames import is_rotation  # imported late, like all of skyred.likelihood

    try:
        is_supported = is_rotation(frame)
    except FitError as error:
        return str(error)
    return "" if is_supported else f"positions in the frame {frame!r} depend on time"


def _position_problems(model: Any) -> Iterator[Problem]:
    """Yield a problem if a spatial model has no valid position on the sky.

    gammapy would report it only when the model is evaluated.
    """
    if message := describe_frame(getattr(model, "frame", "icrs")):
        yield Problem(("spatial", "frame"), message, FRAME_ADVICE)
        return
    if "lat_0" in model.parameters.names:
        latitude = model.lat_0.quantity
        if not abs(latitude.to_value("deg")) <= 90:
            yield Problem(
                ("spatial", "lat_0"),
                f"invalid value {latitude}",
                "expected a latitude from -90 deg to 90 deg",
            )
