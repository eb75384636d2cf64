"""Priors and penalties, evaluated by gammapy, with numerical derivatives and quantiles."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.likelihood.parameters import ParameterSpace, is_fixed, parameter_step
from skyred.likelihood.shared_values import value_key

if TYPE_CHECKING:
    from gammapy.modeling import Parameter
    from gammapy.modeling.models import SkyModel
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import Vector

    Array = NDArray[np.float64]
    Quantile = Callable[[float], float]

SLOPE_STEP = 1e-2  # of a parameter's step; differences of parabolic priors are exact
MIN_PROBABILITY = 1e-6  # of a prior between the limits; otherwise quantiles are not precise


class Priors:
    """Priors of parameters and penalties of models, which are added to the statistic.

    Parameters
    ----------
    space : ParameterSpace
        The parameters.

    Attributes
    ----------
    quantiles : list of (callable or None)
        For each free parameter, the inverse cumulative distribution function of its prior between
        its limits; None if there is no such function, see `quantile_function`.
    """

    def __init__(self, space: ParameterSpace) -> None:
        self.space, self.parameters = space, space.models.parameters
        self.penalties = tuple(space.models._penalties or ())
        penalised_keys = {
            value_key(parameter) for penalty in self.penalties for parameter in penalty.parameters
        }
        self.steps = np.array(
            [SLOPE_STEP * parameter_step(parameter) for parameter in space.free_parameters]
        )
        self.limits = np.array(space.limits())
        self.positions = [
            position
            for position, parameter in enumerate(space.free_parameters)
            if parameter.prior or value_key(parameter) in penalised_keys
        ]
        self.quantiles = [quantile_function(parameter) for parameter in space.free_parameters]
        pairs = zip(space.free_parameters, self.quantiles, strict=True)
        self.parameters_with_quantiles = [
            parameter for parameter, quantile in pairs if quantile is not None
        ]

    def __bool__(self) -> bool:
        return bool(self.penalties) or any(parameter.prior for parameter in self.parameters)

    def __call__(self, x: Vector) -> float:
        """Return the sum of all priors and penalties.

        As in gammapy, the prior on a linked parameter is added once per model.
        """
        self.space.set(x)
        penalty = sum(model_penalty.stat_sum() for model_penalty in self.penalties)
        return float(self.parameters.prior_stat_sum() + penalty)

    @property
    def has_prior_without_quantile(self) -> bool:
        """Whether the quantiles do not describe all priors and penalties."""
        parameters_with_priors = [
            parameter
            for parameter in self.parameters
            if parameter.prior and not is_fixed(parameter)
        ]
        is_weighted = any(parameter.prior.weight != 1 for parameter in parameters_with_priors)
        n_without_quantile = len(parameters_with_priors) - len(self.parameters_with_quantiles)
        return bool(self.penalties) or is_weighted or n_without_quantile > 0

    def prior_without_quantile(self, x: Vector) -> float:
        """Return the statistic of the priors and penalties that the quantiles do not describe.

        These are penalties and priors without a quantile function. The multiples of priors that
        gammapy adds for linked parameters, or for weights other than 1, are also included. Priors
        of frozen parameters are constant, and not included.

        Parameters
        ----------
        x : array
            The free parameters, shape (n,).

        Returns
        -------
        float
            The sum of their contributions to the statistic.
        """
        total = self(x)
        frozen_stat = sum(
            parameter.prior_stat_sum()
            for parameter in self.parameters
            if parameter.prior and is_fixed(parameter)
        )
        quantile_stat = sum(
            parameter.prior_stat_sum() / parameter.prior.weight
            for parameter in self.parameters_with_quantiles
        )
        return float(total - frozen_stat - quantile_stat)

    def gradient(self, x: Vector) -> Array:
        """Return the gradient of the sum of priors and penalties.

        Parameters
        ----------
        x : array
            The free parameters, shape (n,).

        Returns
        -------
        array
            The gradient, shape (n,).
        """
        return self._differentiate(self, x, np.zeros(len(x)))

    def curvature(self, x: Vector) -> Array:
        """Return the second derivatives of the sum of priors and penalties.

        Parameters
        ----------
        x : array
            The free parameters, shape (n,).

        Returns
        -------
        array
            The second derivatives, shape (n, n).
        """
        matrix = self._differentiate(self.gradient, x, np.zeros((len(x), len(x))))
        return (matrix + matrix.T) / 2

    def _differentiate(
        self, function: Callable[[Vector], float | Array], x: Vector, derivatives: Array
    ) -> Array:
        for position in self.positions:
            low, high = x.copy(), x.copy()
            # a uniform prior is infinite outside its range, which gammapy uses as limits
            ends = x[position] + np.array([-1, 1]) * self.steps[position]
            low[position], high[position] = np.clip(ends, *self.limits[position])
            if (width := high[position] - low[position]) > 0:
                derivatives[position] = (function(high) - function(low)) / width
        return derivatives


def priors_of_other_models(
    space: ParameterSpace, model: SkyModel
) -> list[tuple[float, set[str] | None]]:
    """Return the priors that gammapy includes in flux points: all but those of their spectrum.

    Parameters
    ----------
    space : ParameterSpace
        The parameters of all models.
    model : gammapy.modeling.models.SkyModel
        The source of the flux points.

    Returns
    -------
    list of (float, set of str or None)
        For each model with priors, their sum, and the names of the datasets to which the model
        applies; None for all datasets.
    """
    own_keys = {value_key(parameter) for parameter in model.spectral_model.parameters}
    priors = []
    for other_model in space.models:
        parameters = [p for p in other_model.parameters if value_key(p) not in own_keys and p.prior]
        if parameters:
            total = float(sum(parameter.prior_stat_sum() for parameter in parameters))
            names = other_model.datasets_names
            priors.append((total, None if names is None else set(names)))
    return priors


def quantile_function(parameter: Parameter) -> Quantile | None:
    """Return the inverse cumulative distribution of a parameter's prior between its limits.

    Parameters
    ----------
    parameter : gammapy.modeling.Parameter
        The parameter.

    Returns
    -------
    callable or None
        Function from probabilities, 0 to 1, to values of the parameter. None if there is no prior,
        if its weight is zero, if its distribution is unknown or improper, or if almost none of its
        probability lies between the limits.
    """
    # accessed once: gammapy creates a new scipy distribution at each access, which takes 0.3 ms
    distribution = getattr(parameter.prior, "_random_variable", None)
    if distribution is None or not parameter.prior.weight or not np.isfinite(distribution.ppf(0.5)):
        return None
    low = float(distribution.cdf(_limit_or_default(parameter.min, -np.inf)))
    high = float(distribution.cdf(_limit_or_default(parameter.max, np.inf)))
    return (
        partial(_quantile_between, distribution, low, high)
        if high - low > MIN_PROBABILITY
        else None
    )


def _quantile_between(distribution: Any, low: float, high: float, probability: float) -> float:
    return float(distribution.ppf(low + probability * (high - low)))


def _limit_or_default(limit: float, default: float) -> float:
    return default if np.isnan(limit) else limit
