"""Groups of the parameters of a source: norm, shape, spectral, spatial, all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from skyred.likelihood.source_significance import NORM_NAMES

if TYPE_CHECKING:
    from gammapy.modeling import Parameter
    from gammapy.modeling.models import SkyModel

PARAMETERS = ("norm", "shape", "spectral", "spatial", "all")
# statements of scripts that freeze the parameters of `model`
FREEZE_CODE = {
    "all": ("model.freeze()",),
    "spectral": ('model.freeze("spectral")',),
    "spatial": ('model.freeze("spatial")',),
    "norm": (
        "for parameter in model.spectral_model.parameters:",
        f"    parameter.frozen |= parameter.name in {NORM_NAMES}",
    ),
    "shape": (
        "for parameter in model.spectral_model.parameters:",
        f"    parameter.frozen |= parameter.name not in {NORM_NAMES}",
    ),
}


def has_position(model: SkyModel) -> bool:
    """Return whether a source has a position, unlike a diffuse source.

    Parameters
    ----------
    model : gammapy.modeling.models.SkyModel
        The source.

    Returns
    -------
    bool
        Whether distances from the source can be measured.
    """
    return hasattr(model.spatial_model, "lon_0")


def iter_parameters(model: SkyModel, scope: str) -> Iterator[Parameter]:
    """Yield the parameters of a source in a scope.

    Parameters
    ----------
    model : gammapy.modeling.models.SkyModel
        The source.
    scope : str
        One of `PARAMETERS`.

    Yields
    ------
    gammapy.modeling.Parameter
        A parameter.
    """
    if scope in ("spatial", "all") and model.spatial_model is not None:
        yield from model.spatial_model.parameters
    if scope == "all" and model.temporal_model is not None:
        yield from model.temporal_model.parameters
    for parameter in model.spectral_model.parameters if scope != "spatial" else ():
        if scope in ("spectral", "all") or (scope == "norm") == (parameter.name in NORM_NAMES):
            yield parameter


def can_be_free(model: SkyModel, parameter: Parameter) -> bool:
    """Return whether a parameter is free in a new model, unlike reference energies.

    Parameters
    ----------
    model : gammapy.modeling.models.SkyModel
        The source.
    parameter : gammapy.modeling.Parameter
        One of its parameters.

    Returns
    -------
    bool
        False for parameters that gammapy freezes by default.
    """
    for submodel in (model.spectral_model, model.spatial_model, model.temporal_model):
        for part in getattr(submodel, "_models", None) or (submodel,):
            if part is not None and any(parameter is item for item in part.parameters):
                defaults = type(part).default_parameters
                return parameter.name in defaults.names and not defaults[parameter.name].frozen
    return False
