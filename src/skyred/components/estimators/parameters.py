"""Parameters by name: which of the free ones an estimator looks at, and how they are written."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import attrs

from skyred.components.models.source import Source
from skyred.errors import ModelError, Problem, did_you_mean, nearest
from skyred.interfaces import Chain

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling import Parameter
    from gammapy.modeling.models import SkyModel

    from skyred.interfaces.objective import Objective
    from skyred.interfaces.records import FitResult

PARTS = ("spectral", "spatial", "temporal")


def chosen_parameters(
    patterns: Sequence[str], datasets: Datasets, objective: Objective
) -> list[int]:
    """Find the free parameters that names or wildcards mean; all of them for no names.

    ``crab.spectral.index``, ``crab.index`` and ``crab.*`` are understood; a linked parameter goes
    by its name in each of its models.

    Returns
    -------
    list of int
        Places in the objective, each once, in the order of the patterns.

    Raises
    ------
    ModelError
        For a pattern that means none, with the nearest name.
    """
    if not patterns:
        return list(range(len(objective.names)))
    names = _names(datasets)
    places: dict[int, None] = {}
    for pattern in patterns:
        found = [place for place, each in enumerate(names) if _means(pattern, each)]
        if not found:
            raise ModelError(_unknown(pattern, datasets, names))
        places |= dict.fromkeys(found)
    return list(places)


def _names(datasets: Datasets) -> list[list[str]]:
    """Give all names of each free parameter, in the order of the objective."""
    from skyred.likelihood.parameters import is_fixed, unique_parameters, value_key

    models = datasets.models
    known: dict[int, list[str]] = {}
    for name, parameter in _named(models):
        known.setdefault(value_key(parameter), []).extend(name)
    unique = unique_parameters(models.parameters)
    return [known[value_key(each)] for each in unique if not is_fixed(each)]


def _named(models: Iterable[SkyModel]) -> Iterator[tuple[list[str], Parameter]]:
    """Yield the names of each parameter of each model, and the parameter."""
    for model in models:
        own = model.parameters_unique_names
        for name, parameter in zip(own, model.parameters, strict=True):
            yield [f"{model.name}.{name}", f"{model.name}.{parameter.name}"], parameter


def _means(pattern: str, names: Iterable[str]) -> bool:
    return any(name == pattern or fnmatchcase(name, pattern) for name in names)


def _unknown(pattern: str, datasets: Datasets, names: list[list[str]]) -> str:
    everything = [name for each, _ in _named(datasets.models) for name in each]
    if _means(pattern, everything):
        return f"the parameter {pattern!r} is frozen; set frozen: false in its model"
    known = ", ".join(each[0] for each in names)
    hint = did_you_mean(pattern, everything)
    return f"no free parameter is called {pattern!r}; there are {known}{hint}"


def parameter_problems(
    names: Iterable[str],
    pipeline: Chain,
    path: tuple[str | int, ...],
    *,
    free: bool = False,
    replaced: Collection[str] = (),
) -> Iterator[Problem]:
    """Yield problems of parameter names: no such source, part or parameter, or a frozen one.

    Backgrounds, and models that tell their names only when they are built, are judged later.

    Parameters
    ----------
    names : iterable of str
        Names such as ``crab.index``, or wildcards.
    pipeline : Chain
        The pipeline whose models are searched.
    path : tuple of (str or int)
        The option that holds the names.
    free : bool
        Whether a name must mean at least one free parameter.
    replaced : collection of str
        Sources that get other models, so that any parameter is accepted.
    """
    sources = [name for model in pipeline.model for name in model.source_names()]
    own = {model.name: model for model in pipeline.model if isinstance(model, Source)}
    for name in names:
        owner = next((each for each in sources if name.startswith(f"{each}.")), None)
        if owner is None:
            yield from _unknown_source(name, sources, pipeline, path)
        elif owner not in replaced:
            missing = list(_missing_part(name, owner, pipeline, path))
            yield from missing or _unknown_parameter(name, own.get(owner), path, free)


def _unknown_source(
    name: str, sources: Sequence[str], pipeline: Chain, path: tuple[str | int, ...]
) -> Iterator[Problem]:
    if "." not in name:
        expected = "expected source.parameter, such as crab.spectral.index or crab.index"
        yield Problem(path, f"{name!r} names no parameter", expected)
    elif not _told_later(name, pipeline):
        source = name.split(".")[0]
        near = nearest(source, sources)
        known = f"there are: {', '.join(sources) or 'none'}"
        yield Problem(path, f"no model has the source {source!r} of {name!r}", known, near)


def _unknown_parameter(
    name: str, source: Source | None, path: tuple[str | int, ...], free: bool
) -> Iterator[Problem]:
    """Yield a problem if the built source lacks a parameter, or has it frozen instead of free."""
    model = None if source is None else source.build_or_none()
    if model is None:
        return
    named = list(_named([model]))
    matches = [parameter for names, parameter in named if _means(name, names)]
    if not matches:
        known = ", ".join(names[0] for names, _ in named)
        near = nearest(name, [text for names, _ in named for text in names])
        yield Problem(path, f"no parameter is called {name!r}", f"there are: {known}", near)
    elif free and all(parameter.frozen for parameter in matches):
        text = f"the parameter {name!r} is frozen"
        yield Problem(path, text, "set frozen: false in its model")


def _told_later(name: str, pipeline: Chain) -> bool:
    source = name.split(".")[0]
    wild = any(sign in source for sign in "*?[")
    # backgrounds are called after datasets, which are known when they are reduced
    told = all(model.knows_names() for model in pipeline.model)
    return wild or source.endswith("-bkg") or not told


def _missing_part(
    name: str, owner: str, pipeline: Chain, path: tuple[str | int, ...]
) -> Iterator[Problem]:
    part = name.removeprefix(f"{owner}.").split(".")[0]
    for model in pipeline.model:
        ours = getattr(model, "name", None) == owner and part in PARTS
        if ours and getattr(model, part, ()) is None:
            yield Problem(path, f"{owner!r} has no {part} model, so no {name!r}", "see model:")


@attrs.frozen(eq=False)
class FittedMinimum:
    """A minimum to look around.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        The datasets with their models, or copies of both.
    objective : Objective
        Of these.
    best : FitResult
        Its minimum.
    """

    datasets: Datasets
    objective: Objective
    best: FitResult


@contextmanager
def fitted(datasets: Datasets) -> Iterator[FittedMinimum]:
    """Find the minimum from where the models are; leaves datasets and models as they were.

    A sampler, or a fit that stopped early, leaves the models elsewhere.

    Raises
    ------
    ModelError
        If there is none.
    """
    from skyred.likelihood import objective_of
    from skyred.likelihood.minimise import minimise

    objective = objective_of(datasets)
    if objective.notes:  # gammapy keeps kernels and more from one evaluation to the next
        datasets = copies(datasets)
        objective = objective_of(datasets)
    before = [(each, each.value) for each in datasets.models.parameters]
    try:
        best = minimise(objective)
        if not best.success:
            raise ModelError(f"there is no minimum to look around: {best.message}")
        yield FittedMinimum(datasets, objective, best)
    finally:
        for parameter, value in before:
            parameter.value = value


def copies(datasets: Datasets) -> Datasets:
    """Copy datasets with their models, each under its own name."""
    from gammapy.datasets import Datasets

    from skyred.likelihood.parameters import share_values

    copied = Datasets([dataset.copy(name=dataset.name) for dataset in datasets])
    if datasets.models:
        models = datasets.models.copy()
        share_values(datasets.models, models)
        copied.models = models
    return copied
