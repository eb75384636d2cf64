"""Makers at work: where one can stand, and what it makes of the observations there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from skyred.errors import SkipObservation
from skyred.interfaces import Maker
from skyred.testing.case import ComponentCase
from skyred.testing.compare import Contents, contents
from skyred.testing.copies import duplicate
from skyred.testing.law import LawBroken, NotTried
from skyred.testing.sample import NAME, Place, made_before

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import Dataset

# how far a chain got: the dataset, or why the run was left out
Made: TypeAlias = "Dataset | SkipObservation"


@attrs.frozen(eq=False)
class MakerBench:
    """A maker where it can stand.

    Parameters
    ----------
    place : Place
        Where.
    maker : Maker
        Itself, prepared.
    inputs : list of Dataset
        What the makers before made of each observation.
    outputs : list of Dataset or SkipObservation
        What it makes of them.
    """

    place: Place
    maker: Maker
    inputs: list[Any]
    outputs: list[Any]

    def made(self) -> list[tuple[int, Any]]:
        """Give the datasets that were made, with their places among the observations."""
        held = enumerate(self.outputs)
        return [(n, each) for n, each in held if not isinstance(each, SkipObservation)]


def bench(case: ComponentCase) -> MakerBench:
    """Find where a maker can stand; raises `NotTried` if nowhere, which is a law of its own."""
    try:
        found = find_bench(case)
    except LawBroken as broken:
        raise NotTried(f"it makes nothing: {broken}") from broken
    if not all(hasattr(made, "stat_type") for _, made in found.made()):
        raise NotTried("what it makes is no dataset")
    return found


def find_bench(case: ComponentCase) -> MakerBench:
    """Find where a maker can stand: the likeliest place in which it makes a dataset.

    Raises
    ------
    Broken
        With what it said at each place, if there is none.
    """
    if "bench" not in case.memo:
        said = []
        for place in _places(case):
            found = _try(case, place)
            if isinstance(found, MakerBench):
                case.memo["bench"] = found
                break
            said.append(f"on {place.words}: {found}")
        else:
            raise LawBroken(f"there is no dataset that it makes something of: {'; '.join(said)}")
    held = case.memo["bench"]
    assert isinstance(held, MakerBench)
    return held


def make(maker: Maker, dataset: Dataset, observation: Observation) -> Made:
    """Let a maker make of copies; gives the dataset, or the verdict that leaves the run out."""
    try:
        return maker.make(duplicate(dataset), observation)
    except SkipObservation as skip:
        return skip


def made_contents(made: Made) -> Contents:
    """Give what a maker made, to be compared."""
    if isinstance(made, SkipObservation):
        return {"skipped": made.reason}
    return contents(made)


def make_there(maker: Maker, dataset: Dataset, observation: Observation) -> Contents:
    """Make in another process; gives what was made, to be compared."""
    return made_contents(make(maker, dataset, observation))


def _places(case: ComponentCase) -> Iterator[Place]:
    sample, crab = case.sample, case.crab
    if sample.geometry is None:
        yield from crab.places()
        return
    own = crab.reduction("maps").evolve(
        geometry=sample.geometry, make=tuple(sample.after) or (case.component,)
    )
    words = ", ".join(maker.kind for maker in sample.after)
    words = f"your geometry after {words}" if words else "your geometry"
    yield Place(words, own.with_name(NAME), filled=bool(sample.after))


def _try(case: ComponentCase, place: Place) -> MakerBench | str:
    """Give the bench at a place, or why it does not do."""
    observations = case.observations()
    try:
        maker = case.component.prepare(case.observations())
        inputs = _inputs(case, place)
        outputs = [make(maker, *given) for given in zip(inputs, observations, strict=True)]
    except Exception as error:  # this place does not do
        return f"{type(error).__name__}: {error}"
    found = MakerBench(place, maker, inputs, outputs)
    if not found.made():
        return f"it skips every run ({outputs[0].reason})" if outputs else "there is no run"
    if not place.filled and not case.sample.geometry and not _fills(found):
        return "it fills no counts"
    return found


def _inputs(case: ComponentCase, place: Place) -> list[Any]:
    if case.sample.observations is None and case.sample.geometry is None:
        return case.crab.before(place)
    return [made_before(place, run) for run in case.observations()]


def _fills(found: MakerBench) -> bool:
    (_, made), *_ = found.made()
    return getattr(made, "counts", None) is not None and made.counts.data.sum() > 0
