"""What does not change while some parameters are varied: predicted counts, and whole datasets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from skyred.likelihood.contribution import Contribution, Counts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.bins import Bins
    from skyred.likelihood.datasets import FlatDataset
    from skyred.likelihood.parameters import Vector

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]


class FixedCounts:
    """The sum of model contributions at one state, whatever the state is later.

    Parameters
    ----------
    parts : sequence of Contribution
        The contributions.
    bins : Bins
        The bins of the dataset.
    state : array
        The values of all parameters, shape (m,).
    """

    name = ""
    exact = True
    free: frozenset[int] = frozenset()

    def __init__(self, parts: Sequence[Contribution], bins: Bins, state: Vector) -> None:
        self.parts, self.bins, self.state = parts, bins, state
        self.negative = any(part.may_be_negative(state) for part in parts)
        self.sum = sum_of_counts(parts, len(bins), state)

    @property
    def may_be_non_smooth(self) -> set[int]:
        """None."""
        return set()

    def rows(self) -> slice:
        """All of the chosen bins."""
        return slice(None)

    def counts(self, state: Vector) -> Counts:
        """Return the predicted counts."""
        return self.sum

    def slopes(self, state: Vector, wanted: frozenset[int]) -> Iterator[tuple[int, Counts]]:
        """Return no derivatives."""
        return iter(())

    def gradient(
        self, state: Vector, weights: Array, weight: float, wanted: frozenset[int]
    ) -> Iterator[tuple[int, float]]:
        """Return no derivatives."""
        return iter(())

    def cube(self, state: Vector) -> Array:
        """Return the predicted counts in every bin."""
        cube = np.zeros(self.bins.mask.shape)
        for part in self.parts:
            cube += part.cube(self.state)
        return cube

    def may_be_negative(self, state: Vector) -> bool:
        """Return whether any of the contributions may be negative."""
        return self.negative


class FixedDataset:
    """A dataset that does not depend on the parameters that are varied.

    Parameters
    ----------
    dataset : FlatDataset
        The dataset.
    state : array
        The values of all parameters, shape (m,).
    """

    exact = True

    def __init__(self, dataset: FlatDataset, state: Vector) -> None:
        self.dataset, self.state, self.name = dataset, state, dataset.name
        self.value = dataset.stat(state)

    def stat(self, state: Vector) -> float:
        """Return the fit statistic."""
        return self.value

    def gradient(self, state: Vector, wanted: frozenset[int]) -> dict[int, float]:
        """Return no derivatives."""
        return {}

    def fisher(self, state: Vector, wanted: frozenset[int]) -> tuple[Index, Array]:
        """Return no derivatives."""
        return np.zeros(0, dtype=int), np.zeros((0, 0))

    @property
    def may_be_non_smooth(self) -> set[int]:
        """None."""
        return set()

    def clips(self, state: Vector) -> bool:
        """Return false: there are no derivatives."""
        return False

    def refresh(self, state: Vector) -> bool:
        """Return false: IRFs are looked up by the dataset itself."""
        return False

    def condition(self, state: Vector, wanted: frozenset[int]) -> FixedDataset:
        """Return itself."""
        return self

    def npred(self, state: Vector) -> Array:
        """Return the predicted counts, in the shape of the data."""
        return self.dataset.npred(self.state)


def sum_of_counts(parts: Sequence[Contribution], bins: int, state: Vector) -> Counts:
    """Return the predicted counts of contributions, in the chosen bins and over the mask."""
    chosen, total = np.zeros(bins), 0.0
    for part in parts:
        counts = part.counts(state)
        chosen[part.rows()] += counts.chosen
        total += counts.total
    return Counts(chosen, total)
