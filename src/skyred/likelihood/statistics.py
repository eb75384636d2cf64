"""Fit statistics of counts and flux points, with derivatives with respect to the predictions.

The formulas and the treatment of empty bins are those of `gammapy.stats`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import attrs
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.bins import Bins

    Array = NDArray[np.float64]

TRUNCATION = 1e-25  # gammapy's smallest predicted counts
LARGEST_SIGNAL = 1e150  # counts: the squares of larger numbers are not finite


class Derivatives(NamedTuple):
    """Derivatives of a statistic with respect to the predicted counts.

    Parameters
    ----------
    first, second : array
        Derivatives with respect to the counts in each selected bin, shape (k,).
    total : float
        Derivative with respect to the sum of the counts over the mask.
    """

    first: Array
    second: Array
    total: float


@attrs.define(eq=False)
class Cash:
    """Statistic of counts with a known background: ``2 (sum mu - sum n log mu)``.

    Only bins with counts need a logarithm. The sum of the predicted counts over all bins is linear
    in the flux; callers compute it and pass it as an argument.

    Parameters
    ----------
    counts : array
        Counts in the selected bins, shape (k,).

    References
    ----------
    Cash 1979, ApJ 228, 939.
    """

    counts: Array

    def value(self, predicted: Array, total: float) -> float:
        """Return the statistic; negative predicted counts are set to zero, as in gammapy.

        Parameters
        ----------
        predicted : array
            Predicted counts in the selected bins, shape (k,).
        total : float
            Predicted counts summed over the mask.

        Returns
        -------
        float
            The statistic.
        """
        if predicted.size and predicted.min() < 0:
            total -= predicted[predicted < 0].sum()
        logs = np.log(np.maximum(predicted, TRUNCATION))
        return float(2 * (total - self.counts @ logs))

    def derivatives(self, predicted: Array) -> Derivatives:
        """Return the derivatives of `value`, including its truncation.

        Below the truncation value the logarithm is constant, ``log(TRUNCATION)``, and its
        derivative zero. In bins where negative predicted counts are set to zero, the derivative of
        the sum is also zero.

        Parameters
        ----------
        predicted : array
            Predicted counts in the selected bins, shape (k,).

        Returns
        -------
        Derivatives
            The derivatives.
        """
        is_predicted = predicted > TRUNCATION
        if is_predicted.all():
            ratio = self.counts / predicted
            return Derivatives(-2 * ratio, 2 * ratio / predicted, 2.0)
        positive = np.where(is_predicted, predicted, 1.0)
        ratio = np.where(is_predicted, self.counts / positive, 0.0)
        first = np.where(predicted < 0, -2.0, -2 * ratio)  # cancels the derivative of the sum
        return Derivatives(first, 2 * ratio / positive, 2.0)


@attrs.define(eq=False)
class WStat:
    """Statistic of on and off counts, with the background profiled in each bin.

    Parameters
    ----------
    on, off : array
        On and off counts, shape (k,).
    alpha : array
        Ratio of on to off acceptance, shape (k,).

    References
    ----------
    XSPEC manual, appendix B.

    M. de Naurois, habilitation, p. 141.
    """

    on: Array
    off: Array
    alpha: Array
    constant: Array = attrs.field(init=False)
    linear: Array = attrs.field(init=False)
    denominator: Array = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        from gammapy.stats import get_wstat_gof_terms

        self.constant = get_wstat_gof_terms(self.on, self.off)
        with np.errstate(over="ignore"):  # alpha is the largest float if the off acceptance is zero
            self.linear = self.alpha * (self.on + self.off)
            self.denominator = 2 * self.alpha * (1 + self.alpha)

    def select(self, bins: Bins) -> WStat:
        """Return the statistic of the selected bins.

        Parameters
        ----------
        bins : Bins
            The selected bins; this statistic must be that of all bins of the dataset.

        Returns
        -------
        WStat
            The statistic.
        """
        return WStat(bins.select(self.on), bins.select(self.off), bins.select(self.alpha))

    def background(self, signal: Array) -> Array:
        """Return the maximum likelihood estimate of the background in the off region.

        Parameters
        ----------
        signal : array
            Predicted counts of the source, shape (k,).

        Returns
        -------
        array
            Predicted counts in the off region, shape (k,).
        """
        return self._background(signal)[0]

    def _background(self, signal: Array) -> tuple[Array, Array, Array]:
        """Return the background, and the linear term and the square root in its formula."""
        with np.errstate(all="ignore"):
            linear = self.linear - (1 + self.alpha) * signal
            root = np.sqrt(linear**2 + 2 * self.denominator * self.off * signal)
            return (linear + root) / self.denominator, linear, root

    def value(self, signal: Array, total: float = 0.0) -> float:
        """Return the statistic; bins with an undefined statistic count as zero, as in gammapy.

        Parameters
        ----------
        signal : array
            Predicted counts of the source, shape (k,).
        total : float
            Ignored.

        Returns
        -------
        float
            The statistic; NaN if a signal is too large for its evaluation, since zero could be
            lower than the minimum.
        """
        with np.errstate(all="ignore"):
            terms = self._terms(signal, self.background(signal))
            stat = terms.sum()
            if not np.isfinite(stat) and not (np.abs(signal) < LARGEST_SIGNAL).all():
                return np.nan
            return float(stat if np.isfinite(stat) else np.nan_to_num(terms).sum())

    def _terms(self, signal: Array, background: Array) -> Array:
        """Return the statistic of each bin; NaN where it is undefined, such as without exposure."""
        on = np.where(self.on == 0, 0, self.on * np.log(signal + self.alpha * background))
        off = np.where(self.off == 0, 0, self.off * np.log(background))
        return 2 * (signal + (1 + self.alpha) * background - on - off) + self.constant

    def derivatives(self, signal: Array) -> Derivatives:
        """Return the derivatives.

        The background is at its optimum, so it does not contribute to the first derivative. The
        exceptions are bins without on counts and with a negative signal: their background cancels
        the signal, and changes with it.

        Parameters
        ----------
        signal : array
            Predicted counts of the source, shape (k,).

        Returns
        -------
        Derivatives
            The derivatives.
        """
        background, linear, root = self._background(signal)
        with np.errstate(all="ignore"):
            is_defined = np.isfinite(self._terms(signal, background))
            root_slope = (self.denominator * self.off - (1 + self.alpha) * linear) / root
            background_slope = (root_slope - 1 - self.alpha) / self.denominator
            predicted = signal + self.alpha * background
            ratio = np.where(self.on > 0, self.on / predicted, 0)
            second = np.where(
                self.on > 0, ratio * (1 + self.alpha * background_slope) / predicted, 0
            )
            off = np.where(self.off > 0, self.off / background, 0)
            background_term = np.where(self.on == 0, background_slope * (1 + self.alpha - off), 0)
        first = 2 * (1 - ratio + np.nan_to_num(background_term, posinf=0, neginf=0))
        first = np.where(is_defined, np.nan_to_num(first, posinf=0, neginf=0), 0)
        second = np.where(is_defined, np.nan_to_num(2 * second, posinf=0, neginf=0), 0)
        return Derivatives(first, second, 0.0)


@attrs.define(eq=False)
class ChiSquare:
    """Statistic of values with Gaussian errors: ``sum ((d - m) / sigma)^2``.

    Parameters
    ----------
    values, errors : array
        Measured values and their errors, shape (k,).
    """

    values: Array
    errors: Array

    def value(self, predicted: Array, total: float = 0.0) -> float:
        """Return the statistic.

        Parameters
        ----------
        predicted : array
            Predicted values, shape (k,).
        total : float
            Ignored.

        Returns
        -------
        float
            The statistic.
        """
        return float((((self.values - predicted) / self.errors) ** 2).sum())

    def derivatives(self, predicted: Array) -> Derivatives:
        """Return the derivatives.

        Parameters
        ----------
        predicted : array
            Predicted values, shape (k,).

        Returns
        -------
        Derivatives
            The derivatives.
        """
        weight = 2 / self.errors**2
        return Derivatives(weight * (predicted - self.values), weight, 0.0)
