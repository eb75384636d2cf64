"""Profiles: the statistic as a function of the norm of one source, the rest held or fitted.

Flux points, light curves, profiles and maps all ask the same of it: the best norm, its errors,
limits and significance. `skyred.likelihood.norms.norm` answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import attrs
import numpy as np

from skyred.likelihood.statistics import TRUNCATION, Cash, WStat
from skyred.minimise import Descent, descend

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.objective import Objective

    Array = NDArray[np.float64]

NEWTON_TOLERANCE = 1e-8  # of a fit of the rest: far below what crossings of the statistic need
SLOPE_STEP = 1e-4  # of the norm's range of interest, where counts are clipped


class Profile(Protocol):
    """The statistic along the norm of a source."""

    def stat(self, norm: float) -> float:
        """Give the statistic."""
        ...


class Term(Protocol):
    """What one dataset adds to a profile with the rest held: ``mu = norm * signal + rest``."""

    def stat(self, norm: float) -> float:
        """Give the statistic."""
        ...

    def slopes(self, norm: float) -> tuple[float, float]:
        """Give its first and second derivative."""
        ...

    def npred(self, norm: float) -> float:
        """Give all predicted counts."""
        ...

    def excess(self, norm: float) -> float:
        """Give those of the source."""
        ...

    def asimov(self, norm: float) -> float:
        """Give the gain over norm zero, if the counts were those that the norm predicts."""
        ...


class CashTerm:
    """A term of counts on a known background.

    Parameters
    ----------
    counts, signal, rest : array
        Counts, and those predicted at norm one by the source and by the rest, in each bin of the
        mask, shape (k,).

    Attributes
    ----------
    lowest : float
        The norm below which the predicted counts of some bin would be negative.
    """

    def __init__(self, counts: Array, signal: Array, rest: Array) -> None:
        self.signal, self.rest, self.full = signal, rest, Cash(counts)
        filled = counts > 0
        self.filled = Cash(counts[filled]), signal[filled], rest[filled]
        self.sums = float(signal.sum()), float(rest.sum())
        with np.errstate(all="ignore"):
            # where any bin of the rest is negative by itself, all is clipped bin by bin
            zero = np.where(signal > 0, -rest / signal, np.where(rest < 0, np.inf, -np.inf))
        self.lowest = float(zero.max(initial=-np.inf)) if signal.min(initial=0) >= 0 else np.inf

    def stat(self, norm: float) -> float:
        """Give the statistic; negative predicted counts count as none, as in gammapy."""
        if norm < self.lowest:
            predicted = norm * self.signal + self.rest
            return self.full.value(predicted, float(predicted.sum()))
        cash, signal, rest = self.filled
        return cash.value(norm * signal + rest, self.npred(norm))

    def slopes(self, norm: float) -> tuple[float, float]:
        """Give the first and second derivative."""
        if norm < self.lowest:
            return _differences(self.stat, norm)
        cash, signal, rest = self.filled
        slopes = cash.derivatives(norm * signal + rest)
        first = slopes.first @ signal + slopes.total * self.sums[0]
        return float(first), float(slopes.second @ signal**2)

    def npred(self, norm: float) -> float:
        """Give all predicted counts."""
        if norm < self.lowest:
            return float(np.maximum(norm * self.signal + self.rest, 0).sum())
        return self.excess(norm) + self.sums[1]

    def excess(self, norm: float) -> float:
        """Give those of the source: none without exposure, though the norm is NaN."""
        return norm * self.sums[0] if self.sums[0] else 0.0

    def asimov(self, norm: float) -> float:
        """Give the gain over norm zero on the Asimov data (Cowan et al. 2011, EPJ C 71, 1554)."""
        counts = np.maximum(norm * self.signal + self.rest, 0)
        null = np.maximum(self.rest, TRUNCATION)
        logs = np.log(np.maximum(counts, TRUNCATION)) - np.log(null)
        return float(2 * ((null - counts).sum() + counts @ logs))


class WStatTerm:
    """A term of counts on and off the source.

    Parameters
    ----------
    statistic : WStat
        Counts on and off, in each bin of the mask, shape (k,).
    signal, rest : array
        What the source at norm one, and other sources, predict in them, shape (k,).
    """

    def __init__(self, statistic: WStat, signal: Array, rest: Array) -> None:
        self.statistic, self.signal, self.rest = statistic, signal, rest

    def _signal(self, norm: float) -> Array:
        return norm * self.signal + self.rest

    def stat(self, norm: float) -> float:
        """Give the statistic."""
        return self.statistic.value(self._signal(norm))

    def slopes(self, norm: float) -> tuple[float, float]:
        """Give the first and second derivative."""
        slopes = self.statistic.derivatives(self._signal(norm))
        return float(slopes.first @ self.signal), float(slopes.second @ self.signal**2)

    def _predicted(self, norm: float) -> Array:
        """Give the predicted counts on the source, with the background at its optimum."""
        signal = self._signal(norm) if self.signal.any() else self.rest
        background = np.nan_to_num(self.statistic.alpha * self.statistic.background(signal))
        return np.maximum(signal + background, 0)

    def npred(self, norm: float) -> float:
        """Give all predicted counts."""
        return float(self._predicted(norm).sum())

    def excess(self, norm: float) -> float:
        """Give those of the source: none without exposure, though the norm is NaN."""
        return float(norm * self.signal.sum()) if self.signal.any() else 0.0

    def asimov(self, norm: float) -> float:
        """Give the gain over norm zero on the Asimov data: counts off are as they were."""
        asimov = attrs.evolve(self.statistic, on=self._predicted(norm))
        return asimov.value(self.rest) - asimov.value(self._signal(norm))


def _differences(stat: object, norm: float) -> tuple[float, float]:
    step = SLOPE_STEP * max(abs(norm), 1e-2)
    low, here, high = (stat(norm + side * step) for side in (-1, 0, 1))  # type: ignore[operator]
    return (high - low) / (2 * step), (high + low - 2 * here) / step**2


@attrs.define(eq=False)
class Held:
    """A profile with the rest held.

    Parameters
    ----------
    terms : sequence of Term
        One a dataset.
    offset : float
        What priors add.
    """

    terms: Sequence[Term]
    offset: float = 0.0

    def stat(self, norm: float) -> float:
        """Give the statistic."""
        return sum(term.stat(norm) for term in self.terms) + self.offset

    def slopes(self, norm: float) -> tuple[float, float]:
        """Give its first and second derivative."""
        each = [term.slopes(norm) for term in self.terms]
        return sum(first for first, _ in each), sum(second for _, second in each)

    def asimov(self, norm: float) -> float:
        """Give the gain over norm zero, if the counts were those that the norm predicts."""
        return sum(term.asimov(norm) for term in self.terms)


class Refitted:
    """A profile with the rest at its best for each norm.

    Parameters
    ----------
    objective : Objective
        Of the norm and the rest, with gradient and Fisher matrix.
    index : int
        Which of its parameters is the norm.
    """

    def __init__(self, objective: Objective, index: int) -> None:
        self.objective, self.index = objective, index
        self.near = objective.start

    def rest(self, norm: float) -> Descent:
        """Fit the rest."""
        limits = self.objective.limits.copy()
        limits[self.index] = norm
        start = self.near.copy()
        start[self.index] = norm
        held = attrs.evolve(self.objective, limits=limits, start=start)
        found = descend(held, NEWTON_TOLERANCE)
        self.near = found.x
        return found

    def stat(self, norm: float) -> float:
        """Give the statistic."""
        return self.objective.total(self.rest(norm).x)
