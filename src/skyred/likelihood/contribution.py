"""Model contributions to the predicted counts of a dataset, and a cache for recent values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import Vector

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]
    Indices = frozenset[int]

K = TypeVar("K")
V = TypeVar("V")


class Counts(NamedTuple):
    """Predicted counts of a model contribution, or their derivatives with respect to a parameter.

    Parameters
    ----------
    by_bin : array
        Counts in the selected bins that the contribution covers, shape (k',).
    total : float
        Counts summed over the mask.
    """

    by_bin: Array
    total: float


class Contribution(Protocol):
    """Model contribution to the predicted counts of a dataset.

    A state is the vector of the values of all parameters, free and frozen; see `ParameterSpace`.

    Attributes
    ----------
    name : str
        The name of its model.
    exact : bool
        Whether its derivatives are accurate enough for Newton steps: analytic, or finite
        differences of compiled functions.
    free : frozenset of int
        State indices of its free parameters.
    """

    name: str
    exact: bool
    free: frozenset[int]

    @property
    def may_be_non_smooth(self) -> set[int]:
        """Parameters along which its counts may have non-differentiable points.

        Returns
        -------
        set of int
            Indices in the state.
        """
        ...

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
        ...

    def bin_indices(self) -> Index | slice:
        """Return the bins of the last result of `counts` or `slopes`.

        Returns
        -------
        array of int or slice
            Indices among the selected bins, shape (k',).
        """
        ...

    def slopes(self, state: Vector, indices: Indices) -> Iterator[tuple[int, Counts]]:
        """Return the derivatives of the predicted counts.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        indices : frozenset of int
            State indices of the parameters to differentiate with respect to.

        Returns
        -------
        iterator of (int, Counts)
            Index of a parameter in the state, and the derivatives with respect to it.
        """
        ...

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
        ...

    def cube(self, state: Vector) -> Array:
        """Return the predicted counts in every bin, masked or not.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        array
            Predicted counts, shape (energies, y, x).
        """
        ...

    def may_be_negative(self, state: Vector) -> bool:
        """Return whether predicted counts may be negative in bins that are not selected.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        bool
            Whether predicted counts may be negative.
        """
        ...


@runtime_checkable
class DifferentiableCube(Protocol):
    """Model contribution that can compute derivatives in every bin, not only in selected ones."""

    def slope_cubes(self, state: Vector, indices: Indices) -> Iterator[tuple[int, Array]]:
        """Return the derivatives of the predicted counts in every bin, masked or not.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        indices : frozenset of int
            State indices of the parameters to differentiate with respect to.

        Returns
        -------
        iterator of (int, array)
            Index of a parameter in the state, and the derivatives with respect to it, shape
            (energies, y, x).
        """
        ...


@runtime_checkable
class Refreshable(Protocol):
    """Object with IRFs that can be looked up again."""

    def refresh(self, state: Vector) -> bool:
        """Look up the IRFs again, at the source positions of a state.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        bool
            Whether the IRFs were looked up again.
        """
        ...


@runtime_checkable
class HasCaches(Protocol):
    """Object with cached values."""

    def clear_caches(self) -> None:
        """Drop all values whose rounding errors depend on earlier calls."""
        ...


def weighted_slopes(
    contribution: Contribution,
    state: Vector,
    weights: Array,
    weight_of_total: float,
    indices: Indices,
) -> Iterator[tuple[int, float]]:
    """Yield the derivatives of a weighted sum of the counts of a model contribution.

    Parameters
    ----------
    contribution : Contribution
        The model contribution.
    state : array
        Values of all parameters, shape (m,).
    weights : array
        Weights of the counts in the selected bins, shape (k,).
    weight_of_total : float
        Weight of the total counts.
    indices : frozenset of int
        State indices of the parameters to differentiate with respect to.

    Yields
    ------
    int
        Index of a parameter in the state.
    float
        The derivative with respect to this parameter.
    """
    for index, slope in contribution.slopes(state, indices):
        yield (
            index,
            float(
                slope.by_bin @ weights[contribution.bin_indices()] + slope.total * weight_of_total
            ),
        )


class RecentCache(Generic[K, V]):
    """Cache of a limited number of values; a full cache drops the value that was stored first.

    Parameters
    ----------
    size : int
        Maximum number of cached values.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.entries: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """Return the cached value of a key.

        Parameters
        ----------
        key : hashable
            The key.

        Returns
        -------
        object or None
            The value; None if it is not cached.
        """
        return self.entries.get(key)

    def store(self, key: K, value: V) -> V:
        """Cache a value; if the cache is full, drop the value that was stored first.

        Parameters
        ----------
        key : hashable
            The key.
        value : object
            The value.

        Returns
        -------
        object
            The value.
        """
        while len(self.entries) >= self.size:
            self.entries.pop(next(iter(self.entries)))
        self.entries[key] = value
        return value

    def clear(self) -> None:
        """Drop all values."""
        self.entries.clear()
