"""What adds predicted counts to a dataset: a source, a background, or gammapy's own evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import Vector

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]
    Places = frozenset[int]

K = TypeVar("K")
V = TypeVar("V")


class Counts(NamedTuple):
    """Predicted counts of a part, or their derivatives by a parameter.

    Parameters
    ----------
    chosen : array
        In the chosen bins that the part reaches, shape (k',).
    total : float
        Summed over the mask.
    """

    chosen: Array
    total: float


class Contribution(Protocol):
    """A part of the predicted counts of a dataset.

    Attributes
    ----------
    name : str
        The name of its model.
    exact : bool
        Whether its derivatives are.
    free : frozenset of int
        The places of its free parameters in the state.
    """

    name: str
    exact: bool
    free: frozenset[int]

    @property
    def may_be_non_smooth(self) -> set[int]:
        """The places of the parameters along which its counts have kinks."""
        ...

    def counts(self, state: Vector) -> Counts:
        """Give the predicted counts for a state of all parameters."""
        ...

    def rows(self) -> Index | slice:
        """Tell which of the chosen bins the last counts are of."""
        ...

    def slopes(self, state: Vector, wanted: Places) -> Iterator[tuple[int, Counts]]:
        """Return, for each wanted parameter, its place in the state and the derivatives."""
        ...

    def gradient(
        self, state: Vector, weights: Array, weight: float, wanted: Places
    ) -> Iterator[tuple[int, float]]:
        """Return, for each wanted parameter, its place and the weighted sum of derivatives.

        The weights are of the chosen bins, shape (k,), and of the total.
        """
        ...

    def cube(self, state: Vector) -> Array:
        """Give the predicted counts in every bin, masked or not."""
        ...

    def may_be_negative(self, state: Vector) -> bool:
        """Tell whether bins that are not chosen could have negative predicted counts."""
        ...


@runtime_checkable
class Refreshable(Protocol):
    """Something with IRFs that can be looked up anew."""

    def refresh(self, state: Vector) -> bool:
        """Look the IRFs up at the values in a state; return whether they differ from before."""
        ...


def weighted(
    part: Contribution, state: Vector, weights: Array, weight: float, wanted: Places
) -> Iterator[tuple[int, float]]:
    """Give the weighted sums of the derivatives of a part, one after the other."""
    for place, slope in part.slopes(state, wanted):
        yield place, float(slope.chosen @ weights[part.rows()] + slope.total * weight)


class Recent(Generic[K, V]):
    """The values of a function at the last few places it was asked for.

    Parameters
    ----------
    size : int
        How many are kept.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.known: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """Give what is known at a place."""
        return self.known.get(key)

    def keep(self, key: K, value: V) -> V:
        """Keep a value, and forget the oldest."""
        while len(self.known) >= self.size:
            self.known.pop(next(iter(self.known)))
        self.known[key] = value
        return value

    def clear(self) -> None:
        """Forget all."""
        self.known.clear()
