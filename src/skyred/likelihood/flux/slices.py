"""Energy slices: the terms of a source's norm in a range of reconstructed energy."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.likelihood.datasets import CountsDataset
from skyred.likelihood.flux.profile import CashTerm, Term, WStatTerm
from skyred.likelihood.statistics import Cash, WStat

if TYPE_CHECKING:
    from astropy import units as u
    from numpy.typing import NDArray

    from skyred.likelihood.likelihood import Likelihood
    from skyred.likelihood.parameters import Vector

    Array = NDArray[np.float64]


@attrs.define(eq=False)
class Slice:
    """One dataset in a range of energy.

    Parameters
    ----------
    name : str
        The dataset's name.
    edges : Quantity
        The energies that the range covers, shape (2,).
    counts : int
        Counts inside the mask.
    bins : int
        Bins inside the mask.
    term : Term
        The statistic along the norm.
    """

    name: str
    edges: u.Quantity
    counts: int
    bins: int
    term: Term


@attrs.define(eq=False, slots=False)
class SplitDataset:
    """A dataset, split into what the source predicts at norm one, and the rest."""

    dataset: CountsDataset
    axis: Any
    signal: Array
    rest: Array

    @cached_property
    def edges(self) -> bytes:
        """Its energies, to be compared."""
        return self.axis.edges.to_value("TeV").tobytes()  # type: ignore[no-any-return]

    @classmethod
    def of(cls, dataset: CountsDataset, axis: Any, source: str, state: Vector) -> SplitDataset:
        """Evaluate the parts of a dataset."""
        shape = dataset.bins.mask.shape
        signal, rest = np.zeros(shape), np.zeros(shape)
        for part in dataset.parts:
            onto = signal if part.name == source else rest
            onto += part.cube(state)
        return cls(dataset, axis, signal, rest)

    def slice(self, first: int, last: int, sign: int = 1) -> Slice:
        """Take a range of energy bins, without the last, the signal times the given sign."""
        mask = self.dataset.bins.mask[first:last]
        signal, rest = sign * self.signal[first:last][mask], self.rest[first:last][mask]
        counts = self.dataset.counts[first:last][mask]
        edges = self.axis.edges[[first, last]]
        term = self._term(first, last, counts, signal, rest)
        return Slice(self.dataset.name, edges, int(counts.sum()), int(mask.sum()), term)

    def rows(self, first: int, last: int) -> NDArray[np.bool_]:
        """Tell which of the chosen bins lie in a range of energy bins, without the last."""
        energy = np.unravel_index(self.dataset.bins.indices, self.signal.shape)[0]
        return np.asarray((energy >= first) & (energy < last))

    def wstat(self, rows: NDArray[np.bool_]) -> WStat | None:
        """Give the statistic in some of the chosen bins; None of data without counts off."""
        statistic = self.dataset.statistic
        if not isinstance(statistic, WStat):
            return None
        return WStat(statistic.on[rows], statistic.off[rows], statistic.alpha[rows])

    def _term(self, first: int, last: int, counts: Array, signal: Array, rest: Array) -> Term:
        statistic = self.wstat(self.rows(first, last))
        if statistic is None:
            return CashTerm(counts, signal, rest)
        return WStatTerm(statistic, signal, rest)


class EnergySlices:
    """All datasets of a likelihood, at the present values of the parameters.

    Parameters
    ----------
    likelihood : Likelihood
        Of datasets of counts only; see `can_slice`.
    source : str
        The source whose norm is asked for.
    """

    def __init__(self, likelihood: Likelihood, source: str) -> None:
        state = likelihood.space.state()
        axes = [each._geom.axes["energy"] for each in likelihood.space.datasets]
        self.seen = [
            SplitDataset.of(dataset, axis, source, state)
            for dataset, axis in zip(likelihood.datasets, axes, strict=True)
            if isinstance(dataset, CountsDataset)
        ]
        self.ranges: dict[tuple[bytes, float, float], tuple[int, int] | None] = {}

    def between(
        self,
        energy_min: u.Quantity,
        energy_max: u.Quantity,
        names: Collection[str] | None = None,
        sign: int = 1,
    ) -> list[Slice]:
        """Take the bins that gammapy takes between two energies; none of some datasets.

        Of the datasets of some names, or of all; the signal is multiplied by the sign.
        """
        ranges = self.ranges_of(energy_min, energy_max, names)
        seen = [(ranges.get(each.dataset.name), each) for each in self.seen]
        return [each.slice(*bins, sign) for bins, each in seen if bins is not None]

    def ranges_of(
        self, energy_min: u.Quantity, energy_max: u.Quantity, names: Collection[str] | None = None
    ) -> dict[str, tuple[int, int]]:
        """Give these bins by dataset: the first, and the one after the last."""
        found = {}
        for seen in self.seen:
            if names is None or seen.dataset.name in names:
                bins = self._range(seen, energy_min, energy_max)
                if bins is not None:
                    found[seen.dataset.name] = bins
        return found

    def _range(
        self, seen: SplitDataset, energy_min: u.Quantity, energy_max: u.Quantity
    ) -> tuple[int, int] | None:
        key = seen.edges, energy_min.to_value("TeV"), energy_max.to_value("TeV")
        if key not in self.ranges:
            self.ranges[key] = bins_between(seen.axis, energy_min, energy_max)
        return self.ranges[key]

    def all(self) -> list[Slice]:
        """Take all bins."""
        return [seen.slice(0, len(seen.signal)) for seen in self.seen]


def can_slice(likelihood: Likelihood) -> bool:
    """Tell whether all datasets are of counts, laid out flat."""
    return all(
        isinstance(each, CountsDataset) and isinstance(each.statistic, Cash | WStat)
        for each in likelihood.datasets
    )


def bins_between(
    axis: Any, energy_min: u.Quantity, energy_max: u.Quantity
) -> tuple[int, int] | None:
    """Give first and last bin, that one not included, between two energies, as gammapy does."""
    from astropy import units as u

    try:
        groups = axis.group_table(edges=u.Quantity([energy_min, energy_max]))
    except ValueError:  # gammapy's way to say that there is no such bin
        return None
    normal = groups[groups["bin_type"] == "normal   "]
    if len(normal) == 0:
        return None
    return int(normal["idx_min"][0]), int(normal["idx_max"][0]) + 1
