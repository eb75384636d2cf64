"""Priors and penalties: evaluated by gammapy, with derivatives by differences, and for samplers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.likelihood.parameters import ParameterSpace, is_fixed, step_of, value_key

if TYPE_CHECKING:
    from gammapy.modeling import Parameter
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import Vector

    Array = NDArray[np.float64]
    Quantile = Callable[[float], float]

SLOPE_STEP = 1e-2  # of a parameter's step: most priors are parabolas, for which any step is exact
LEAST = 1e-6  # of a prior, between limits: of less, quantiles would have too few digits


class Priors:
    """What the priors of parameters and the penalties of models add to the statistic.

    Parameters
    ----------
    space : ParameterSpace
        The parameters.

    Attributes
    ----------
    quantiles : list of (callable or None)
        For each free parameter the inverse cumulative distribution of its prior, between its
        limits; None where there is none, or none is known.
    """

    def __init__(self, space: ParameterSpace) -> None:
        self.space, self.parameters = space, space.models.parameters
        self.penalties = tuple(space.models._penalties or ())
        penalised = {value_key(each) for penalty in self.penalties for each in penalty.parameters}
        self.steps = np.array([SLOPE_STEP * step_of(each) for each in space.free_parameters])
        self.limits = np.array(space.limits())
        self.places = [
            place
            for place, each in enumerate(space.free_parameters)
            if each.prior or value_key(each) in penalised
        ]
        self.quantiles = [quantile_of(each) for each in space.free_parameters]
        known = zip(space.free_parameters, self.quantiles, strict=True)
        self.sampled = [parameter for parameter, quantile in known if quantile is not None]

    def __bool__(self) -> bool:
        return bool(self.penalties) or any(each.prior for each in self.parameters)

    def __call__(self, x: Vector) -> float:
        """Give what they add; a linked parameter's prior counts for each model, as in gammapy."""
        self.space.set(x)
        penalty = sum(each.stat_sum() for each in self.penalties)
        return float(self.parameters.prior_stat_sum() + penalty)

    @property
    def has_prior_without_quantile(self) -> bool:
        """Whether they add anything that is not in the quantiles."""
        priors = [each for each in self.parameters if each.prior and not is_fixed(each)]
        plain = all(each.prior.weight == 1 for each in priors)
        return bool(self.penalties) or not plain or len(priors) > len(self.sampled)

    def prior_without_quantile(self, x: Vector) -> float:
        """Give what they add beyond the quantiles.

        That is penalties, priors whose quantiles are not known, and all but one time of a prior
        that counts more often: of several models, or by its weight. Priors of frozen parameters
        are constant, and left out.
        """
        total = self(x)
        held = [each for each in self.parameters if each.prior and is_fixed(each)]
        frozen = sum(each.prior_stat_sum() for each in held)
        once = sum(each.prior_stat_sum() / each.prior.weight for each in self.sampled)
        return float(total - frozen - once)

    def gradient(self, x: Vector) -> Array:
        """Give the gradient, shape (n,)."""
        return self._slope(self, x, np.zeros(len(x)))

    def curvature(self, x: Vector) -> Array:
        """Give the second derivatives, shape (n, n)."""
        matrix = self._slope(self.gradient, x, np.zeros((len(x), len(x))))
        return (matrix + matrix.T) / 2

    def _slope(self, function: Callable[[Vector], float | Array], x: Vector, onto: Array) -> Array:
        for place in self.places:
            low, high = x.copy(), x.copy()
            # a uniform prior is infinite beyond its ends, which are limits of the parameter
            ends = x[place] + np.array([-1, 1]) * self.steps[place]
            low[place], high[place] = np.clip(ends, *self.limits[place])
            if (width := high[place] - low[place]) > 0:
                onto[place] = (function(high) - function(low)) / width
        return onto


def quantile_of(parameter: Parameter) -> Quantile | None:
    """Give the inverse cumulative distribution of a parameter's prior, between its limits.

    Returns
    -------
    callable or None
        From 0 .. 1 to values of the parameter; None if it has no prior, one whose distribution is
        not known or cannot be normalised, or one that is next to nothing between the limits.
    """
    # kept, since gammapy makes this distribution of scipy anew at each access: 0.3 ms
    known = getattr(parameter.prior, "_random_variable", None)
    if known is None or not parameter.prior.weight or not np.isfinite(known.ppf(0.5)):
        return None
    low = float(known.cdf(_finite(parameter.min, -np.inf)))
    high = float(known.cdf(_finite(parameter.max, np.inf)))
    return partial(_between, known, low, high) if high - low > LEAST else None


def _between(known: Any, low: float, high: float, q: float) -> float:
    return float(known.ppf(low + q * (high - low)))


def _finite(limit: float, otherwise: float) -> float:
    return otherwise if np.isnan(limit) else limit
