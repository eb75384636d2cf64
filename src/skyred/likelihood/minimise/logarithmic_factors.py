"""Logarithms of amplitudes and norms, in which the valleys of spectra are straight."""

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

SIGNIFICANT = 5.0  # errors, with all else fixed


class LogarithmicFactors:
    """An objective with the logarithms of amplitudes and norms in their place.

    The flux of a spectrum is a product of its amplitude and of powers of the energy: far from the
    reference energy an amplitude is known to a factor only, and goes with the exponential of the
    other parameters. Its logarithm goes with them along a line.

    Parameters
    ----------
    objective : Objective
        With gradient and Fisher matrix.
    x : array
        The minimum, shape (n,).

    Attributes
    ----------
    objective : Objective
        Of the logarithms of the ratios to that minimum.
    start, scale : array
        The minimum in its parameters, and the derivatives of the old ones by them, shape (n,).
    """

    def __init__(self, objective: Objective, x: Array) -> None:
        self.plain, self.x = objective, x
        factors = np.zeros(len(x), dtype=bool) if objective.factors is None else objective.factors
        low, high = objective.limits.T
        self.factors = factors & (x > 0) & (np.isinf(low) | (low <= 0)) & np.isinf(high)
        if self.factors.any():
            fisher = objective.fisher(x)
            assert fisher is not None
            # a weak source may be without flux, where there is no logarithm
            self.factors &= x * np.sqrt(np.maximum(np.diag(fisher), 0) / 2) > SIGNIFICANT
        self.scale = np.where(self.factors, x, 1.0)
        self.start = np.where(self.factors, 0.0, x)
        self.objective = self._transform() if self.factors.any() else objective

    def _transform(self) -> Objective:
        plain = self.plain
        limits = plain.limits.copy()
        limits[self.factors] = [-np.inf, np.inf]
        steps = np.abs(self.x) if plain.steps is None else plain.steps
        return attrs.evolve(
            plain,
            start=self.start,
            limits=limits,
            steps=steps / self.scale,
            stat=lambda u: plain.stat(self.to_plain(u)),
            prior=None if plain.prior is None else lambda u: plain.prior_stat(self.to_plain(u)),
            gradient_of=self._gradient,
            fisher_of=self._fisher,
            condition=None if plain.condition is None else self._condition,
            gradient_by=None,
            grids=(),
            sharp=None,
            refresh=None,
            relocate=None,
            on_accept=None,
        )

    def to_plain(self, u: Array) -> Array:
        """Return the parameters of the models, shape (n,)."""
        return np.where(self.factors, self.x * np.exp(np.where(self.factors, u, 0)), u)

    def _slope(self, u: Array) -> tuple[Array, Array]:
        plain = self.to_plain(u)
        return plain, np.where(self.factors, plain, 1.0)

    def _gradient(self, u: Array) -> Array:
        x, slope = self._slope(u)
        gradient = self.plain.gradient(x)
        assert gradient is not None
        return np.asarray(gradient) * slope

    def _fisher(self, u: Array) -> Array:
        x, slope = self._slope(u)
        fisher = self.plain.fisher(x)
        assert fisher is not None
        return np.asarray(fisher) * np.outer(slope, slope)

    def _condition(self, places: Index, values: Array) -> Conditional:
        assert self.plain.condition is not None
        some = self.plain.condition(places, self.to_plain(values))

        def gradient_of(u: Array) -> Array:
            x, slope = self._slope(u)
            return np.asarray(some.gradient_of(x)) * slope[places]

        def fisher_of(u: Array) -> Array:
            x, slope = self._slope(u)
            return np.asarray(some.fisher_of(x)) * np.outer(slope[places], slope[places])

        return Conditional(lambda u: some.stat(self.to_plain(u)), gradient_of, fisher_of)
