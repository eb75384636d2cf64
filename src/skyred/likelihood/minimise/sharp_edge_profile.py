"""Profiles of the statistic for the parameters of a source with sharp edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.minimise.correlations import correlated_with, fisher_correlations
from skyred.likelihood.minimise.differences import gradient_by

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective, SharpEdgedSource

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

MAX_SHIFT = 6.0  # in units of the scale; the other parameters are not linear in larger shifts
MAX_SCALE = 2.0  # pixels
MIN_SCALE = 1e-3  # in units of the largest scale
SPREAD = 1.5  # standard deviation of the samples, in units of the scale
N_VALUES, DEGREE = 17, 4  # number of values, and degree of the polynomial that is fitted to them
MAX_RESIDUAL = 0.003  # in the statistic: smaller residuals do not create other minima
ROUNDING = 1e-8  # of the statistic: smaller residuals are rounding errors
MIN_EFFECTIVE_FRACTION = 0.2  # effective number of samples, relative to their number


@attrs.frozen(eq=False)
class Samples:
    """The statistic at random shifts from a normal distribution of width `SPREAD`.

    Parameters
    ----------
    shifts : array
        The shifts, in units of the scale, shape (m, k).
    stats : array
        The statistic, shape (m,).
    others : array
        Values of the q fitted parameters at the shifts, shape (m, q).
    """

    shifts: Array
    stats: Array
    others: Array

    @property
    def lowest(self) -> Array:
        """The shift with the lowest statistic, shape (k,)."""
        return np.asarray(self.shifts[np.argmin(self.stats)])

    def weights(self) -> Array:
        """Return the ratios of likelihood and sampling density, normalised to a sum of one.

        If few samples dominate the sum, the logarithms of the weights are divided by a temperature.

        Returns
        -------
        array
            Weights, shape (m,).
        """
        minus_log_density = 0.5 * np.sum((self.shifts / SPREAD) ** 2, axis=1)
        rises = np.where(np.isfinite(self.stats), self.stats - np.min(self.stats), np.inf)
        logarithms, temperature = minus_log_density - 0.5 * rises, 1.0
        while True:
            weights = np.exp((logarithms - np.max(logarithms)) / temperature)
            weights /= weights.sum()
            if 1 / np.sum(weights**2) >= MIN_EFFECTIVE_FRACTION * np.count_nonzero(
                np.isfinite(rises)
            ):
                return np.asarray(weights)
            temperature *= 1.5

    def moments(self) -> tuple[Array, Array]:
        """Return the mean and the covariance of the shifts under the likelihood.

        Returns
        -------
        mean : array
            The mean, in units of the scale, shape (k,).
        covariance : array
            The covariance, in squared units of the scale, shape (k, k).
        """
        weights = self.weights()
        return weights @ self.shifts, _covariance(weights, self.shifts, self.shifts)

    def covariance_of_others(self) -> tuple[Array, Array]:
        """Return the part of the covariance of the fitted parameters that is due to the shifts.

        Returns
        -------
        cross : array
            The covariance with the shifts, in units of the scale, shape (q, k).
        covariance : array
            The covariance of the fitted parameters, shape (q, q).
        """
        weights = self.weights()
        cross = _covariance(weights, self.others, self.shifts)
        return cross, _covariance(weights, self.others, self.others)


def _covariance(weights: Array, first: Array, second: Array) -> Array:
    deviations = first - weights @ first
    return np.asarray((deviations * weights[:, None]).T @ (second - weights @ second))


class SharpEdgeProfile:
    """The statistic as a function of shifts of one source, in units of `scale`.

    The other parameters are fitted by one Newton step, ``-F^-1 g``, with their gradient g and
    Fisher matrix F. If the statistic is parabolic, the step ends at the minimum. An evaluation
    needs only one image of the source, since g excludes the parameters of the source itself.

    Parameters
    ----------
    objective : Objective
        The objective of all n parameters, with derivatives.
    source : SharpEdgedSource
        The source, with k parameters.
    values : array
        Values of all parameters, shape (n,), with the other parameters at their minimum.
    fixed : array of int
        Indices of the parameters that are not fitted: those of other sources with sharp edges.
    scale : array, optional
        The matrix that converts shifts to parameters, shape (k, k); by default it is computed from
        the Fisher matrix.

    Attributes
    ----------
    indices : array of int
        Indices of the parameters of the source, shape (k,).
    calls : int
        Number of calls of the objective and its derivatives so far.
    """

    def __init__(
        self,
        objective: Objective,
        source: SharpEdgedSource,
        values: Array,
        fixed: Index,
        scale: Array | None = None,
    ) -> None:
        self.objective, self.indices, self.values = objective, source.indices, values
        self.limits = objective.limits.copy()
        self.limits[source.sizes, 0] = np.maximum(self.limits[source.sizes, 0], 0)
        self.calls, self.max_scale = 1, MAX_SCALE * source.pixels
        fisher = objective.fisher(values)
        assert fisher is not None
        self.fisher = np.nan_to_num(fisher)
        self.others = self._select_correlated(fixed)
        self.gradient = gradient_by(objective, self.others)
        others_block = np.ix_(self.others, self.others)
        self.inverse = np.linalg.pinv(self.fisher[others_block], hermitian=True)
        self.cross = self.fisher[np.ix_(self.others, self.indices)]
        own = self.fisher[np.ix_(self.indices, self.indices)]
        if scale is None:
            scale = self._scale_from_fisher(own - self.cross.T @ self.inverse @ self.cross)
        widths = np.sqrt(np.sum(scale**2, axis=1))
        self.scale = scale * np.minimum(1, self.max_scale / widths)[:, None]

    def _select_correlated(self, fixed: Index) -> Index:
        at_limit = np.any(self.values[:, None] == self.objective.limits, axis=1)
        correlated = correlated_with(fisher_correlations(self.fisher), self.indices)
        return np.setdiff1d(correlated[~at_limit[correlated]], [*self.indices, *fixed])

    def _scale_from_fisher(self, curvature: Array) -> Array:
        """Return the matrix that converts shifts, in units of the errors, to parameters."""
        values, axes = np.linalg.eigh(curvature * np.outer(self.max_scale, self.max_scale))
        errors = np.sqrt(2 / np.maximum(values, 2.0))
        return np.asarray(self.max_scale[:, None] * axes * np.maximum(errors, MIN_SCALE))

    def __call__(self, shift: Array) -> float:
        """Return the statistic at a shift from `values`.

        Parameters
        ----------
        shift : array
            The shift, in units of the scale, shape (k,).

        Returns
        -------
        float
            The statistic; infinity if it is not finite, if the shift is too large, or if a
            parameter is outside its limits.
        """
        return self._evaluate(shift)[0]

    def _evaluate(self, shift: Array) -> tuple[float, Array]:
        """Return the statistic and all parameters at a shift, with the other parameters fitted."""
        point = self._shift(shift)
        low, high = self.limits.T
        if np.linalg.norm(shift) > MAX_SHIFT or np.any((point < low) | (point > high)):
            return np.inf, self.values
        self.calls += 2
        point = self._fit_others(point)
        stat = self.objective.total(point)
        return stat if np.isfinite(stat) else np.inf, point

    def _shift(self, shift: Array) -> Array:
        point = self.values.copy()
        point[self.indices] += self.scale @ shift
        return point

    def _fit_others(self, point: Array) -> Array:
        if not len(self.others):
            return point
        fitted = point.copy()
        fitted[self.others] -= self.inverse @ self.gradient(point)
        return np.clip(fitted, *self.objective.limits.T)

    def point(self, shift: Array) -> Array:
        """Return all parameters at a shift.

        Parameters
        ----------
        shift : array
            The shift, in units of the scale, shape (k,).

        Returns
        -------
        array
            The parameters, shape (n,).
        """
        return self._fit_others(self._shift(shift))

    @property
    def is_non_smooth(self) -> bool:
        """Whether the statistic is not smooth within an error, along any direction."""
        steps = np.linspace(-1, 1, N_VALUES)
        for direction in np.eye(len(self.indices)):
            stats = np.array([self(step * direction) for step in steps])
            if not np.isfinite(stats).all():
                return True
            polynomial = np.polyval(np.polyfit(steps, stats, DEGREE), steps)
            if np.std(stats - polynomial) > max(MAX_RESIDUAL, ROUNDING * np.abs(stats).max()):
                return True
        return False

    def sample(self, random: np.random.Generator, n_samples: int) -> Samples:
        """Evaluate the statistic at random shifts.

        Parameters
        ----------
        random : numpy.random.Generator
            The random number generator.
        n_samples : int
            Number of samples, m; the first is at zero shift.

        Returns
        -------
        Samples
            The shifts and the statistic.
        """
        shifts = SPREAD * random.normal(size=(n_samples, len(self.indices)))
        shifts[0] = 0
        stats, others = np.empty(n_samples), np.empty((n_samples, len(self.others)))
        for row, shift in enumerate(shifts):
            stats[row], point = self._evaluate(shift)
            others[row] = point[self.others]
        return Samples(shifts, stats, others)

    def rescale(self, covariance: Array) -> Array:
        """Return the scale in which shifts of this covariance have unit covariance.

        Parameters
        ----------
        covariance : array
            The covariance, in squared units of the scale, shape (k, k).

        Returns
        -------
        array
            The matrix that converts the new shifts to parameters, shape (k, k).
        """
        return np.asarray(self.scale @ np.linalg.cholesky(covariance))
