"""Selection and validation of parameters by name, and temporary fits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from skyred.components.models.source import Source
from skyred.errors import ModelError, Problem, did_you_mean, nearest
from skyred.interfaces import SERIAL_TASKS, Chain, Tasks

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling import Parameter
    from gammapy.modeling.models import SkyModel

    from skyred.interfaces.objective import Objective
    from skyred.interfaces.records import FitResult

T = TypeVar("T")
R = TypeVar("R")
SUBMODELS = ("spectral", "spatial", "temporal")


def select_parameters(
    patterns: Sequence[str], datasets: Datasets, objective: Objective
) -> list[int]:
    """Find the free parameters that match names or wildcards.

    Full names (``crab.spectral.index``), short names (``crab.index``) and wildcards (``crab.*``)
    are accepted. A linked parameter has names in each of its models.

    Parameters
    ----------
    patterns : sequence of str
        Names or wildcards; all free parameters if empty.
    datasets : gammapy.datasets.Datasets
        The datasets, with their fitted models.
    objective : Objective
        Objective of the datasets.

    Returns
    -------
    list of int
        Indices in the objective without duplicates, in the order of the patterns.

    Raises
    ------
    ModelError
        If a pattern matches no free parameter; the message suggests the nearest name.
    """
    if not patterns:
        return list(range(len(objective.names)))
    names = _free_parameter_names(datasets)
    indices: dict[int, None] = {}
    for pattern in patterns:
        matches = [index for index, aliases in enumerate(names) if _matches(pattern, aliases)]
        if not matches:
            raise ModelError(_no_match_message(pattern, datasets, names))
        indices |= dict.fromkeys(matches)
    return list(indices)


def _free_parameter_names(datasets: Datasets) -> list[list[str]]:
    """Return all names of each free parameter, in the order of the objective."""
    from skyred.likelihood.parameters import is_fixed
    from skyred.likelihood.shared_values import unique_parameters, value_key

    models = datasets.models
    names_by_key: dict[int, list[str]] = {}
    for aliases, parameter in _named_parameters(models):
        names_by_key.setdefault(value_key(parameter), []).extend(aliases)
    return [
        names_by_key[value_key(parameter)]
        for parameter in unique_parameters(models.parameters)
        if not is_fixed(parameter)
    ]


def _named_parameters(models: Iterable[SkyModel]) -> Iterator[tuple[list[str], Parameter]]:
    """Yield the full and the short name of each parameter of each model, and the parameter."""
    for model in models:
        unique_names = model.parameters_unique_names
        for name, parameter in zip(unique_names, model.parameters, strict=True):
            yield [f"{model.name}.{name}", f"{model.name}.{parameter.name}"], parameter


def _matches(pattern: str, names: Iterable[str]) -> bool:
    """Return whether a pattern matches any of the names."""
    return any(name == pattern or fnmatchcase(name, pattern) for name in names)


def _no_match_message(pattern: str, datasets: Datasets, names: list[list[str]]) -> str:
    """Return the error message for a pattern without matches."""
    all_names = [name for aliases, _ in _named_parameters(datasets.models) for name in aliases]
    if _matches(pattern, all_names):
        return f"the parameter {pattern!r} is frozen; set frozen: false in its model"
    free_names = ", ".join(aliases[0] for aliases in names)
    hint = did_you_mean(pattern, all_names)
    return f"no free parameter matches {pattern!r}; available: {free_names}{hint}"


def parameter_problems(
    names: Iterable[str],
    pipeline: Chain,
    path: tuple[str | int, ...],
    *,
    free: bool = False,
    replaced_sources: Collection[str] = (),
) -> Iterator[Problem]:
    """Yield problems with names of unknown or frozen parameters.

    Parameters are not checked if they belong to backgrounds, or to models whose sources are known
    only after the models are built.

    Parameters
    ----------
    names : iterable of str
        Names such as ``crab.index``, or wildcards.
    pipeline : Chain
        The pipeline with the models.
    path : tuple of (str or int)
        Path of the option with the names.
    free : bool
        Whether a name must match at least one free parameter.
    replaced_sources : collection of str
        Sources whose models will be replaced before the fit; any name of their parameters is
        accepted.

    Yields
    ------
    Problem
        An unknown source, submodel or parameter, or a frozen parameter.
    """
    sources = [name for model in pipeline.model for name in model.source_names()]
    models_by_name = {model.name: model for model in pipeline.model if isinstance(model, Source)}
    for name in names:
        owner = next((source for source in sources if name.startswith(f"{source}.")), None)
        if owner is None:
            yield from _source_problems(name, sources, pipeline, path)
        elif owner not in replaced_sources:
            problems = list(_submodel_problems(name, owner, pipeline, path))
            yield from problems or _name_problems(name, models_by_name.get(owner), path, free)


def _source_problems(
    name: str, sources: Sequence[str], pipeline: Chain, path: tuple[str | int, ...]
) -> Iterator[Problem]:
    """Yield a problem with a name that does not start with a known source."""
    if "." not in name:
        expected = "expected source.parameter, such as crab.spectral.index or crab.index"
        yield Problem(path, f"{name!r} is not the name of a parameter", expected)
    elif not _may_be_known_later(name, pipeline):
        source = name.split(".", maxsplit=1)[0]
        nearest_name = nearest(source, sources)
        expected = f"available: {', '.join(sources) or 'none'}"
        yield Problem(path, f"unknown source {source!r} in {name!r}", expected, nearest_name)


def _name_problems(
    name: str, source: Source | None, path: tuple[str | int, ...], free: bool
) -> Iterator[Problem]:
    """Yield a problem if a parameter does not exist in the source, or must be free but is not."""
    model = None if source is None else source.build_or_none()
    if model is None:
        return
    named_parameters = list(_named_parameters([model]))
    matches = [parameter for names, parameter in named_parameters if _matches(name, names)]
    if not matches:
        available = ", ".join(names[0] for names, _ in named_parameters)
        nearest_name = nearest(name, [alias for names, _ in named_parameters for alias in names])
        yield Problem(path, f"unknown parameter {name!r}", f"available: {available}", nearest_name)
    elif free and all(parameter.frozen for parameter in matches):
        message = f"the parameter {name!r} is frozen"
        yield Problem(path, message, "set frozen: false in its model")


def _may_be_known_later(name: str, pipeline: Chain) -> bool:
    """Return whether the source of a parameter may be known only after the models are built."""
    source = name.split(".", maxsplit=1)[0]
    has_wildcards = any(character in source for character in "*?[")
    # background models are named after datasets, which are known only after the reduction
    all_names_known = all(model.knows_names() for model in pipeline.model)
    return has_wildcards or source.endswith("-bkg") or not all_names_known


def _submodel_problems(
    name: str, owner: str, pipeline: Chain, path: tuple[str | int, ...]
) -> Iterator[Problem]:
    """Yield a problem if a name contains a submodel, such as spatial, that its source lacks."""
    submodel = name.removeprefix(f"{owner}.").split(".")[0]
    if submodel not in SUBMODELS:
        return
    for model in pipeline.model:
        if getattr(model, "name", None) == owner and getattr(model, submodel, ()) is None:
            yield Problem(
                path,
                f"{owner!r} has no {submodel} model, so no {name!r}",
                "correct the name, or the model",
            )


@attrs.frozen(eq=False)
class TemporaryFit:
    """A fit of datasets whose parameter values are restored afterwards.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        The datasets with their models, or copies of both.
    objective : Objective
        Objective of the datasets.
    fit_result : FitResult
        Minimum of the objective.
    initial_values : tuple of float
        Values of all parameters before the fit.
    """

    datasets: Datasets
    objective: Objective
    fit_result: FitResult
    initial_values: tuple[float, ...]

    def map(
        self, tasks: Tasks, function: Callable[[TemporaryFit, T], R], items: Sequence[T]
    ) -> list[R]:
        """Call a function of this fit for each item; results do not depend on other items.

        Parameters
        ----------
        tasks : Tasks
            Runs the calls. They run in this process if the objective is evaluated by gammapy, since
            gammapy's results depend on earlier evaluations.
        function : callable
            Called as ``function(fit, item)``, with empty caches.
        items : sequence
            The items.

        Returns
        -------
        list
            The results.
        """
        if self.objective.notes or self.objective.clear_caches is None:
            tasks = SERIAL_TASKS
        return tasks.map(partial(_call_with_empty_caches, function), self, items)

    def __reduce__(self) -> Any:
        # the objective cannot be pickled, so that the fit is repeated, with the same result
        return _repeat_fit, (self.datasets, self.initial_values)


def _repeat_fit(datasets: Datasets, initial_values: tuple[float, ...]) -> TemporaryFit:
    from skyred.likelihood import objective_of
    from skyred.likelihood.minimise import minimise

    _set_values(datasets, initial_values)
    objective = objective_of(datasets)
    return TemporaryFit(datasets, objective, minimise(objective), initial_values)


def _set_values(datasets: Datasets, values: Sequence[float]) -> None:
    for parameter, value in zip(datasets.models.parameters, values, strict=True):
        parameter.value = value


def _call_with_empty_caches(
    function: Callable[[TemporaryFit, T], R], refit: TemporaryFit, item: T
) -> R:
    if refit.objective.clear_caches is not None:
        refit.objective.clear_caches()
    return function(refit, item)


@contextmanager
def temporary_fit(datasets: Datasets) -> Iterator[TemporaryFit]:
    """Fit the models of datasets, and restore their parameters on exit.

    The fit starts from the current values of the parameters, which are not at the minimum after
    sampling, or after a fit that did not converge.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        The datasets with their models.

    Yields
    ------
    TemporaryFit
        The fit, with the datasets or copies of them.

    Raises
    ------
    ModelError
        If the fit does not converge.
    """
    from skyred.likelihood import objective_of
    from skyred.likelihood.minimise import minimise

    # some notes report datasets that gammapy evaluates; it caches PSF kernels in the datasets, so
    # copies are fitted
    objective = objective_of(datasets)
    if objective.notes:
        datasets = copy_datasets(datasets)
        objective = objective_of(datasets)
    initial_values = tuple(parameter.value for parameter in datasets.models.parameters)
    try:
        fit_result = minimise(objective)
        if not fit_result.success:
            raise ModelError(f"the fit did not converge: {fit_result.message}")
        yield TemporaryFit(datasets, objective, fit_result, initial_values)
    finally:
        _set_values(datasets, initial_values)


def copy_datasets(datasets: Datasets) -> Datasets:
    """Copy datasets and their models, with the same names.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        The datasets.

    Returns
    -------
    gammapy.datasets.Datasets
        The copies; linked parameters stay linked.
    """
    from gammapy.datasets import Datasets

    from skyred.likelihood.shared_values import share_values

    copies = Datasets([dataset.copy(name=dataset.name) for dataset in datasets])
    if datasets.models:
        models = datasets.models.copy()
        share_values(datasets.models, models)
        copies.models = models
    return copies
