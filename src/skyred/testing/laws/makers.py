"""Laws of makers: one dataset of one observation, whatever was made before and wherever."""

from __future__ import annotations

from typing import Any

import numpy as np

from skyred.errors import SkipObservation
from skyred.interfaces import Maker
from skyred.testing.case import ComponentCase, digest_or_skip
from skyred.testing.compare import contents, differences
from skyred.testing.copies import duplicate
from skyred.testing.law import NotTried, law, require
from skyred.testing.maker_bench import bench, find_bench, made_contents, make, make_there
from skyred.testing.subprocess_worker import shared_worker


@law(
    "makes a dataset of an observation",
    "maker",
    mend="Return the dataset. If it needs another geometry, other makers before it, or other "
    "observations, give them: check(maker, sample=Sample(geometry=..., after=[...])).",
)
def makes(case: ComponentCase) -> None:
    """On a map, an image or a spectrum; empty, or after makers that fill it."""
    _, made = find_bench(case).made()[0]
    require(hasattr(made, "stat_type"), f"make gives {type(made).__name__}, which is no dataset")


@law(
    "leaves the observation as it was",
    "maker",
    mend="Copy what you change (events, tables, responses): the next maker reads the same "
    "observation.",
)
def leaves_observation(case: ComponentCase) -> None:
    """Events, good time intervals, responses, pointing, metadata."""
    found = bench(case)
    for dataset, run, as_it_was in zip(
        found.inputs, case.observations(), case.observations(), strict=True
    ):
        make(found.maker, dataset, run)
        changed = differences(contents(as_it_was), contents(run))
        require(not changed, f"of run {run.obs_id}, {'; '.join(changed[:3])}")


@law(
    "makes the same each time, whatever it made before",
    "maker",
    mend="Keep nothing between calls, and use random numbers with a seed only: runs are made in "
    "any order, and what is cached must be what would be made again.",
)
def makes_again(case: ComponentCase) -> None:
    """The first run, the others, and the first once more; bit by bit."""
    found = bench(case)
    first = made_contents(make(found.maker, found.inputs[0], case.observations()[0]))
    for dataset, run in zip(found.inputs[1:], case.observations()[1:], strict=True):
        make(found.maker, dataset, run)
    again = made_contents(make(found.maker, found.inputs[0], case.observations()[0]))
    changed = differences(first, again)
    require(not changed, f"the second time, {'; '.join(changed[:3])}")


@law(
    "makes the same in another process",
    "maker",
    mend="Hold all that make() needs in options, or in what prepare() returns: module variables "
    "and open files are not sent to workers.",
)
def makes_elsewhere(case: ComponentCase) -> None:
    """Bit by bit; sent there by pickle."""
    if case.cls.__module__ == "__main__":
        raise NotTried("its class stands in a notebook or script")
    found = bench(case)
    number, _ = found.made()[0]
    given = (found.maker, found.inputs[number], case.observations()[number])
    there = shared_worker().call(make_there, *given)
    changed = differences(made_contents(make(*given)), there)
    require(not changed, f"there, {'; '.join(changed[:3])}")


@law(
    "keeps the dataset's name and axes",
    "maker",
    mend="Change the dataset that is given, or pass name=dataset.name where a new one is made: the "
    "stacker puts runs together by axes, and results are called after names.",
)
def keeps_frame(case: ComponentCase) -> None:
    """Where gammapy makes an on-off dataset, it forgets the name."""
    found = bench(case)
    for number, made in found.made():
        before = found.inputs[number]
        require(made.name == before.name, f"the name {before.name!r} became {made.name!r}")
        same = before.counts is None or made.counts.geom == before.counts.geom
        require(same, "the axes or pixels of the counts are others")


@law(
    "makes the safe mask no wider",
    "maker",
    mend="Combine masks with &: what a maker before found unsafe is unsafe.",
)
def narrows_mask(case: ComponentCase) -> None:
    """Bins that were not safe do not become so, once there are counts."""
    found = bench(case)
    if not found.place.filled:
        raise NotTried("it fills empty datasets")
    for number, made in found.made():
        before = found.inputs[number].mask_safe
        require(made.mask_safe is not None or before is None, "the safe mask is gone")
        wider = np.sum(made.mask_safe.data & ~before.data) if before is not None else 0
        require(not wider, f"{wider} bins outside the safe mask are safe now")


@law(
    "keeps times and metadata",
    "maker",
    mend="Copy gti and meta_table to the dataset that you return.",
)
def keeps_times(case: ComponentCase) -> None:
    """Good time intervals, livetime, and the table of what the dataset is made of."""
    found = bench(case)
    for number, made in found.made():
        before = found.inputs[number]
        if getattr(before, "gti", None) is not None:
            require(made.gti is not None, "the good time intervals are gone")
            longer = made.gti.time_sum - before.gti.time_sum
            same = not found.place.filled or longer.to_value("s") < 1e-6
            require(same, f"the observation time grew by {longer:.3g}")
        if getattr(before, "meta_table", None) is not None:
            kept = getattr(made.meta_table, "colnames", [])
            gone = [name for name in before.meta_table.colnames if name not in kept]
            require(not gone, f"the metadata lost {', '.join(gone)}")


@law(
    "says why it leaves a run out",
    "maker",
    mend='raise SkipObservation("why"): the reason is all that the ledger can show.',
)
def says_why(case: ComponentCase) -> None:
    """On each run, and on one without events."""
    found = bench(case)
    given = list(zip(found.inputs, case.observations(), strict=True))
    empty = without_events(case.observations()[0])
    for dataset, run in [*given, (_of_nothing(found.inputs[0]), empty)]:
        made = make(found.maker, dataset, run)
        if isinstance(made, SkipObservation):
            told = made.args and str(made.args[0]).strip()
            require(told, f"run {run.obs_id} is left out, and no reason is given")


@law(
    "learns in prepare, and changes nothing by it",
    "maker",
    mend="Return self.evolve(...) from prepare, with what was learnt in an option: components are "
    "frozen, and what prepare returns enters the cache key.",
)
def prepares(case: ComponentCase) -> None:
    """What comes back is a maker like any; the one that was asked and the runs stay."""
    runs, before = case.observations(), duplicate(case.component)
    prepared = case.component.prepare(runs)
    require(isinstance(prepared, Maker), f"prepare gives {type(prepared).__name__}, no maker")
    require(case.component == before, "prepare changed the maker itself")
    for run, as_it_was in zip(runs, case.observations(), strict=True):
        changed = differences(contents(as_it_was), contents(run))
        require(not changed, f"of run {run.obs_id}, {'; '.join(changed[:3])}")
    again = case.component.prepare(case.observations())
    require(duplicate(prepared) == prepared == again, "prepared again, or pickled, it is not equal")


@law(
    "has another digest where it learnt something else",
    "maker",
    mend="Hold all that prepare learns in options of the maker that it returns: else the cache "
    "gives datasets that were made with what was learnt from other runs.",
)
def learns_in_digest(case: ComponentCase) -> None:
    """Prepared with one run and with all: makers that make different datasets differ."""
    found = bench(case)
    one = case.component.prepare(case.observations()[-1:])
    digests = digest_or_skip(one), digest_or_skip(found.maker)
    for dataset, run in zip(found.inputs, case.observations(), strict=True):
        with_one = made_contents(make(one, dataset, run))
        if changed := differences(with_one, made_contents(make(found.maker, dataset, run))):
            told = digests[0] != digests[1] or not _steady(one, dataset, run)
            require(told, f"with other runs prepared, {changed[0]}, and the digest is the same")
            return


def _steady(maker: Maker, dataset: Any, run: Any) -> bool:
    """Whether it makes the same twice; if not, that is another law's."""
    first, second = (made_contents(make(maker, dataset, run)) for _ in range(2))
    return not differences(first, second)


def without_events(run: Any) -> Any:
    """Give an observation with no events in it."""
    from gammapy.data import EventList

    run._events = EventList(run.events.table[:0])
    return run


def _of_nothing(dataset: Any) -> Any:
    made = duplicate(dataset)
    for part in ("counts", "counts_off"):
        if getattr(made, part, None) is not None:
            getattr(made, part).data[...] = 0
    return made
