"""Compiled datasets: their contributions, their statistic and its derivatives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import attrs
import numpy as np

from skyred.likelihood.bins import Bins
from skyred.likelihood.contribution import Contribution, HasCaches, RecentCache, Refreshable
from skyred.likelihood.fisher import ContributionGradient, fisher_matrix
from skyred.likelihood.fixed_counts import FixedCounts, FixedDataset, sum_of_counts
from skyred.likelihood.statistics import Cash, ChiSquare, Derivatives, WStat

if TYPE_CHECKING:
    from gammapy.datasets import Dataset
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import ParameterSpace, Vector

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]
    Indices = frozenset[int]


class CompiledDataset(Protocol):
    """Dataset that the likelihood can evaluate.

    A state is the vector of the values of all parameters, free and frozen; see `ParameterSpace`.

    Attributes
    ----------
    name : str
        The name of the dataset.
    """

    name: str

    @property
    def exact(self) -> bool:
        """Whether all derivatives are accurate enough for Newton steps; see `Contribution`."""
        ...

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
        ...

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
        ...

    def fisher(self, state: Vector, indices: Indices) -> tuple[Index, Array]:
        """Return the Fisher matrix.

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
        ...

    @property
    def may_be_non_smooth(self) -> set[int]:
        """Parameters along which the statistic may have non-differentiable points.

        Returns
        -------
        set of int
            Indices in the state.
        """
        ...

    def may_clip(self, state: Vector) -> bool:
        """Return whether negative predicted counts may be set to zero.

        If so, the derivatives are not valid.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        bool
            Whether predicted counts may be clipped.
        """
        ...

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
        ...

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
        ...

    def npred(self, state: Vector) -> Array:
        """Return the predicted counts, including the background.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        array
            Predicted counts in the shape of the data.
        """
        ...


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
        predicted = np.maximum(self._sum_cubes(state)[self.bins.mask], 0)
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
        predicted = self._sum_cubes(state)
        if isinstance(self.statistic, ChiSquare):
            return predicted
        if self.on_off_statistic is not None:
            with np.errstate(all="ignore"):
                statistic = self.on_off_statistic
                background = statistic.alpha * statistic.background(predicted.ravel())
            predicted = predicted + np.nan_to_num(background).reshape(predicted.shape)
        return np.maximum(predicted, 0)

    def _sum_cubes(self, state: Vector) -> Array:
        """Return the sum of all contributions in every bin, without the on-off background."""
        cube = np.zeros(self.bins.mask.shape)
        for contribution in self.contributions:
            cube += contribution.cube(state)
        return cube


class GammapyDataset:
    """Dataset that gammapy evaluates, since it cannot be compiled.

    Parameters
    ----------
    dataset : gammapy.datasets.Dataset
        The dataset.
    space : ParameterSpace
        The parameters of all models.
    """

    def __init__(self, dataset: Dataset, space: ParameterSpace) -> None:
        self.dataset, self.space, self.name = dataset, space, str(dataset.name)
        self.last_positions: dict[Any, tuple[float, ...]] = {}
        self.irf_positions: dict[Any, tuple[float, ...]] = {}

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
        self._set(state)
        return float(self.dataset.stat_sum())

    @property
    def exact(self) -> bool:
        """Whether its models have no free parameters, so that derivatives are not needed."""
        return not self.may_be_non_smooth

    def gradient(self, state: Vector, indices: Indices) -> dict[int, float]:
        """Return an empty result, since derivatives are only requested if `exact` is true.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        indices : frozenset of int
            State indices of the parameters to differentiate with respect to.

        Returns
        -------
        dict of float
            An empty dictionary.
        """
        return {}

    def fisher(self, state: Vector, indices: Indices) -> tuple[Index, Array]:
        """Return an empty result, since derivatives are only requested if `exact` is true.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        indices : frozenset of int
            State indices of the parameters to differentiate with respect to.

        Returns
        -------
        indices : array of int
            Empty, shape (0,).
        matrix : array
            Empty, shape (0, 0).
        """
        return np.zeros(0, dtype=int), np.zeros((0, 0))

    @property
    def may_be_non_smooth(self) -> set[int]:
        """All free parameters of its models: gammapy's statistic may be non-smooth along any.

        Returns
        -------
        set of int
            Indices in the state.
        """
        parameters = [
            parameter for model in self.dataset.models or () for parameter in model.parameters
        ]
        return set(self.space.indices_of(parameters).tolist()) & set(self.space.free.tolist())

    def may_clip(self, state: Vector) -> bool:
        """Return False: derivatives, which clipping would invalidate, are not computed.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        bool
            False.
        """
        return False

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
        self._set(state)
        changed = False
        for evaluator in self._evaluators_with_position():
            parameters = evaluator.model.spatial_model.parameters
            values = tuple(parameters.value)
            if parameters.free_parameters and self.irf_positions.get(evaluator) != values:
                self.irf_positions[evaluator], changed = values, True
                evaluator.contributes, evaluator.exposure = True, None
                evaluator._cached_parameter_values = None
        return changed

    def condition(self, state: Vector, indices: Indices) -> CompiledDataset:
        """Return the dataset itself: gammapy evaluates all contributions.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        indices : frozenset of int
            State indices of the parameters that vary.

        Returns
        -------
        CompiledDataset
            The dataset itself.
        """
        return self

    def npred(self, state: Vector) -> Array:
        """Return the predicted counts.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        array
            Predicted counts in the shape of the data; for flux points the flux in cm-2 s-1 TeV-1.
        """
        self._set(state)
        if self.dataset.tag != "FluxPointsDataset":
            return np.asarray(self.dataset.npred().data, dtype=float)
        flux = np.zeros(self.dataset.data.dnde.data.shape)
        if self.dataset.models:
            flux += self.dataset.flux_pred().to_value("cm-2 s-1 TeV-1")
        return flux

    def _set(self, state: Vector) -> None:
        for parameter, value in zip(self.space.parameters, state, strict=True):
            parameter.value = value
        self._reset_evaluators()

    def _reset_evaluators(self) -> None:
        # once a source has left the map, gammapy does not evaluate it again; without this reset,
        # the source would be missing in all later evaluations of a fit
        for evaluator in self._evaluators_with_position():
            position = tuple(evaluator.model.spatial_model.parameters.value)
            if not evaluator.contributes and self.last_positions.get(evaluator) != position:
                evaluator.contributes, evaluator.exposure = True, None
            self.last_positions[evaluator] = position

    def _evaluators_with_position(self) -> Iterator[Any]:
        for evaluator in (getattr(self.dataset, "evaluators", None) or {}).values():
            if getattr(evaluator.model, "spatial_model", None) is not None:
                yield evaluator
