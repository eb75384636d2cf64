"""Compiled datasets of counts: model contributions, statistic and derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.bins import Bins
from skyred.likelihood.contribution import Contribution, HasCaches, RecentCache, Refreshable
from skyred.likelihood.fisher import ContributionGradient, fisher_matrix
from skyred.likelihood.fixed_counts import (
    FixedCounts,
    FixedDataset,
    sum_of_counts,
    sum_of_cubes,
)
from skyred.likelihood.statistics import Cash, ChiSquare, Derivatives, WStat

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.compiled_dataset import CompiledDataset
    from skyred.likelihood.parameters import Vector

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]
    Indices = frozenset[int]


@attrs.define(eq=False)
class Prediction:
    """Predicted counts, and the derivatives of the statistic with respect to them.

    Parameters
    ----------
    by_bin : array
        Counts in the selected bins, shape (k,).
    total : float
        Counts summed over the mask.
    derivatives : Derivatives, optional
        Derivatives of the statistic, once computed.
    """

    by_bin: Array
    total: float
    derivatives: Derivatives | None = None


@attrs.define(eq=False)
class CountsDataset:
    """Counts in bins, with predicted counts that are the sum of model contributions.

    For flux points, counts are the measured fluxes, and predicted counts the fluxes of the models.

    Parameters
    ----------
    name : str
        The name of the dataset.
    contributions : sequence of Contribution
        The model contributions.
    bins : Bins
        The selected bins.
    counts : array
        Counts in every bin, masked or not, shape (energies, y, x).
    statistic : Cash, WStat or ChiSquare
        Statistic of the selected bins.
    on_off_statistic : WStat, optional
        The statistic of all bins of on-off data, masked or not, for the predicted background.
    """

    name: str
    contributions: Sequence[Contribution]
    bins: Bins
    counts: Array
    statistic: Cash | WStat | ChiSquare
    on_off_statistic: WStat | None = None
    predictions: RecentCache[bytes, Prediction] = attrs.field(
        init=False, factory=lambda: RecentCache(1)
    )

    @property
    def exact(self) -> bool:
        """Whether all derivatives are accurate enough for Newton steps; see `Contribution`."""
        return all(contribution.exact for contribution in self.contributions)

    @property
    def may_be_non_smooth(self) -> set[int]:
        """Parameters along which any contribution may have non-differentiable points.

        Returns
        -------
        set of int
            Indices in the state.
        """
        return set().union(*(contribution.may_be_non_smooth for contribution in self.contributions))

    def predict(self, state: Vector) -> tuple[Array, float]:
        """Return the predicted counts.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        by_bin : array
            Counts in the selected bins, shape (k,).
        total : float
            Counts summed over the mask.
        """
        prediction = self._prediction(state)
        return prediction.by_bin, prediction.total

    def _prediction(self, state: Vector) -> Prediction:
        """Return the prediction; the last one is cached, for derivatives at the same values."""
        key = state.tobytes()
        cached = self.predictions.get(key)
        if cached is None:
            counts = sum_of_counts(self.contributions, len(self.bins), state)
            cached = self.predictions.store(key, Prediction(*counts))
        return cached

    def _derivatives(self, state: Vector) -> Derivatives:
        """Return the derivatives of the statistic with respect to the predicted counts."""
        prediction = self._prediction(state)
        if prediction.derivatives is None:
            prediction.derivatives = self.statistic.derivatives(prediction.by_bin)
        return prediction.derivatives

    def stat(self, state: Vector) -> float:
        """Return the fit statistic.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        float
            The fit statistic.
        """
        if self.may_clip(state):
            return self._clipped_stat(state)
        return self.statistic.value(*self.predict(state))

    def may_clip(self, state: Vector) -> bool:
        """Return whether negative predicted counts may have to be set to zero.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        bool
            Whether predicted counts may be clipped.
        """
        if not isinstance(self.statistic, Cash):
            return False
        return any(contribution.may_be_negative(state) for contribution in self.contributions)

    def refresh(self, state: Vector) -> bool:
        """Look up the IRFs again, at the source positions of a state.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        bool
            Whether the IRFs of any source were looked up again.
        """
        changes = [
            contribution.refresh(state)
            for contribution in self.contributions
            if isinstance(contribution, Refreshable)
        ]
        self.predictions.clear()
        return any(changes)

    def clear_caches(self) -> None:
        """Drop all values whose rounding errors depend on earlier calls."""
        self.predictions.clear()
        for contribution in self.contributions:
            if isinstance(contribution, HasCaches):
                contribution.clear_caches()

    def condition(self, state: Vector, indices: Indices) -> CompiledDataset:
        """Return the dataset as a function of some parameters, with the others fixed.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        indices : frozenset of int
            State indices of the parameters that vary.

        Returns
        -------
        CompiledDataset
            The dataset, with the sum of the fixed contributions.
        """
        varying = [
            contribution
            for contribution in self.contributions
            if not indices.isdisjoint(contribution.free)
        ]
        if not varying:
            return FixedDataset(self, state)
        others = [
            contribution
            for contribution in self.contributions
            if indices.isdisjoint(contribution.free)
        ]
        return attrs.evolve(self, contributions=[FixedCounts(others, self.bins, state), *varying])

    def _clipped_stat(self, state: Vector) -> float:
        """Return the statistic of all fitted bins, with negative predicted counts set to zero.

        The sum of the predicted counts cannot be used: with clipped bins it is not linear in the
        flux.
        """
        cube = sum_of_cubes(self.contributions, self.bins.mask.shape, state)
        predicted = np.maximum(cube[self.bins.mask], 0)
        return Cash(self.counts[self.bins.mask]).value(predicted, float(predicted.sum()))

    def gradient(self, state: Vector, indices: Indices) -> dict[int, float]:
        """Return the derivatives of the statistic.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        indices : frozenset of int
            State indices of the parameters to differentiate with respect to.

        Returns
        -------
        dict of float
            The derivatives, by the index of the parameter in the state; only of parameters that
            the dataset depends on.
        """
        gradient: dict[int, float] = {}
        derivatives = self._derivatives(state)
        for contribution in self.contributions:
            if indices.isdisjoint(contribution.free):
                continue
            for index, slope in contribution.gradient(
                state, derivatives.first, derivatives.total, indices
            ):
                gradient[index] = gradient.get(index, 0.0) + slope
        return gradient

    def fisher(self, state: Vector, indices: Indices) -> tuple[Index, Array]:
        """Return the Fisher matrix.

        These are the second derivatives of the statistic, without the terms that contain second
        derivatives of the predicted counts.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        indices : frozenset of int
            State indices of the parameters to differentiate with respect to.

        Returns
        -------
        indices : array of int
            Indices in the state of the k parameters that the dataset depends on, shape (k,).
        matrix : array
            The Fisher matrix, shape (k, k).
        """
        gradients = [
            ContributionGradient.evaluate(contribution, state, indices)
            for contribution in self.contributions
            if not indices.isdisjoint(contribution.free)
        ]
        if not gradients:
            return np.zeros(0, dtype=int), np.zeros((0, 0))
        weights = self._derivatives(state).second
        return fisher_matrix(gradients, weights)

    def npred(self, state: Vector) -> Array:
        """Return the predicted counts in every bin, including the background.

        For on-off data the background is its maximum likelihood estimate, as in gammapy's `npred`.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        array
            Predicted counts, shape (energies, y, x); for flux points the predicted flux in cm-2
            s-1 TeV-1.
        """
        predicted = sum_of_cubes(self.contributions, self.bins.mask.shape, state)
        if isinstance(self.statistic, ChiSquare):
            return predicted
        if self.on_off_statistic is not None:
            with np.errstate(all="ignore"):
                statistic = self.on_off_statistic
                background = statistic.alpha * statistic.background(predicted.ravel())
            predicted = predicted + np.nan_to_num(background).reshape(predicted.shape)
        return np.maximum(predicted, 0)
