"""Alternatives to a fitted model: what is changed, and what speaks against Wilks' theorem."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.components.estimators.parameters import PARTS, parameter_problems
from skyred.components.models.spec import build_part, part_problems
from skyred.errors import ModelError, Problem, did_you_mean, nearest
from skyred.fields import Name, option
from skyred.interfaces import Chain, Fields, value

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling import Parameter


@value
class Alternative(Fields):
    """Another model than the fitted one: what is taken out, held, let free or replaced."""

    name: str = option(type=Name, doc="What it is called.")
    without: tuple[str, ...] = option(
        (), type=str, many=True, doc="Names of the sources that it has not."
    )
    fix: Mapping[str, Any] = option(
        {}, type=dict, doc="Parameters that it holds, each with its value (crab.beta: 0)."
    )
    free: tuple[str, ...] = option(
        (), type=str, many=True, doc="Names of the frozen parameters that it fits too."
    )
    replace: Mapping[str, Any] = option(
        {},
        type=dict,
        doc="Sources with the spectral, spatial or temporal model that they have instead.",
    )
    nested: bool = option(
        True,
        doc="Whether one of the two models is a special case of the other; if not, there is no "
        "significance.",
    )

    def validate(self) -> Iterable[Problem]:
        """Something is changed, and what replaces a part says its type."""
        if not (self.without or self.fix or self.free or self.replace):
            expected = "expected one of without, fix, free, replace"
            yield Problem((), "changes nothing", expected)
        for source, parts in self.replace.items():
            if not isinstance(parts, Mapping) or not parts:
                expected = "expected a mapping such as {spectral: {type: pl, index: 2}}"
                yield Problem(("replace", source), f"is {parts!r:.40}", expected)
                continue
            for part, given in parts.items():
                yield from _part_problems(part, given, ("replace", source))

    def check(self, pipeline: Chain) -> Iterator[Problem]:
        """Yield problems of the sources, the parameters, and the models that replace others."""
        names = [name for model in pipeline.model for name in model.source_names()]
        told = all(model.knows_names() for model in pipeline.model)
        named: list[tuple[tuple[str | int, ...], str]] = [
            *((("without", place), name) for place, name in enumerate(self.without)),
            *((("replace", name), name) for name in self.replace),
        ]
        for path, source in named:
            if told and source not in names:
                near = nearest(source, names)
                known = f"there are: {', '.join(names) or 'none'}"
                yield Problem(path, f"no model has the source {source!r}", known, near)
        parameters: list[tuple[tuple[str | int, ...], str]] = [
            *((("fix", name), name) for name in self.fix),
            *((("free", place), name) for place, name in enumerate(self.free)),
        ]
        for path, name in parameters:
            yield from parameter_problems([name], pipeline, path, replaced=tuple(self.replace))
        for source, parts in self.replace.items():
            for part, given in parts.items():
                for problem in part_problems(part, given):
                    yield problem.with_prefix("replace", source)


def _part_problems(part: str, given: Any, path: tuple[str, ...]) -> Iterator[Problem]:
    if part not in PARTS:
        near = nearest(part, PARTS)
        yield Problem((*path, part), "is no part of a source", f"expected {PARTS}", near)
    elif given is None and part != "spectral":
        return  # the part is taken away
    elif not isinstance(given, Mapping) or "type" not in given:
        yield Problem((*path, part), "has no type", "expected type: ..., such as pl")


def change(datasets: Datasets, alternative: Alternative) -> list[str]:
    """Change the models of datasets as an alternative says.

    Returns
    -------
    list of str
        What keeps the difference in the statistic from following a chi-square distribution.

    Raises
    ------
    ModelError
        If a source or parameter is not there, or a value does not fit.
    """
    from gammapy.modeling.models import Models

    models, doubts = datasets.models, list[str]()
    for source in (*alternative.without, *alternative.replace):
        if source not in models.names:
            raise ModelError(
                f"{alternative.name}: no model is called {source!r}; there are "
                f"{', '.join(models.names)}"
            )
    for source in alternative.without:
        doubts += _doubts_without(models[source])
    kept = Models([model for model in models if model.name not in alternative.without])
    for source, parts in alternative.replace.items():
        for part, given in parts.items():
            made = None if given is None else build_part(part, given)
            if part == "spectral":
                made = _absorbed_as(kept[source].spectral_model, made)
            setattr(kept[source], f"{part}_model", made)
    datasets.models = kept
    for name, given in alternative.fix.items():
        doubts += _fix(_parameter(datasets, name, alternative.name), name, given)
    for name in alternative.free:
        _parameter(datasets, name, alternative.name).frozen = False
    return doubts


def _absorbed_as(present: Any, made: Any) -> Any:
    """Give a spectrum with the absorption of the one that it replaces."""
    absorption = getattr(present, "model2", None)
    absorbs = absorption is not None and "ebl-norm" in absorption.tag
    return made * absorption if absorbs else made


def _parameter(datasets: Datasets, name: str, alternative: str) -> Parameter:
    known = {}
    for model in datasets.models:
        own = model.parameters_unique_names
        for each, parameter in zip(own, model.parameters, strict=True):
            known[f"{model.name}.{parameter.name}"] = parameter
            known[f"{model.name}.{each}"] = parameter
    if name not in known:
        hint = did_you_mean(name, known)
        raise ModelError(f"{alternative}: no parameter is called {name!r}{hint}")
    return known[name]


def _fix(parameter: Parameter, name: str, given: Any) -> list[str]:
    if given is not None:
        number = u.Quantity(given)
        if number.unit == u.dimensionless_unscaled:
            number = u.Quantity(number.value, parameter.unit)
        if not number.unit.is_equivalent(parameter.unit):
            raise ModelError(f"{name} is fixed at {given}, but it is in {parameter.unit}")
        parameter.value = number.to_value(parameter.unit)
    was_free, parameter.frozen = not parameter.frozen, True
    if was_free and parameter.value in (parameter.min, parameter.max):
        return [f"{name} is held at its limit"]
    return []


def _doubts_without(model: Any) -> list[str]:
    free = [parameter for parameter in model.parameters if not parameter.frozen]
    names = [parameter.name for parameter in free]
    norm = next((each for each in free if each.name in ("amplitude", "norm")), None)
    others = [name for name in names if norm is None or name != norm.name]
    doubts = []
    if norm is not None and np.isfinite(norm.min) and norm.min >= 0:
        doubts.append(f"without {model.name}, its {norm.name} is at its limit")
    if others:
        doubts.append(f"without {model.name}, its {', '.join(others)} mean nothing")
    return doubts
