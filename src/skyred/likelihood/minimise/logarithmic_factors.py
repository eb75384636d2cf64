"""Logarithms of amplitudes and norms, to make their correlations with other parameters linear."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.interfaces.objective import Conditional

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

MIN_SIGNIFICANCE = 5.0  # of the flux, in units of its error with all other parameters fixed


class LogarithmicFactors:
    """Transformation of an objective to logarithms of amplitudes and norms.

    The flux of a spectrum is the product of its amplitude and powers of the energy. If the data are
    far from the reference energy, the best amplitude is an exponential function of the other
    parameters, and its logarithm a linear function.

    Parameters
    ----------
    objective : Objective
        The objective to transform, with gradient and Fisher matrix.
    x : array
        A point near the minimum, shape (n,).

    Attributes
    ----------
    objective : Objective
        The objective as a function of the new parameters: for `factors`, the logarithms of the
        ratios to their values in `x`; the other parameters are unchanged.
    start : array
        The point `x` in the new parameters, shape (n,).
    scale : array
        Derivatives at `x` of the original parameters with respect to the new ones, shape (n,).
    factors : array of bool
        Mask of the parameters that are replaced by logarithms, shape (n,).
    """

    def __init__(self, objective: Objective, x: Array) -> None:
        self.original, self.x = objective, x
        factors = np.zeros(len(x), dtype=bool) if objective.factors is None else objective.factors
        low, high = objective.limits.T
        self.factors = factors & (x > 0) & (np.isinf(low) | (low <= 0)) & np.isinf(high)
        if self.factors.any():
            fisher = objective.fisher(x)
            assert fisher is not None
            # not for weak sources: their flux may become zero, where the logarithm is undefined
            self.factors &= x * np.sqrt(np.maximum(np.diag(fisher), 0) / 2) > MIN_SIGNIFICANCE
        self.scale = np.where(self.factors, x, 1.0)
        self.start = np.where(self.factors, 0.0, x)
        self.objective = self._transform() if self.factors.any() else objective

    def _transform(self) -> Objective:
        original = self.original
        limits = original.limits.copy()
        limits[self.factors] = [-np.inf, np.inf]
        steps = np.abs(self.x) if original.steps is None else original.steps
        return attrs.evolve(
            original,
            start=self.start,
            limits=limits,
            steps=steps / self.scale,
            stat=lambda u: original.stat(self.to_parameters(u)),
            prior=None
            if original.prior is None
            else lambda u: original.prior_stat(self.to_parameters(u)),
            gradient_of=self._gradient,
            fisher_of=self._fisher,
            condition=None if original.condition is None else self._with_fixed_parameters,
            gradient_by=None,
            grids=(),
            sharp=None,
            refresh=None,
            relocate=None,
            on_accept=None,
        )

    def to_parameters(self, u: Array) -> Array:
        """Return the original parameters.

        Parameters
        ----------
        u : array
            The new parameters, shape (n,).

        Returns
        -------
        array
            The original parameters, shape (n,).
        """
        return np.where(self.factors, self.x * np.exp(np.where(self.factors, u, 0)), u)

    def _parameters_and_derivatives(self, u: Array) -> tuple[Array, Array]:
        """Return the original parameters, and their derivatives with respect to the new ones."""
        x = self.to_parameters(u)
        return x, np.where(self.factors, x, 1.0)

    def _gradient(self, u: Array) -> Array:
        x, derivatives = self._parameters_and_derivatives(u)
        gradient = self.original.gradient(x)
        assert gradient is not None
        return np.asarray(gradient) * derivatives

    def _fisher(self, u: Array) -> Array:
        x, derivatives = self._parameters_and_derivatives(u)
        fisher = self.original.fisher(x)
        assert fisher is not None
        return np.asarray(fisher) * np.outer(derivatives, derivatives)

    def _with_fixed_parameters(self, indices: Index, values: Array) -> Conditional:
        """Return the statistic as a function of some parameters, with the others fixed."""
        assert self.original.condition is not None
        statistic = self.original.condition(indices, self.to_parameters(values))

        def gradient_of(u: Array) -> Array:
            x, derivatives = self._parameters_and_derivatives(u)
            return np.asarray(statistic.gradient_of(x)) * derivatives[indices]

        def fisher_of(u: Array) -> Array:
            x, derivatives = self._parameters_and_derivatives(u)
            return np.asarray(statistic.fisher_of(x)) * np.outer(
                derivatives[indices], derivatives[indices]
            )

        return Conditional(lambda u: statistic.stat(self.to_parameters(u)), gradient_of, fisher_of)
