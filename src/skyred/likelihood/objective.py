"""The objective for the models of datasets, which fitters minimise or sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.errors import FitError
from skyred.interfaces.objective import Conditional, Objective
from skyred.likelihood.input_checks import (
    check_bins,
    check_predictions,
    check_source_positions,
    list_starts_outside_limits,
)
from skyred.likelihood.likelihood import Likelihood
from skyred.likelihood.parameter_roles import (
    costly_parameters,
    independent_blocks,
    norm_parameters,
)
from skyred.likelihood.pixel_grids import pixel_grids
from skyred.likelihood.priors import Priors
from skyred.likelihood.relocation import Relocation
from skyred.likelihood.sharp_edges import sharp_edged_sources

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Function = Callable[[Array], Array]


def objective_of(datasets: Datasets, check: bool = False) -> Objective:
    """Build the objective for datasets, a function of the free parameters of their models.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        Datasets with models assigned.
    check : bool
        Whether to compare every source with gammapy's own evaluation first; by default, only
        sources whose model classes are not defined in gammapy are compared.

    Returns
    -------
    Objective
        The objective. Its statistic equals `Datasets.stat_sum` without priors, and its `accept`
        writes results to the models. Its notes list the datasets and models that gammapy
        evaluates, with the reasons, and parameters that start outside their limits.

    Raises
    ------
    FitError
        If there are no models, no free parameters or no bins to fit.
        If a parameter is not finite, or its limits are not valid.
        If counts, background, flux points or predicted counts are not valid.
        If a source with free parameters contributes to no dataset.
    """
    if not any(dataset.models for dataset in datasets):
        raise FitError("the datasets have no models: there is nothing to fit")
    likelihood = Likelihood(datasets, check)
    if not len(likelihood.space.free):
        raise FitError("No free parameters for fitting: set frozen to false for at least one")
    check_bins(likelihood)
    check_source_positions(likelihood)
    check_predictions(likelihood)
    objective = build_objective(likelihood)
    notes = (*objective.notes, *list_starts_outside_limits(likelihood.space))
    return attrs.evolve(objective, start=np.clip(objective.start, *objective.limits.T), notes=notes)


@contextmanager
def restored_on_error(datasets: Datasets) -> Iterator[None]:
    """Restore the values of all parameters if a fit ends with an error or with Ctrl-C.

    gammapy's evaluation sets the parameters, which would otherwise keep the last values of the
    fitter.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        Datasets with models assigned.

    Yields
    ------
    None
        Nothing.
    """
    models = [dataset.models for dataset in datasets if dataset.models]
    initial_values = [
        (parameter, parameter.value) for model in models for parameter in model.parameters
    ]
    try:
        yield
    except BaseException:
        for parameter, value in initial_values:
            parameter.value = value
        raise


def build_objective(likelihood: Likelihood) -> Objective:
    """Build the objective of a likelihood.

    Parameters
    ----------
    likelihood : Likelihood
        The compiled likelihood.

    Returns
    -------
    Objective
        The objective as a function of the free parameters.
    """
    space = likelihood.space
    priors = Priors(space)
    gradient, fisher = likelihood.gradient, likelihood.fisher
    grids = tuple(pixel_grids(likelihood))
    return Objective(
        names=space.names(),
        units=space.units(),
        start=likelihood.initial_state[space.free],
        limits=space.limits(),
        steps=space.steps(),
        stat=likelihood.stat,
        prior=priors or None,
        quantiles=priors.quantiles,
        prior_without_quantile=priors.prior_without_quantile
        if priors.has_prior_without_quantile
        else None,
        gradient_of=_add_functions(gradient, priors.gradient) if likelihood.exact else None,
        fisher_of=_add_functions(fisher, priors.curvature) if likelihood.exact else None,
        may_be_non_smooth=likelihood.may_be_non_smooth,
        factors=norm_parameters(likelihood),
        costly=costly_parameters(likelihood),
        grids=grids,
        sharp=partial(sharp_edged_sources, likelihood) if likelihood.exact else None,
        relocate=partial(Relocation(likelihood), grids=grids),
        refresh=likelihood.refresh,
        clear_caches=likelihood.clear_caches,
        blocks=independent_blocks(likelihood) if likelihood.exact else (),
        condition=_condition_with_priors(likelihood, priors) if likelihood.exact else None,
        gradient_by=partial(_gradient_by, likelihood, priors) if likelihood.exact else None,
        on_accept=likelihood.accept,
        notes=likelihood.notes,
    )


def _add_functions(first: Function, second: Function) -> Function:
    return lambda x: first(x) + second(x)


def _gradient_by(likelihood: Likelihood, priors: Priors, positions: NDArray[np.int64]) -> Function:
    gradient = likelihood.gradient_by(positions)
    return _add_functions(gradient, lambda x: priors.gradient(x)[positions]) if priors else gradient


def _condition_with_priors(
    likelihood: Likelihood, priors: Priors
) -> Callable[[NDArray[np.int64], Array], Conditional]:
    """Return a function that fixes all parameters except those given.

    The derivatives of the `Conditional` that it returns include those of the priors.
    """

    def condition(positions: NDArray[np.int64], values: Array) -> Conditional:
        conditional = likelihood.condition(positions, values)
        if not priors:
            return conditional
        return Conditional(
            conditional.stat,
            lambda x: conditional.gradient_of(x) + priors.gradient(x)[positions],
            lambda x: conditional.fisher_of(x) + priors.curvature(x)[np.ix_(positions, positions)],
        )

    return condition
