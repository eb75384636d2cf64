"""Faults of the model classes of plugins that appear when a model is evaluated for datasets."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from astropy import units as u

from skyred.io.model_types import find_tags, iter_submodels
from skyred.plugins.model_registration import OWNER

DNDE, FLUX = u.Unit("cm-2 s-1 TeV-1"), u.Unit("cm-2 s-1")
MAX_CHANGE = 1e-3  # of values, by rounding errors of energies or noise of numerical integrals


def foreign_classes(model: Any, submodel: str = "") -> list[type]:
    """Return the classes of a model that are neither gammapy's nor skyred's.

    Parameters
    ----------
    model : gammapy.modeling.models.ModelBase
        The model.
    submodel : str
        The kind of submodel; "" for all.

    Returns
    -------
    list of type
        The classes, without duplicates.
    """
    classes = dict.fromkeys(type(part) for part in iter_submodels(model))
    return [
        cls
        for cls in classes
        if cls.__module__.split(".")[0] not in ("gammapy", "skyred")
        and submodel in ("", getattr(cls, "_type", ""))
    ]


def describe_model_class(cls: Any) -> str:
    """Return the kind, the type and the plugin of a model class.

    Parameters
    ----------
    cls : type
        The class.

    Returns
    -------
    str
        For example "spectral model DarkMatterBox of skyred-dark 0.3 (plugin 'dark')".
    """
    owner = vars(cls).get(OWNER)
    origin = f"the module {cls.__module__}" if owner is None else owner
    return f"{cls._type} model {find_tags(cls.tag)[0]} of {origin}"


def find_failed_model(error: BaseException) -> str:
    """Return the model class of a plugin in which an error was raised.

    Parameters
    ----------
    error : BaseException
        The error, with its traceback.

    Returns
    -------
    str
        The description of the class; "" if the error was not raised in such a class.
    """
    if "gammapy.modeling.models" not in sys.modules:  # so that no model was evaluated
        return ""
    from gammapy.modeling.models import (
        SPATIAL_MODEL_REGISTRY,
        SPECTRAL_MODEL_REGISTRY,
        TEMPORAL_MODEL_REGISTRY,
    )

    classes = [
        cls
        for cls in (*SPECTRAL_MODEL_REGISTRY, *SPATIAL_MODEL_REGISTRY, *TEMPORAL_MODEL_REGISTRY)
        if OWNER in vars(cls)
    ]
    failed_class = None
    traceback = error.__traceback__ if classes else None
    while traceback is not None:
        frame, traceback = traceback.tb_frame, traceback.tb_next
        for cls in classes:
            # `evaluate` is often a static method, without self
            is_method = frame.f_code.co_qualname.startswith(f"{cls.__qualname__}.")
            is_own = is_method and frame.f_globals.get("__name__") == cls.__module__
            if is_own or type(frame.f_locals.get("self")) is cls:
                failed_class = cls
    return "" if failed_class is None else describe_model_class(failed_class)


def find_value_fault(models: Iterable[Any], datasets: Iterable[Any]) -> str:
    """Evaluate the models of plugins once for the datasets, and return the first fault.

    Spectra are evaluated at the true energies, spatial models in the centre of the field, and
    temporal models for the good time intervals.

    Parameters
    ----------
    models : iterable of gammapy.modeling.models.ModelBase
        The models.
    datasets : iterable of gammapy.datasets.Dataset
        The datasets.

    Returns
    -------
    str
        A sentence with the model, its plugin and the rule; "" if there is no fault.
    """
    datasets = list(datasets)
    for model in models:
        for kind, find_fault in _CHECKS.items():
            if not (classes := foreign_classes(model, kind)):
                continue
            fault, source = _find_fault(find_fault, model, datasets)
            if fault:
                source = source or " and the ".join(map(describe_model_class, classes))
                return f"the {source}, in the model {model.name!r}, {fault}"
    return ""


def _find_fault(find_fault: Any, model: Any, datasets: list[Any]) -> tuple[str, str]:
    """Return the first fault, and the class if it is known."""
    checked_values = set[bytes]()
    names = model.datasets_names
    try:
        for dataset in datasets:
            if names is None or dataset.name in names:
                for fault in find_fault(model, dataset, checked_values):
                    return fault, ""
    except SystemExit as error:
        fault = f"exits Python (code {error.code}); it must raise an error instead"
        return fault, find_failed_model(error)
    except Exception as error:  # a plugin may raise anything
        fault = f"cannot be evaluated for {dataset.name}: {type(error).__name__}: {error}"
        return fault, find_failed_model(error)
    return "", ""


def _spectral_faults(model: Any, dataset: Any, checked_values: set[bytes]) -> Iterator[str]:
    from gammapy.modeling.models import SkyModel, SpectralModel, TemplateSpatialModel

    spectrum = model.spectral_model
    energies = _true_energies(dataset)
    if energies is None or _repeats(energies.to_value("TeV"), checked_values):
        return
    spatial_model = getattr(model, "spatial_model", None)
    # a template may have the unit of the flux, and its spectrum none
    has_unit = isinstance(model, SkyModel) and not isinstance(spatial_model, TemplateSpatialModel)
    edges: tuple[Any, ...]
    if type(spectrum).integral is SpectralModel.integral or dataset.tag == "FluxPointsDataset":
        evaluate, edges, method, unit = spectrum, (energies,), "evaluate", DNDE
    else:  # that of a line, for example, which may not have finite values
        evaluate, edges = spectrum.integral, (energies[:-1], energies[1:])
        method, unit = "integral", FLUX
    values = evaluate(*edges)
    yield from _value_faults(values, method, unit if has_unit else None, edges[0].shape)
    if not np.isfinite(u.Quantity(values).value).all():
        low, high = energies.min(), energies.max()
        yield f"has values that are not finite between {low:.3g} and {high:.3g}"
    if _depends_on_unit(evaluate, edges, values):
        yield (
            f"has other values in {method} for the same energies in another unit; convert them, "
            "for example with energy.to_value('TeV') instead of energy.value"
        )


def _depends_on_unit(evaluate: Any, edges: tuple[Any, ...], values: Any) -> bool:
    """Return whether most values change with the unit of the energies, and are not random."""
    unit = "TeV" if edges[0].unit == u.GeV else "GeV"
    try:
        values_of_unit = evaluate(*(energies.to(unit) for energies in edges))
        changes = np.abs(values_of_unit - values) > MAX_CHANGE * np.abs(values)
        # a few values may change, at the limits of a table or the edges of a box
        if np.sum(changes) <= 0.5 * np.sum(np.abs(values.value) > 0):
            return False
        return bool(u.allclose(evaluate(*edges), values, rtol=MAX_CHANGE, atol=0 * values.unit))
    except Exception:  # a class may raise anything, and is not evaluated so in the fit
        return False


def _spatial_faults(model: Any, dataset: Any, checked_values: set[bytes]) -> Iterator[str]:
    from gammapy.modeling.models import SpatialModel

    shape_model, exposure = model.spatial_model, getattr(dataset, "exposure", None)
    methods = ("evaluate_geom", "integrate_geom")  # of a point, for example
    is_own = any(getattr(type(shape_model), name) is not getattr(SpatialModel, name)
                 for name in methods)  # fmt: skip
    if exposure is None or is_own:
        return
    centre = exposure.geom.center_skydir.transform_to(shape_model.frame)
    lon, lat = (u.Quantity([angle, angle]) for angle in (centre.data.lon, centre.data.lat))
    if _repeats(u.Quantity([lon, lat]).to_value("deg"), checked_values):
        return
    energy = exposure.geom.axes["energy_true"].center[[0, 0]]
    values = shape_model(lon, lat, energy) if shape_model.is_energy_dependent else shape_model(
        lon, lat)  # fmt: skip
    # with a norm as its spectrum, it may have the unit of the flux
    unit = None if model.spectral_model.is_norm_spectral_model else u.Unit("sr-1")
    yield from _value_faults(values, "evaluate", unit, lon.shape, is_uniform_allowed=True)


def _temporal_faults(model: Any, dataset: Any, checked_values: set[bytes]) -> Iterator[str]:
    gti = getattr(dataset, "gti", None)
    if gti is None or len(gti.table) == 0:
        return
    start, stop = gti.time_start, gti.time_stop
    if _repeats(np.array([start.mjd, stop.mjd]), checked_values):
        return
    values = model.temporal_model.integral(start, stop)
    yield from _value_faults(u.Quantity(values), "integral", u.one, start.shape)
    if not np.isfinite(u.Quantity(values).value).all():
        yield "has an integral over the good time intervals that is not finite"


def _value_faults(
    values: Any,
    method: str,
    unit: Any,
    shape: tuple[int, ...],
    *,
    is_uniform_allowed: bool = False,
) -> Iterator[str]:
    if not isinstance(values, u.Quantity):
        yield f"returned {type(values).__name__} from {method}; expected a Quantity"
        return
    if unit is not None and not values.unit.is_equivalent(unit):
        yield f"has the unit '{values.unit}' in {method}; expected a unit such as '{unit}'"
    is_uniform = values.size == 1 and (is_uniform_allowed or np.prod(shape) == 1)
    if values.shape != shape and not is_uniform:
        yield f"has the shape {values.shape} in {method} for arguments of the shape {shape}"


def _true_energies(dataset: Any) -> Any:
    """Return the edges of the true energies, or the energies of flux points; None without any."""
    if dataset.tag == "FluxPointsDataset":
        return dataset.data.energy_ref
    exposure = getattr(dataset, "exposure", None)
    return None if exposure is None else exposure.geom.axes["energy_true"].edges


def _repeats(values: Any, checked_values: set[bytes]) -> bool:
    """Return whether a model was evaluated for the same values before."""
    key = np.asarray(values).tobytes()
    is_repeated = key in checked_values
    checked_values.add(key)
    return is_repeated


_CHECKS = {
    "spectral": _spectral_faults,
    "spatial": _spatial_faults,
    "temporal": _temporal_faults,
}
