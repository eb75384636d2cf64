"""Profiles: the statistic as a function of the norm of one source.

The other parameters are either fixed, or fitted at each norm. `skyred.likelihood.flux.norm`
computes the best norm, its errors, limits and sensitivity from a profile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import attrs
import numpy as np

from skyred.likelihood.minimise import Descent, descend

if TYPE_CHECKING:
    from skyred.interfaces.objective import Objective

NEWTON_TOLERANCE = 1e-8  # of the fit at each norm: much smaller than errors and limits require


class NormProfile(Protocol):
    """The statistic along the norm of a source."""

    @property
    def domain(self) -> tuple[float, float]:
        """Ends of the range of norms where the statistic is convex."""
        ...

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
        ...


class Term(Protocol):
    """Statistic of one dataset along the norm: ``mu = norm * signal + background``.

    All parameters but the norm are fixed.

    Attributes
    ----------
    domain : tuple of float
        Ends of the range of norms where the statistic is convex. At a finite end, the predicted
        counts of a bin with counts are zero.
    """

    domain: tuple[float, float]

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
        ...

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
        ...

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
        ...

    def excess(self, norm: float) -> float:
        """Return the predicted counts of the source.

        Parameters
        ----------
        norm : float
            The norm.

        Returns
        -------
        float
            Predicted counts, summed over the bins.
        """
        ...

    def expected_gain(self, norm: float) -> float:
        """Return the gain in the statistic over norm zero, for counts equal to the prediction.

        Parameters
        ----------
        norm : float
            The norm.

        Returns
        -------
        float
            The gain.
        """
        ...


@attrs.define(eq=False)
class FixedProfile:
    """Profile with all other parameters fixed.

    Parameters
    ----------
    terms : sequence of Term
        The statistic of each dataset.
    offset : float
        Contribution of priors.
    """

    terms: Sequence[Term]
    offset: float = 0.0

    @property
    def domain(self) -> tuple[float, float]:
        """Ends of the range of norms where the statistic is convex."""
        ends = [term.domain for term in self.terms]
        return max(low for low, _ in ends), min(high for _, high in ends)

    @property
    def scale(self) -> float:
        """The norm for which one count is predicted; 1 if no counts are predicted."""
        signal = abs(sum(term.excess(1.0) for term in self.terms))
        return 1 / signal if signal > 0 and np.isfinite(1 / signal) else 1.0

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
        return sum(term.stat(norm) for term in self.terms) + self.offset

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
        derivatives = [term.derivatives(norm) for term in self.terms]
        return sum(first for first, _ in derivatives), sum(second for _, second in derivatives)

    def expected_gain(self, norm: float) -> float:
        """Return the gain in the statistic over norm zero, for counts equal to the prediction.

        Parameters
        ----------
        norm : float
            The norm.

        Returns
        -------
        float
            The gain.
        """
        return sum(term.expected_gain(norm) for term in self.terms)


class RefittedProfile:
    """Profile with the other parameters fitted at each norm.

    Parameters
    ----------
    objective : Objective
        Objective of all parameters, with gradient and Fisher matrix.
    index : int
        Index of the norm in its parameters.
    """

    domain = (-np.inf, np.inf)

    def __init__(self, objective: Objective, index: int) -> None:
        self.objective, self.index = objective, index
        self.last_values = objective.start

    def fit_others(self, norm: float) -> Descent:
        """Fit the other parameters at a norm, from the values of the last fit.

        Parameters
        ----------
        norm : float
            The norm.

        Returns
        -------
        Descent
            The fit; its parameters include the norm.
        """
        limits = self.objective.limits.copy()
        limits[self.index] = norm
        start = self.last_values.copy()
        start[self.index] = norm
        objective = attrs.evolve(self.objective, limits=limits, start=start)
        descent = descend(objective, NEWTON_TOLERANCE)
        self.last_values = descent.x
        return descent

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
        return self.objective.total(self.fit_others(norm).x)
