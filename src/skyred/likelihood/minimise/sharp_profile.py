"""The statistic along the parameters of a source with sharp edges, all others at their best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.minimise.differences import gradient_by

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective, SharpSource

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

CORRELATED = 0.03  # from which another parameter is at its best, too
FARTHEST = 6.0  # scales: beyond, the other parameters do not follow linearly
LARGEST_SCALE = 2.0  # pixels
SMALLEST_SCALE = 1e-3
SPREAD = 1.5  # scales, of samples
ALONG, DEGREE = 17, 4  # values, and the polynomial through them that is smooth
UNEVEN = 0.003  # in the statistic: less than what makes another minimum
ROUNDING = 1e-8  # of the statistic
EFFECTIVE = 0.2  # of the samples, which must count for a covariance


@attrs.frozen(eq=False)
class Samples:
    """The statistic at random shifts from a normal distribution of width `SPREAD`.

    Parameters
    ----------
    shifts : array
        In scales, shape (m, k).
    stats : array
        Shape (m,).
    """

    shifts: Array
    stats: Array

    @property
    def lowest(self) -> Array:
        """The shift of the lowest value, shape (k,)."""
        return np.asarray(self.shifts[np.argmin(self.stats)])

    def moments(self) -> tuple[Array, Array]:
        """Return the mean and the covariance of shifts under the likelihood, (k,) and (k, k).

        The samples are weighted by the likelihood over the density that they were drawn from. If
        few of them count, the weights are evened out by a temperature until enough do.
        """
        drawn = 0.5 * np.sum((self.shifts / SPREAD) ** 2, axis=1)
        rises = np.where(np.isfinite(self.stats), self.stats - np.min(self.stats), np.inf)
        logarithms, temperature = drawn - 0.5 * rises, 1.0
        while True:
            weights = np.exp((logarithms - np.max(logarithms)) / temperature)
            weights /= weights.sum()
            if 1 / np.sum(weights**2) >= EFFECTIVE * np.count_nonzero(np.isfinite(rises)):
                break
            temperature *= 1.5
        mean = weights @ self.shifts
        apart = self.shifts - mean
        return mean, (apart * weights[:, None]).T @ apart


class SharpProfile:
    """The statistic as a function of shifts of one source, in scales.

    The other parameters follow by one Newton step, ``-F^-1 g`` with their gradient g and Fisher
    matrix F, which leads to the minimum of a parabola. So an evaluation needs one image of the
    source, and its value is one that the statistic has.

    Parameters
    ----------
    objective : Objective
        Of all n parameters, with derivatives.
    source : SharpSource
        The source, with k parameters.
    values : array
        All parameters, shape (n,), around which the others are at their best.
    fixed : array of int
        Parameters that do not follow: those of other sources with sharp edges.
    scale : array, optional
        From shifts to parameters, shape (k, k); by default by the Fisher matrix.

    Attributes
    ----------
    calls : int
        Evaluations so far.
    """

    def __init__(
        self,
        objective: Objective,
        source: SharpSource,
        values: Array,
        fixed: Index,
        scale: Array | None = None,
    ) -> None:
        self.objective, self.places, self.values = objective, source.places, values
        self.limits = objective.limits.copy()
        self.limits[source.sizes, 0] = np.maximum(self.limits[source.sizes, 0], 0)
        self.calls, self.longest = 1, LARGEST_SCALE * source.pixels
        fisher = objective.fisher(values)
        assert fisher is not None
        self.fisher = np.nan_to_num(fisher)
        self.others = self._correlated(fixed)
        self.gradient = gradient_by(objective, self.others)
        inner = np.ix_(self.others, self.others)
        self.inverse = np.linalg.pinv(self.fisher[inner], hermitian=True)
        self.cross = self.fisher[np.ix_(self.others, self.places)]
        own = self.fisher[np.ix_(self.places, self.places)]
        if scale is None:
            scale = self._by_fisher(own - self.cross.T @ self.inverse @ self.cross)
        widths = np.sqrt(np.sum(scale**2, axis=1))
        self.scale = scale * np.minimum(1, self.longest / widths)[:, None]

    def _correlated(self, fixed: Index) -> Index:
        own = np.sqrt(np.where(np.diag(self.fisher) > 0, np.diag(self.fisher), np.inf))
        correlation = np.abs(self.fisher / np.outer(own, own))
        linked = np.asarray(np.any(correlation[self.places] > CORRELATED, axis=0))
        linked[self.places] = linked[fixed] = False
        at_limit = np.any(self.values[:, None] == self.objective.limits, axis=1)
        return np.flatnonzero(linked & ~at_limit)

    def _by_fisher(self, curvature: Array) -> Array:
        """Return the matrix from errors to parameters, shape (k, k)."""
        values, axes = np.linalg.eigh(curvature * np.outer(self.longest, self.longest))
        errors = np.sqrt(2 / np.maximum(values, 2.0))
        return np.asarray(self.longest[:, None] * axes * np.maximum(errors, SMALLEST_SCALE))

    def __call__(self, shift: Array) -> float:
        """Return the statistic at a shift from the values, shape (k,); infinite if far away."""
        point = self._moved(shift)
        low, high = self.limits.T
        if np.linalg.norm(shift) > FARTHEST or np.any((point < low) | (point > high)):
            return np.inf
        self.calls += 2
        stat = self.objective.total(self._with_others(point))
        return stat if np.isfinite(stat) else np.inf

    def _moved(self, shift: Array) -> Array:
        point = self.values.copy()
        point[self.places] += self.scale @ shift
        return point

    def _with_others(self, point: Array) -> Array:
        if not len(self.others):
            return point
        moved = point.copy()
        moved[self.others] -= self.inverse @ self.gradient(point)
        return np.clip(moved, *self.objective.limits.T)

    def point(self, shift: Array) -> Array:
        """Return all parameters at a shift, shape (n,)."""
        return self._with_others(self._moved(shift))

    @property
    def is_uneven(self) -> bool:
        """Whether the statistic is not smooth within an error, along any direction."""
        steps = np.linspace(-1, 1, ALONG)
        for direction in np.eye(len(self.places)):
            stats = np.array([self(step * direction) for step in steps])
            if not np.isfinite(stats).all():
                return True
            smooth = np.polyval(np.polyfit(steps, stats, DEGREE), steps)
            if np.std(stats - smooth) > max(UNEVEN, ROUNDING * np.abs(stats).max()):
                return True
        return False

    def sample(self, random: np.random.Generator, number: int) -> Samples:
        """Evaluate the statistic at random shifts; the first is none."""
        shifts = SPREAD * random.normal(size=(number, len(self.places)))
        shifts[0] = 0
        return Samples(shifts, np.array([self(shift) for shift in shifts]))

    def scaled_to(self, covariance: Array) -> Array:
        """Return the scale for a covariance of shifts, shape (k, k)."""
        return np.asarray(self.scale @ np.linalg.cholesky(covariance))
