"""Refits: the norm of a source fitted with backgrounds that scale, on what is laid out already.

Whatever is not fitted is a fixed template, so nothing is evaluated anew but the backgrounds' norms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np

from skyred.interfaces.objective import Objective
from skyred.likelihood.bins import Bins
from skyred.likelihood.contribution import Counts, weighted
from skyred.likelihood.count_templates import ScaledCounts
from skyred.likelihood.datasets import CountsDataset
from skyred.likelihood.flux.columns import FittedNorm
from skyred.likelihood.flux.norm import Norm
from skyred.likelihood.flux.profile import Held, Refitted
from skyred.likelihood.likelihood import Likelihood, Total
from skyred.likelihood.minimise import minimise
from skyred.likelihood.priors import Priors
from skyred.likelihood.statistics import Cash

if TYPE_CHECKING:
    from gammapy.modeling import Parameter
    from gammapy.modeling.models import SkyModel
    from numpy.typing import NDArray

    from skyred.interfaces.records import FitResult
    from skyred.likelihood.contribution import Contribution
    from skyred.likelihood.flux.slices import EnergySlices, SplitDataset
    from skyred.likelihood.parameters import ParameterSpace, Vector

    Array = NDArray[np.float64]


class Signal:
    """What the source predicts, with its norm as a parameter.

    Parameters
    ----------
    counts : array
        At norm one, in every bin, shape (energies, y, x).
    place : int
        Where the norm is in the state.
    bins : Bins
        The bins of the dataset.
    """

    name, exact = "", True

    def __init__(self, counts: Array, place: int, bins: Bins) -> None:
        self.template, self.place = counts, place
        self.free = frozenset([place])
        self.unit = Counts(bins.of(counts), float(counts[bins.mask].sum()))

    @property
    def may_be_non_smooth(self) -> set[int]:
        """None."""
        return set()

    def rows(self) -> slice:
        """All of the chosen bins."""
        return slice(None)

    def counts(self, state: Vector) -> Counts:
        """Give the predicted counts."""
        norm = float(state[self.place])
        return Counts(norm * self.unit.by_bin, norm * self.unit.total)

    def slopes(self, state: Vector, indices: frozenset[int]) -> Iterator[tuple[int, Counts]]:
        """Give the derivative by the norm."""
        yield self.place, self.unit

    def gradient(
        self, state: Vector, weights: Array, weight: float, indices: frozenset[int]
    ) -> Iterator[tuple[int, float]]:
        """Give its weighted sum."""
        return weighted(self, state, weights, weight, indices)

    def cube(self, state: Vector) -> Array:
        """Give the predicted counts in every bin."""
        return float(state[self.place]) * self.template

    def may_be_negative(self, state: Vector) -> bool:
        """Tell whether the norm is negative."""
        return bool(state[self.place] < 0)


@attrs.define(eq=False)
class Refit:
    """Fits the norm of a source with what is free of the rest.

    Parameters
    ----------
    space : ParameterSpace
        The parameters of all models, and the norm as the last.
    seen : dict of SplitDataset
        The datasets by name, split into source and rest.
    source : str
        The name of the source.
    free : set of int
        The places of the free parameters that are not of the source.
    """

    space: ParameterSpace
    seen: Mapping[str, SplitDataset]
    source: str
    free: set[int]

    @classmethod
    def of(
        cls, likelihood: Likelihood, slices: EnergySlices, model: SkyModel, norm: Parameter
    ) -> Self | None:
        """Take a likelihood; None if more than backgrounds is free, or there are priors."""
        space = likelihood.space
        free = set(space.free.tolist()) - set(space.indices_of(model.parameters).tolist())
        seen = {each.dataset.name: each for each in slices.seen}
        parts = [part for each in seen.values() for part in each.dataset.parts]
        others = [part for part in parts if part.name != model.name]
        if Priors(space) or any(_free_of(part, free) is None for part in others):
            return None
        space = attrs.evolve(space, all=[*space.all, norm])
        return cls(space, seen, str(model.name), free)

    @property
    def place(self) -> int:
        """Where the norm is in the state."""
        return len(self.space.all) - 1

    def fit(self, ranges: Mapping[str, tuple[int, int]], start: Norm, sign: int = 1) -> FittedNorm:
        """Fit in some datasets.

        Parameters
        ----------
        ranges : dict of tuple of int
            The energy bins of each dataset: the first, and the one after the last.
        start : Norm
            Where to begin: the norm with all else fixed.
        sign : {-1, 1}
            What the signal is multiplied by.

        Returns
        -------
        Fitted
            The fitted norm.
        """
        datasets = [self._within(self.seen[name], *bins, sign) for name, bins in ranges.items()]
        parts = [part for name in ranges for part in self.seen[name].dataset.parts]
        rest = [_free_of(part, self.free) or set() for part in parts if part.name != self.source]
        free = [*sorted(set().union(*rest)), self.place]
        total = Total(attrs.evolve(self.space, free=np.array(free)), datasets)
        objective = started_at(objective_of_total(total), len(free) - 1, start)
        found = minimise(objective)
        norm = fitted_norm(found, len(free) - 1, start.scale)
        profile = Refitted(attrs.evolve(objective, start=found.values), len(free) - 1)
        state = total.state(found.values)
        slices = [
            self._at(self.seen[name], state).slice(*bins, sign) for name, bins in ranges.items()
        ]
        return FittedNorm(norm, profile, slices, Held([each.term for each in slices]))

    def _within(self, seen: SplitDataset, first: int, last: int, sign: int) -> CountsDataset:
        """Give a dataset in a range of energy, with what is fixed summed up."""
        whole = seen.dataset
        mask = np.zeros_like(whole.bins.mask)
        mask[first:last] = whole.bins.mask[first:last]
        rows = seen.rows(first, last)
        bins = Bins(mask, whole.bins.indices[rows])
        state, fixed = self.space.state(), np.zeros(mask.shape)
        parts: list[Contribution] = [Signal(sign * seen.signal, self.place, bins)]
        for part in whole.parts:
            if part.name == self.source:
                continue
            if isinstance(part, ScaledCounts) and _free_of(part, self.free):
                parts.append(part.within(bins))
            else:
                fixed += part.cube(state)
        parts.append(ScaledCounts("", fixed, None, seen.axis.center, bins, self.space))
        statistic: Any = seen.wstat(rows) or Cash(bins.of(whole.counts))
        return CountsDataset(whole.name, parts, bins, whole.counts, statistic)

    def _at(self, seen: SplitDataset, state: Vector) -> SplitDataset:
        """Split a dataset at a state, the source at norm one."""
        others = [part for part in seen.dataset.parts if part.name != self.source]
        rest = sum((part.cube(state) for part in others), np.zeros(seen.signal.shape))
        return attrs.evolve(seen, rest=rest)


def _free_of(part: Any, free: set[int]) -> set[int] | None:
    """Give the free parameters of a part; None if it has some and does not merely scale."""
    places = part.own if hasattr(part, "own") else part.subset.state_indices
    found = set(places.tolist()) & free
    return None if found and not isinstance(part, ScaledCounts) else found


def started_at(objective: Objective, index: int, norm: Norm) -> Objective:
    """Return an objective that starts at a norm, if that is known and within its limits."""
    low, high = objective.limits[index]
    if not norm.success or not np.isfinite(norm.value):
        return objective
    start = objective.start.copy()
    start[index] = np.clip(norm.value, low, high)
    return attrs.evolve(objective, start=start)


def fitted_norm(result: FitResult, index: int, scale: float) -> Norm:
    """Return the norm of a fit result.

    Parameters
    ----------
    result : FitResult
        The fit of the norm and of other parameters.
    index : int
        Which of the parameters is the norm.
    scale : float
        Where crossings are searched first if the norm has no error.
    """
    value, error = float(result.values[index]), float(result.errors[index])
    known = np.isfinite(error) and error > 0
    # where others are degenerate, such as norm and tilt in one bin, the norm may be known all the
    # same
    success = result.success or (bool(result.unconstrained) and known)
    return Norm(value, error, float(result.stat), bool(success), error if known else scale)


def objective_of_total(total: Total) -> Objective:
    """Make the objective of datasets that have no priors."""
    space = total.space
    return Objective(
        names=[f"parameter {place}" for place in space.free],
        start=total.frozen[space.free],
        limits=space.limits(),
        steps=space.steps(),
        stat=total.stat,
        gradient_of=total.gradient,
        fisher_of=total.fisher,
        may_be_non_smooth=total.may_be_non_smooth,
    )
