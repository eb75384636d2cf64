"""Datasets that gammapy evaluates, since they cannot be compiled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from gammapy.datasets import Dataset
    from numpy.typing import NDArray

    from skyred.likelihood.compiled_dataset import CompiledDataset
    from skyred.likelihood.parameters import ParameterSpace, Vector

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]
    Indices = frozenset[int]


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
