"""Priors and penalties: evaluated by gammapy, with derivatives by differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from skyred.likelihood.parameters import ParameterSpace, step_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import Vector

    Array = NDArray[np.float64]

SLOPE_STEP = 1e-2  # of a parameter's step: most priors are parabolas, for which any step is exact


class Priors:
    """What the priors of parameters and the penalties of models add to the statistic.

    Parameters
    ----------
    space : ParameterSpace
        The parameters.
    """

    def __init__(self, space: ParameterSpace) -> None:
        self.space, self.parameters = space, space.models.parameters
        self.penalties = tuple(space.models._penalties or ())
        penalised = {id(each) for penalty in self.penalties for each in penalty.parameters}
        self.steps = np.array([SLOPE_STEP * step_of(each) for each in space.free_parameters])
        self.places = [
            place
            for place, each in enumerate(space.free_parameters)
            if each.prior or id(each) in penalised
        ]

    def __bool__(self) -> bool:
        return bool(self.penalties) or any(each.prior for each in self.parameters)

    def __call__(self, x: Vector) -> float:
        """Give what they add; a linked parameter's prior counts for each model, as in gammapy."""
        self.space.set(x)
        penalty = sum(each.stat_sum() for each in self.penalties)
        return float(self.parameters.prior_stat_sum() + penalty)

    def gradient(self, x: Vector) -> Array:
        """Give the gradient, shape (n,)."""
        return self._slope(self, x, np.zeros(len(x)))

    def curvature(self, x: Vector) -> Array:
        """Give the second derivatives, shape (n, n)."""
        matrix = self._slope(self.gradient, x, np.zeros((len(x), len(x))))
        return (matrix + matrix.T) / 2

    def _slope(self, function: Callable[[Vector], float | Array], x: Vector, onto: Array) -> Array:
        for place in self.places:
            step = np.zeros(len(x))
            step[place] = self.steps[place]
            rise = function(x + step) - function(x - step)
            onto[place] = rise / (2 * self.steps[place])
        return onto
