"""Profiles: the statistic as a function of the norm of one source, the rest held or fitted.

Flux points, light curves, profiles and maps all ask the same of it: the best norm, its errors,
limits and significance. `skyred.likelihood.flux.norm` answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import attrs
import numpy as np

from skyred.likelihood.minimise import Descent, descend
from skyred.likelihood.statistics import TRUNCATION, Cash, WStat

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective

    Array = NDArray[np.float64]

NEWTON_TOLERANCE = 1e-8  # of a fit of the rest: far below what crossings of the statistic need


class NormProfile(Protocol):
    """The statistic along the norm of a source."""

    @property
    def domain(self) -> tuple[float, float]:
        """Return between which norms the statistic is convex."""
        ...

    def stat(self, norm: float) -> float:
        """Give the statistic."""
        ...


class Term(Protocol):
    """What one dataset adds to a profile with the rest held: ``mu = norm * signal + rest``.

    Attributes
    ----------
    domain : tuple of float
        The norms between which it is convex: at the ends a bin with counts has none predicted.
    """

    domain: tuple[float, float]

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
    domain : tuple of float
        The norms between which all bins with counts have some predicted.
    """

    def __init__(self, counts: Array, signal: Array, rest: Array) -> None:
        self.signal, self.rest, self.full = signal, rest, Cash(counts)
        filled = counts > 0
        self.filled = Cash(counts[filled]), signal[filled], rest[filled]
        self.sums = float(signal.sum()), float(rest.sum())
        with np.errstate(all="ignore"):
            # where any bin of the rest is negative by itself, all is clipped bin by bin
            zero = np.where(signal > 0, -rest / signal, np.where(rest < 0, np.inf, -np.inf))
            ends = -rest[filled] / signal[filled]
        self.lowest = float(zero.max(initial=-np.inf)) if signal.min(initial=0) >= 0 else np.inf
        low, high = ends[signal[filled] > 0], ends[signal[filled] < 0]
        self.domain = float(low.max(initial=-np.inf)), float(high.min(initial=np.inf))

    def stat(self, norm: float) -> float:
        """Give the statistic; negative predicted counts count as none, as in gammapy."""
        if norm < self.lowest:
            predicted = norm * self.signal + self.rest
            return self.full.value(predicted, float(predicted.sum()))
        cash, signal, rest = self.filled
        return cash.value(norm * signal + rest, self.npred(norm))

    def slopes(self, norm: float) -> tuple[float, float]:
        """Return the first and second derivative; bins without predicted counts add nothing."""
        cash, signal, rest = self.filled
        predicted = norm * signal + rest
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(predicted > TRUNCATION, signal / predicted, 0)
        total = self.sums[0]
        if norm < self.lowest:
            total = float(self.signal[norm * self.signal + self.rest > 0].sum())
        weighted = cash.counts * ratio
        return float(2 * (total - weighted.sum())), float(2 * weighted @ ratio)

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

    domain = (-np.inf, np.inf)  # the statistic is convex everywhere

    def __init__(self, statistic: WStat, signal: Array, rest: Array) -> None:
        self.statistic, self.signal, self.rest = statistic, signal, rest
        # gammapy counts bins as zero where the statistic is not defined
        self.used = np.isfinite(statistic.alpha) & (statistic.alpha > 0)
        self.empty = self.used & (statistic.on == 0)

    def _signal(self, norm: float) -> Array:
        return norm * self.signal + self.rest

    def stat(self, norm: float) -> float:
        """Give the statistic."""
        return self.statistic.value(self._signal(norm))

    def slopes(self, norm: float) -> tuple[float, float]:
        """Return the first and second derivative."""
        predicted = self._signal(norm)
        slopes = self.statistic.derivatives(predicted)
        first, second = np.where(self.used, slopes.first, 0), np.where(self.used, slopes.second, 0)
        off, alpha = self.statistic.off, self.statistic.alpha
        # so few signal counts that the background alone makes up for them: ``b = -mu / alpha``
        below = self.empty & (predicted < -alpha * off / (1 + alpha))
        first[below] = -2 * (1 / alpha[below] + off[below] / predicted[below])
        second[below] = 2 * off[below] / predicted[below] ** 2
        return float(first @ self.signal), float(second @ self.signal**2)

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

    @property
    def domain(self) -> tuple[float, float]:
        """Return between which norms the statistic is convex."""
        ends = [term.domain for term in self.terms]
        return max(low for low, _ in ends), min(high for _, high in ends)

    @property
    def scale(self) -> float:
        """Return the norm that predicts one count; 1 if there is none."""
        signal = abs(sum(term.excess(1.0) for term in self.terms))
        return 1 / signal if signal > 0 and np.isfinite(1 / signal) else 1.0

    def stat(self, norm: float) -> float:
        """Give the statistic."""
        return sum(term.stat(norm) for term in self.terms) + self.offset

    def slopes(self, norm: float) -> tuple[float, float]:
        """Return its first and second derivative."""
        slopes = [term.slopes(norm) for term in self.terms]
        return sum(first for first, _ in slopes), sum(second for _, second in slopes)

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

    domain = (-np.inf, np.inf)

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
