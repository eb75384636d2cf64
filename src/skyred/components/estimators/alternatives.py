"""Alternatives to a fitted model, and caveats about Wilks' theorem for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.components.estimators.parameters import SUBMODELS, parameter_problems
from skyred.components.models.spec import build_submodel, submodel_problems
from skyred.errors import ModelError, Problem, did_you_mean, nearest
from skyred.fields import Name, option
from skyred.interfaces import Chain, Fields, value

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling import Parameter


@value
class Alternative(Fields):
    """Alternative to the fitted model: sources removed or replaced, parameters fixed or freed."""

    name: str = option(type=Name, doc="Name of the alternative.")
    without: tuple[str, ...] = option(
        (), type=str, many=True, doc="Names of the sources that are removed."
    )
    fix: Mapping[str, Any] = option(
        {},
        type=dict,
        doc="Parameters that are fixed, with their values (crab.beta: 0), or null for the fitted "
        "value.",
    )
    free: tuple[str, ...] = option(
        (), type=str, many=True, doc="Names of frozen parameters that are fitted."
    )
    replace: Mapping[str, Any] = option(
        {},
        type=dict,
        doc="Sources, with the spectral, spatial or temporal models that replace their own.",
    )
    nested: bool = option(
        True,
        doc="Whether one of the two models is a special case of the other; if not, there is no "
        "significance.",
    )

    def validate(self) -> Iterable[Problem]:
        """Check that the alternative changes something, and that new models have a type.

        Yields
        ------
        Problem
            No changes, or a new model without a type.
        """
        if not (self.without or self.fix or self.free or self.replace):
            expected = "expected at least one of without, fix, free and replace"
            yield Problem((), "changes nothing", expected)
        for source, submodels in self.replace.items():
            if not isinstance(submodels, Mapping) or not submodels:
                expected = "expected a mapping such as {spectral: {type: pl, index: 2}}"
                yield Problem(("replace", source), f"invalid value {submodels!r:.40}", expected)
                continue
            for submodel, spec in submodels.items():
                yield from _submodel_problems(submodel, spec, ("replace", source))

    def check(self, pipeline: Chain) -> Iterator[Problem]:
        """Yield problems with the sources, the parameters and the replacement models.

        Parameters
        ----------
        pipeline : Chain
            The pipeline, with its data entries and models.

        Yields
        ------
        Problem
            A problem, with the option and the reason.
        """
        names = [name for model in pipeline.model for name in model.source_names()]
        all_names_known = all(model.knows_names() for model in pipeline.model)
        sources: list[tuple[tuple[str | int, ...], str]] = [
            *((("without", index), name) for index, name in enumerate(self.without)),
            *((("replace", name), name) for name in self.replace),
        ]
        for path, source in sources:
            if all_names_known and source not in names:
                nearest_name = nearest(source, names)
                expected = f"available: {', '.join(names) or 'none'}"
                yield Problem(path, f"unknown source {source!r}", expected, nearest_name)
        parameters: list[tuple[tuple[str | int, ...], str]] = [
            *((("fix", name), name) for name in self.fix),
            *((("free", index), name) for index, name in enumerate(self.free)),
        ]
        for path, name in parameters:
            yield from parameter_problems(
                [name], pipeline, path, replaced_sources=tuple(self.replace)
            )
        for source, submodels in self.replace.items():
            for submodel, spec in submodels.items():
                for problem in submodel_problems(submodel, spec):
                    yield problem.with_prefix("replace", source)


def _submodel_problems(submodel: str, spec: Any, path: tuple[str, ...]) -> Iterator[Problem]:
    """Yield problems with a model that replaces a submodel of a source."""
    if submodel not in SUBMODELS:
        nearest_name = nearest(submodel, SUBMODELS)
        yield Problem(
            (*path, submodel),
            "unknown model of a source",
            f"available: {', '.join(SUBMODELS)}",
            nearest_name,
        )
    elif spec is None and submodel != "spectral":
        return  # the submodel is removed
    elif not isinstance(spec, Mapping) or "type" not in spec:
        yield Problem((*path, submodel), "missing key 'type'", "expected a model type such as pl")


def apply_alternative(datasets: Datasets, alternative: Alternative) -> list[str]:
    """Change the models of datasets to those of an alternative.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        The datasets, whose models are changed in place.
    alternative : Alternative
        The alternative.

    Returns
    -------
    list of str
        Reasons why the difference of the statistic may not follow a chi-square distribution.

    Raises
    ------
    ModelError
        If a source or parameter does not exist, or a value has the wrong unit.
    """
    from gammapy.modeling.models import Models

    models, caveats = datasets.models, list[str]()
    for source in (*alternative.without, *alternative.replace):
        if source not in models.names:
            raise ModelError(
                f"{alternative.name}: no model is named {source!r}; available: "
                f"{', '.join(models.names)}"
            )
    for source in alternative.without:
        caveats += _removal_caveats(models[source])
    new_models = Models([model for model in models if model.name not in alternative.without])
    for source, submodels in alternative.replace.items():
        for submodel, spec in submodels.items():
            new_submodel = None if spec is None else build_submodel(submodel, spec)
            if submodel == "spectral":
                new_submodel = _keep_absorption(new_submodel, new_models[source].spectral_model)
            setattr(new_models[source], f"{submodel}_model", new_submodel)
    datasets.models = new_models
    for name, fixed_value in alternative.fix.items():
        parameter = _find_parameter(datasets, name, alternative.name)
        caveats += _fix_parameter(parameter, name, fixed_value)
    for name in alternative.free:
        _find_parameter(datasets, name, alternative.name).frozen = False
    return caveats


def _keep_absorption(spectrum: Any, previous_spectrum: Any) -> Any:
    """Apply the EBL absorption of the previous spectrum, if it has any, to a new spectrum."""
    absorption = getattr(previous_spectrum, "model2", None)
    has_absorption = absorption is not None and "ebl-norm" in absorption.tag
    return spectrum * absorption if has_absorption else spectrum


def _find_parameter(datasets: Datasets, name: str, alternative_name: str) -> Parameter:
    """Find the parameter with a full or short name."""
    parameters = {}
    for model in datasets.models:
        unique_names = model.parameters_unique_names
        for unique_name, parameter in zip(unique_names, model.parameters, strict=True):
            parameters[f"{model.name}.{parameter.name}"] = parameter
            parameters[f"{model.name}.{unique_name}"] = parameter
    if name not in parameters:
        hint = did_you_mean(name, parameters)
        raise ModelError(f"{alternative_name}: no parameter is named {name!r}{hint}")
    return parameters[name]


def _fix_parameter(parameter: Parameter, name: str, fixed_value: Any) -> list[str]:
    """Freeze a parameter at a value (None: at its current value), and return caveats."""
    if fixed_value is not None:
        quantity = u.Quantity(fixed_value)
        if quantity.unit == u.dimensionless_unscaled:
            quantity = u.Quantity(quantity.value, parameter.unit)
        if not quantity.unit.is_equivalent(parameter.unit):
            unit_text = f"in {parameter.unit}" if str(parameter.unit) else "without a unit"
            raise ModelError(f"{name} is fixed at {fixed_value}; expected a value {unit_text}")
        parameter.value = quantity.to_value(parameter.unit)
    was_free, parameter.frozen = not parameter.frozen, True
    if was_free and parameter.value in (parameter.min, parameter.max):
        return [f"{name} is fixed at its limit"]
    return []


def _removal_caveats(model: Any) -> list[str]:
    """Return caveats for the removal of a model with free parameters."""
    free_parameters = [parameter for parameter in model.parameters if not parameter.frozen]
    names = [parameter.name for parameter in free_parameters]
    norms = [parameter for parameter in free_parameters if parameter.name in ("amplitude", "norm")]
    norm = norms[0] if norms else None
    other_names = [name for name in names if norm is None or name != norm.name]
    caveats = []
    if norm is not None and np.isfinite(norm.min) and norm.min >= 0:
        caveats.append(f"without {model.name}, its {norm.name} is at its limit")
    if other_names:
        caveats.append(f"without {model.name}, its {', '.join(other_names)} are undefined")
    return caveats
