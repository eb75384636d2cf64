"""Norm models and spatial models of backgrounds: options, checks and code in exported scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs

from skyred.components.models.scripted import ModelWriter, has_only_defaults
from skyred.components.models.spec import is_norm, submodel_problems
from skyred.errors import FieldError, Problem, format_value
from skyred.fields import option
from skyred.fields.spec import SPEC, FieldSpec, declare

if TYPE_CHECKING:
    from skyred.scripting import Script

SUBMODELS = ("spectral", "spatial")
DEFAULT_NORM = MappingProxyType({"type": "pl-norm"})


def norm_model(doc: str) -> Any:
    """Declare a norm model: a mapping with type and parameters, or gammapy's tag of the type.

    Parameters
    ----------
    doc : str
        The description, one sentence.

    Returns
    -------
    attrs field
        The field, to be assigned in the body of the class. Its values are mappings.
    """
    example = "expected a norm model; {type: pl-norm, tilt: {frozen: false}} has a free tilt"
    return _model_option(dict(DEFAULT_NORM), doc, example)


def spatial_model(doc: str) -> Any:
    """Declare an optional spatial model of a background: a mapping, or gammapy's tag of the type.

    Parameters
    ----------
    doc : str
        The description, one sentence.

    Returns
    -------
    attrs field
        The field, to be assigned in the body of the class. Its values are mappings, or None.
    """
    example = "expected a spatial model, such as {type: gauss, sigma: {value: 3 deg, frozen: true}}"
    return _model_option(None, doc, example)


def _model_option(default: Any, doc: str, expected: str) -> Any:
    """Declare a model as a mapping, which may be replaced by its type."""
    spec: FieldSpec = option(default, type=dict, doc=doc).metadata[SPEC]

    def parse(value: Any) -> Any:
        if isinstance(value, bool):
            raise FieldError(f"invalid value {format_value(value)}", expected)
        return spec.parse({"type": value} if isinstance(value, str) else value)

    return declare(attrs.evolve(spec, parse=parse), default)


def background_model_problems(
    spectral: Mapping[str, Any], spatial: Mapping[str, Any] | None
) -> Iterator[Problem]:
    """Yield problems with the submodels of a background model; no data are needed.

    Parameters
    ----------
    spectral : mapping
        Type and parameters of the norm model.
    spatial : mapping or None
        Type and parameters of the spatial model.

    Yields
    ------
    Problem
        The first problem of each submodel.
    """
    problems = list(submodel_problems("spectral", spectral))
    if not problems and not is_norm(spectral):
        message = f"{spectral['type']!r} is not a norm model"
        problems = [Problem(("spectral", "type"), message, "expected one such as pl-norm")]
    yield from problems
    yield from submodel_problems("spatial", spatial)


def write_submodels(script: Script, block: Any, spectral: Any, spatial: Any) -> list[str]:
    """Write the submodels of a background model, and return the arguments that pass them on.

    Parameters
    ----------
    script : Script
        The script to add code to.
    block : Block
        The block of the script.
    spectral, spatial : gammapy.modeling.models.ModelBase or None
        The norm model, and the optional spatial model.

    Returns
    -------
    list of str
        The arguments, as ``name=value``. A norm model with gammapy's defaults has none.
    """
    writer = ModelWriter(script, block)
    arguments = []
    if type(spectral).__name__ != "PowerLawNormSpectralModel" or not has_only_defaults(spectral):
        arguments.append(f"spectral_model={writer.write_submodel(spectral, 'norm')}")
    if spatial is not None:
        arguments.append(f"spatial_model={writer.write_submodel(spatial, 'spatial')}")
    return arguments
