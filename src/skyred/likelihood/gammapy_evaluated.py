"""Model contributions that gammapy evaluates, since they cannot be compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.likelihood.bins import Bins
from skyred.likelihood.contribution import Counts, RecentCache, weighted_slopes
from skyred.likelihood.irf_positions import IrfPositions
from skyred.likelihood.parameter_subset import ParameterSubset
from skyred.likelihood.response import DatasetIrfs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import ParameterSpace, Vector

    Array = NDArray[np.float64]
    Indices = frozenset[int]

SLOPE_STEP = 0.01  # of a parameter's default step
MAX_CACHED_EVALUATORS = 4


class GammapyCounts:
    """Predicted counts of a model that gammapy evaluates in every bin.

    Parameters
    ----------
    model : object
        The model; only the name and the parameters are used.
    predict : callable
        Function that returns the predicted counts in every bin, shape (energies, y, x), at the
        current values of the parameters.
    bins : Bins
        The bins of the dataset.
    space : ParameterSpace
        The parameters of all models.
    update_irfs : callable, optional
        Function that discards the IRFs if the spatial parameters have changed, and returns whether
        they have.
    """

    def __init__(
        self,
        model: Any,
        predict: Callable[[], Array],
        bins: Bins,
        space: ParameterSpace,
        update_irfs: Callable[[], bool] | None = None,
    ) -> None:
        self.predict, self.bins, self.update_irfs = predict, bins, update_irfs
        self.subset = ParameterSubset.from_model(model, space)
        self.name = str(model.name)
        self.free = self.subset.free_indices
        self.exact = not self.subset.free
        self.cached_cube: tuple[bytes | None, Array] = (None, np.zeros(bins.mask.shape))

    @property
    def may_be_non_smooth(self) -> set[int]:
        """All free parameters, since gammapy's evaluation may be non-smooth along any of them.

        Returns
        -------
        set of int
            Indices in the state.
        """
        return {int(self.subset.state_indices[index]) for index in self.subset.free}

    def bin_indices(self) -> slice:
        """Return all selected bins.

        Returns
        -------
        slice
            All selected bins.
        """
        return slice(None)

    def refresh(self, state: Vector) -> bool:
        """Look up the IRFs again, at the source position of a state.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        bool
            Whether the IRFs will be looked up again, because the spatial parameters have changed.
        """
        self.subset.set(self.subset.values(state))
        if self.update_irfs is None or not self.update_irfs():
            return False
        self.cached_cube = (None, self.cached_cube[1])
        return True

    def _cube(self, values: Vector) -> Array:
        if values.tobytes() != self.cached_cube[0]:
            self.subset.set(values)
            self.cached_cube = values.tobytes(), np.nan_to_num(self.predict())
        return self.cached_cube[1]

    def _counts(self, cube: Array) -> Counts:
        return Counts(self.bins.select(cube), float(cube[self.bins.mask].sum()))

    def counts(self, state: Vector) -> Counts:
        """Return the predicted counts.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        Counts
            The predicted counts.
        """
        return self._counts(self._cube(self.subset.values(state)))

    def slopes(self, state: Vector, indices: Indices) -> Iterator[tuple[int, Counts]]:
        """Yield the derivatives of the predicted counts, by finite differences.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        indices : frozenset of int
            State indices of the parameters to differentiate with respect to.

        Yields
        ------
        int
            Index of a parameter in the state.
        Counts
            The derivatives with respect to this parameter.
        """
        for index, slope in self.subset.slopes(self._cube, state, SLOPE_STEP, indices):
            yield index, self._counts(slope)

    def gradient(
        self, state: Vector, weights: Array, weight_of_total: float, indices: Indices
    ) -> Iterator[tuple[int, float]]:
        """Return the derivatives of a weighted sum of the predicted counts.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        weights : array
            Weights of the counts in the selected bins, shape (k,).
        weight_of_total : float
            Weight of the total counts.
        indices : frozenset of int
            State indices of the parameters to differentiate with respect to.

        Returns
        -------
        iterator of (int, float)
            Index of a parameter in the state, and the derivative with respect to it.
        """
        return weighted_slopes(self, state, weights, weight_of_total, indices)

    def cube(self, state: Vector) -> Array:
        """Return the predicted counts in every bin.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        array
            Predicted counts, shape (energies, y, x).
        """
        return self._cube(self.subset.values(state)).copy()

    def slope_cubes(self, state: Vector, indices: Indices) -> Iterator[tuple[int, Array]]:
        """Yield the derivatives of the predicted counts in every bin, masked or not.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        indices : frozenset of int
            State indices of the parameters to differentiate with respect to.

        Yields
        ------
        int
            Index of a parameter in the state.
        array
            The derivatives with respect to this parameter, shape (energies, y, x).
        """
        yield from self.subset.slopes(self._cube, state, SLOPE_STEP, indices)

    def may_be_negative(self, state: Vector) -> bool:
        """Return whether any predicted counts are negative.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        bool
            Whether any predicted counts are negative.
        """
        return bool(self._cube(self.subset.values(state)).min() < 0)


class GammapyPrediction:
    """Predicted counts of one model on the full map of a dataset, evaluated by gammapy.

    Parameters
    ----------
    model : object
        The model.
    dataset_irfs : DatasetIrfs
        The IRFs of the dataset.
    space : ParameterSpace
        The parameters of all models.
    """

    def __init__(self, model: Any, dataset_irfs: DatasetIrfs, space: ParameterSpace) -> None:
        self.model, self.dataset_irfs = model, dataset_irfs
        spatial = getattr(model, "spatial_model", None)
        self.subset = ParameterSubset.from_model(spatial, space)
        self.positions = IrfPositions(spatial, self.subset, dataset_irfs.irfs_follow_source(model))
        self.evaluators = RecentCache[tuple[int, int], Any](MAX_CACHED_EVALUATORS)

    def refresh(self) -> bool:
        """Discard the IRFs if the spatial parameters have changed, to look them up again.

        Returns
        -------
        bool
            Whether the IRFs were discarded.
        """
        if not self.subset.free or not self.positions.move_to(self._current_values()):
            return False
        self.evaluators.clear()
        return True

    def _current_values(self) -> Array:
        return np.array([parameter.value for parameter in self.subset.parameters], dtype=float)

    def _get_evaluator(self) -> Any:
        values = self._current_values()
        node = self.positions.node(values)
        evaluator = self.evaluators.get(node)
        if evaluator is None:
            self.subset.set(self.positions.values_at(node))
            evaluator = self.evaluators.store(node, self.dataset_irfs.create_evaluator(self.model))
            self.dataset_irfs.update(evaluator)
            self.subset.set(values)
        return evaluator

    def __call__(self) -> Array:
        """Return the predicted counts at the current values of the parameters."""
        from gammapy.maps import Map

        npred, evaluator = Map.from_geom(self.dataset_irfs.geom, dtype=float), self._get_evaluator()
        if evaluator.contributes:
            npred.stack(evaluator.compute_npred())
        return np.asarray(npred.data, dtype=float)
