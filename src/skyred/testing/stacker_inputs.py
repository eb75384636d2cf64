"""Stackers at work: the datasets they are given, and totals of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import attrs

from skyred.interfaces import Geometry, Stacker
from skyred.testing.case import ComponentCase
from skyred.testing.compare import Contents, contents
from skyred.testing.copies import duplicate
from skyred.testing.law import LawBroken
from skyred.testing.sample import NAME

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import Dataset

FLOAT32 = 1e-6  # relative: sums of float32 in another order


@attrs.frozen(eq=False)
class StackerInputs:
    """A stacker with runs to be stacked.

    Parameters
    ----------
    words : str
        What the runs are.
    stacker : Stacker
        Itself, prepared.
    geometry : Geometry
        Where they lie.
    runs : list of (Dataset, Observation)
        At least two.
    """

    words: str
    stacker: Stacker
    geometry: Geometry
    runs: list[tuple[Dataset, Observation]]

    def zero(self) -> Any:
        """Give the total of nothing."""
        return self.stacker.zero(self.geometry)

    def fold(self, *numbers: int) -> Any:
        """Give the total of some of the runs, of copies of them."""
        total = self.zero()
        for number in numbers:
            dataset, run = self.runs[number % len(self.runs)]
            total = self.stacker.add(total, duplicate(dataset), run)
        return total

    def result(self, total: Any) -> list[Dataset]:
        """Give the datasets of a total."""
        return list(self.stacker.result(total))

    def contents(self, total: Any) -> Contents:
        """Give the datasets of a total, to be compared."""
        return contents(self.result(total))


def piles(case: ComponentCase) -> list[StackerInputs]:
    """Give all that a stacker takes, of maps and of spectra with off counts.

    Raises
    ------
    Broken
        If it takes neither, with what it said.
    """
    if "piles" not in case.memo:
        said, taken = [], []
        for pile in _piles(case):
            try:
                pile.result(pile.fold(0))
                taken.append(pile)
            except Exception as error:  # it may be for other datasets
                said.append(f"{pile.words}: {type(error).__name__}: {error}")
        if not taken:
            raise LawBroken(f"it takes none of the datasets: {'; '.join(said)}")
        case.memo["piles"] = taken
    found: list[StackerInputs] = case.memo["piles"]
    return found


def _piles(case: ComponentCase) -> Iterable[StackerInputs]:
    stacker = case.component.prepare(_table(case))
    crab, sample = case.crab, case.sample
    if sample.datasets is not None:
        geometry = sample.geometry or crab.reduction("maps").geometry
        runs = list(zip(duplicate(sample.datasets), case.observations(), strict=True))
        yield StackerInputs("your datasets", stacker, geometry.evolve(name=NAME), runs)
        return
    for words, entry in (("maps", "maps"), ("spectra with off counts", "spectra")):
        runs = list(zip(crab.reduced(entry), case.observations(), strict=True))
        yield StackerInputs(words, stacker, crab.reduction(entry).geometry, runs)


def _table(case: ComponentCase) -> Any:
    if case.sample.table is not None:
        return case.table()
    ids = [int(run.obs_id) for run in case.observations()]
    table = case.table()
    return table[[int(each) in ids for each in table["OBS_ID"]]]
