"""Terms of a profile: the statistic of one dataset as a function of the norm of a source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.statistics import TRUNCATION, Cash, WStat

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


class CashTerm:
    """Term of counts with a known background.

    Parameters
    ----------
    counts : array
        Counts in each bin of the mask, shape (k,).
    signal : array
        Predicted counts of the source at norm one in these bins, shape (k,).
    background : array
        Predicted counts without the source in these bins, shape (k,).

    Attributes
    ----------
    clipping_norm : float
        The norm below which negative predicted counts of some bin have to be set to zero; infinite
        if the signal is negative in any bin.
    domain : tuple of float
        Ends of the range of norms where all bins with counts have positive predicted counts.
    """

    def __init__(self, counts: Array, signal: Array, background: Array) -> None:
        self.signal, self.background, self.cash = signal, background, Cash(counts)
        has_counts = counts > 0
        signal_with_counts, background_with_counts = signal[has_counts], background[has_counts]
        self.bins_with_counts = Cash(counts[has_counts]), signal_with_counts, background_with_counts
        self.total_signal, self.total_background = float(signal.sum()), float(background.sum())
        with np.errstate(all="ignore"):
            # a negative background without signal has to be set to zero at any norm
            zero_norms = np.where(
                signal > 0, -background / signal, np.where(background < 0, np.inf, -np.inf)
            )
            ends = -background_with_counts / signal_with_counts
        is_non_negative = signal.min(initial=0) >= 0
        self.clipping_norm = float(zero_norms.max(initial=-np.inf)) if is_non_negative else np.inf
        low, high = ends[signal_with_counts > 0], ends[signal_with_counts < 0]
        self.domain = float(low.max(initial=-np.inf)), float(high.min(initial=np.inf))

    def stat(self, norm: float) -> float:
        """Return the statistic; negative predicted counts are set to zero, as in gammapy.

        Parameters
        ----------
        norm : float
            The norm.

        Returns
        -------
        float
            The statistic.
        """
        if norm < self.clipping_norm:
            predicted = norm * self.signal + self.background
            return self.cash.value(predicted, float(predicted.sum()))
        cash, signal, background = self.bins_with_counts
        return cash.value(norm * signal + background, self.npred(norm))

    def derivatives(self, norm: float) -> tuple[float, float]:
        """Return the first and second derivative; bins without predicted counts do not contribute.

        Parameters
        ----------
        norm : float
            The norm.

        Returns
        -------
        first : float
            The first derivative.
        second : float
            The second derivative.
        """
        cash, signal, background = self.bins_with_counts
        predicted = norm * signal + background
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(predicted > TRUNCATION, signal / predicted, 0)
        total_signal = self.total_signal
        if norm < self.clipping_norm:
            total_signal = float(self.signal[norm * self.signal + self.background > 0].sum())
        weighted = cash.counts * ratio
        return float(2 * (total_signal - weighted.sum())), float(2 * weighted @ ratio)

    def npred(self, norm: float) -> float:
        """Return the total predicted counts.

        Parameters
        ----------
        norm : float
            The norm.

        Returns
        -------
        float
            Predicted counts, summed over the bins.
        """
        if norm < self.clipping_norm:
            return float(np.maximum(norm * self.signal + self.background, 0).sum())
        return self.excess(norm) + self.total_background

    def excess(self, norm: float) -> float:
        """Return the predicted counts of the source; zero without exposure, even for norm NaN.

        Parameters
        ----------
        norm : float
            The norm.

        Returns
        -------
        float
            Predicted counts, summed over the bins.
        """
        return norm * self.total_signal if self.total_signal else 0.0

    def expected_gain(self, norm: float) -> float:
        """Return the gain in the statistic over norm zero for Asimov data.

        Parameters
        ----------
        norm : float
            The norm.

        Returns
        -------
        float
            The gain.

        References
        ----------
        Cowan et al. 2011, EPJ C 71, 1554.
        """
        counts = np.maximum(norm * self.signal + self.background, 0)
        null = np.maximum(self.background, TRUNCATION)
        logs = np.log(np.maximum(counts, TRUNCATION)) - np.log(null)
        return float(2 * ((null - counts).sum() + counts @ logs))


class WStatTerm:
    """Term of on and off counts.

    Parameters
    ----------
    statistic : WStat
        Statistic of the on and off counts, in each bin of the mask, shape (k,).
    signal : array
        Predicted counts of the source at norm one in these bins, shape (k,).
    other_signal : array
        Predicted counts of other sources in these bins, shape (k,).
    """

    domain = (-np.inf, np.inf)  # the statistic is convex everywhere

    def __init__(self, statistic: WStat, signal: Array, other_signal: Array) -> None:
        self.statistic, self.signal, self.other_signal = statistic, signal, other_signal
        # for other values of alpha, the statistic is undefined, and gammapy sets it to zero
        self.is_defined = np.isfinite(statistic.alpha) & (statistic.alpha > 0)
        self.has_no_counts = self.is_defined & (statistic.on == 0)

    def _signal(self, norm: float) -> Array:
        return norm * self.signal + self.other_signal

    def stat(self, norm: float) -> float:
        """Return the statistic.

        Parameters
        ----------
        norm : float
            The norm.

        Returns
        -------
        float
            The statistic.
        """
        return self.statistic.value(self._signal(norm))

    def derivatives(self, norm: float) -> tuple[float, float]:
        """Return the first and second derivative of the statistic.

        Parameters
        ----------
        norm : float
            The norm.

        Returns
        -------
        first : float
            The first derivative.
        second : float
            The second derivative.
        """
        predicted = self._signal(norm)
        derivatives = self.statistic.derivatives(predicted)
        first = np.where(self.is_defined, derivatives.first, 0)
        second = np.where(self.is_defined, derivatives.second, 0)
        off, alpha = self.statistic.off, self.statistic.alpha
        # in bins with a very negative signal, the background cancels it: ``b = -mu / alpha``
        is_cancelled = self.has_no_counts & (predicted < -alpha * off / (1 + alpha))
        off, alpha, predicted = off[is_cancelled], alpha[is_cancelled], predicted[is_cancelled]
        first[is_cancelled] = -2 * (1 / alpha + off / predicted)
        second[is_cancelled] = 2 * off / predicted**2
        return float(first @ self.signal), float(second @ self.signal**2)

    def _predicted(self, norm: float) -> Array:
        """Return the predicted on counts, with the background at its optimum."""
        signal = self._signal(norm) if self.signal.any() else self.other_signal
        background = np.nan_to_num(self.statistic.alpha * self.statistic.background(signal))
        return np.maximum(signal + background, 0)

    def npred(self, norm: float) -> float:
        """Return the total predicted counts.

        Parameters
        ----------
        norm : float
            The norm.

        Returns
        -------
        float
            Predicted counts, summed over the bins.
        """
        return float(self._predicted(norm).sum())

    def excess(self, norm: float) -> float:
        """Return the predicted counts of the source; zero without exposure, even for norm NaN.

        Parameters
        ----------
        norm : float
            The norm.

        Returns
        -------
        float
            Predicted counts, summed over the bins.
        """
        return float(norm * self.signal.sum()) if self.signal.any() else 0.0

    def expected_gain(self, norm: float) -> float:
        """Return the gain in the statistic over norm zero for Asimov data with the same off counts.

        Parameters
        ----------
        norm : float
            The norm.

        Returns
        -------
        float
            The gain.
        """
        asimov_statistic = attrs.evolve(self.statistic, on=self._predicted(norm))
        return asimov_statistic.value(self.other_signal) - asimov_statistic.value(
            self._signal(norm)
        )
