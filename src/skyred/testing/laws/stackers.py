"""Laws of stackers: a monoid, so that partial totals can be made anywhere and merged in order."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np

from skyred.testing.case import ComponentCase
from skyred.testing.compare import Contents, contents, differences
from skyred.testing.copies import duplicate
from skyred.testing.law import LawBroken, law, require
from skyred.testing.stacker_inputs import FLOAT32, StackerInputs, piles

_MERGE = (
    "MapDataset.stack masks the other dataset once more, on its coarse responses: to merge "
    "totals, give the right one an all-True mask_safe, stack, and put the masks together with |."
)


@law(
    "has a zero that changes nothing on the left",
    "stacker",
    mend="In merge, return the other total where one holds nothing: stacking onto an empty "
    "dataset rounds, and masks responses.",
)
def zero_left(case: ComponentCase) -> None:
    """Exactly."""
    for pile in piles(case):
        merged = pile.stacker.merge(pile.zero(), pile.fold(0, 1))
        _same(pile, pile.fold(0, 1), merged)


@law(
    "has a zero that changes nothing on the right",
    "stacker",
    mend="In merge, return the other total where one holds nothing. " + _MERGE,
)
def zero_right(case: ComponentCase) -> None:
    """Exactly."""
    for pile in piles(case):
        merged = pile.stacker.merge(pile.fold(0, 1), pile.zero())
        _same(pile, pile.fold(0, 1), merged)


@law(
    "gives no datasets of nothing",
    "stacker",
    mend="Let result() give Datasets([]) where nothing was added: an empty dataset would be "
    "fitted, or end in an error that names no cause.",
)
def nothing_of_nothing(case: ComponentCase) -> None:
    """Of zero, and of two of them."""
    for pile in piles(case):
        for total in (pile.zero(), pile.stacker.merge(pile.zero(), pile.zero())):
            held = pile.result(total)
            require(not held, f"of no runs, result gives {len(held)} datasets")


@law("merges in any grouping", "stacker", mend="Add up in merge as add does. " + _MERGE)
def associative(case: ComponentCase) -> None:
    """To the rounding of float32."""
    for pile in piles(case):
        merge = pile.stacker.merge
        left = merge(merge(pile.fold(0), pile.fold(1)), pile.fold(2))
        right = merge(pile.fold(0), merge(pile.fold(1), pile.fold(2)))
        _same(pile, left, right, FLOAT32)


@law(
    "adds as it merges a total of one",
    "stacker",
    mend="add(t, d) and merge(t, add(zero, d)) must be the same: chunks would depend on where they "
    "are cut. " + _MERGE,
)
def adds_as_it_merges(case: ComponentCase) -> None:
    """To the rounding of float32."""
    for pile in piles(case):
        _same(pile, pile.stacker.merge(pile.fold(0, 1), pile.fold(2)), pile.fold(0, 1, 2), FLOAT32)


@law(
    "leaves the datasets it adds as they were",
    "stacker",
    mend="Add to the total, not to the dataset; copy a dataset (dataset.copy(name=...)) before it "
    "becomes the total.",
)
def leaves_datasets(case: ComponentCase) -> None:
    """While it adds them, and others after them."""
    for pile in piles(case):
        total, given = pile.zero(), [duplicate(dataset) for dataset, _ in pile.runs]
        for dataset, (_, run) in zip(given, pile.runs, strict=True):
            total = pile.stacker.add(total, dataset, run)
        changed = differences(contents([dataset for dataset, _ in pile.runs]), contents(given))
        require(not changed, f"of {pile.words}, {'; '.join(changed[:3])}")


@law(
    "holds on to nothing of the datasets it adds",
    "stacker",
    mend="Copy the dataset (dataset.copy(name=...)) where it becomes the total, good time "
    "intervals and metadata too.",
)
def no_aliasing(case: ComponentCase) -> None:
    """What becomes of a dataset afterwards is none of its business."""
    for pile in piles(case):
        dataset, run = duplicate(pile.runs[0])
        total = pile.stacker.add(pile.zero(), dataset, run)
        before = _snapshot(pile, total)
        _spoil(dataset)
        changed = differences(before, pile.contents(total))
        require(not changed, f"with an added dataset of {pile.words}, {'; '.join(changed[:3])}")


@law(
    "gives totals that survive pickling",
    "stacker",
    mend="Let totals hold datasets, lists and plain values: they come back from workers by pickle.",
)
def totals_travel(case: ComponentCase) -> None:
    """The total of nothing too."""
    for pile in piles(case):
        for total in (pile.zero(), pile.fold(0, 1)):
            try:
                travelled = pickle.loads(pickle.dumps(total))
            except Exception as error:  # whatever is in it
                raise LawBroken(f"{type(error).__name__}: {error}") from error
            _same(pile, total, travelled)


@law(
    "counts every livetime and every count once",
    "stacker",
    mend="Take MapDataset.stack for the sum, and see that merge does not stack what is "
    "there already. " + _MERGE,
)
def every_livetime_once(case: ComponentCase) -> None:
    """Sums over the results are those over the runs, inside their safe masks."""
    for pile in piles(case):
        expected = _sums([dataset for dataset, _ in pile.runs])
        numbers = range(len(pile.runs))
        halves = pile.fold(*numbers[:1]), pile.fold(*numbers[1:])
        for found in (pile.fold(*numbers), pile.stacker.merge(*halves)):
            sums = _sums(pile.result(found))
            for name, value in expected.items():
                close = np.isclose(sums[name], value, rtol=1e-9)
                require(close, f"of {pile.words}, the {name} is {sums[name]:g} and not {value:g}")


@law(
    "gives datasets with names of their own",
    "stacker",
    mend="Begin names with geometry.name, and end them with what tells the datasets apart.",
)
def unique_names(case: ComponentCase) -> None:
    """Models find datasets by name."""
    for pile in piles(case):
        names = [dataset.name for dataset in pile.result(pile.fold(*range(len(pile.runs))))]
        require(len(set(names)) == len(names), f"it gives {', '.join(names)}")


@law(
    "loses nothing where datasets are of two types",
    "stacker",
    mend="Raise TypeError if a dataset's type is not that of the total, or keep each on its own: "
    "gammapy stacks an on-off spectrum onto a plain one without a word, and forgets the off "
    "counts.",
)
def keeps_mixture(case: ComponentCase) -> None:
    """A spectrum without off counts, and one that has them: refused, or both there."""
    for pile in piles(case):
        dataset, run = duplicate(pile.runs[0])
        if not dataset.tag.endswith("OnOff"):
            continue
        plain = dataset.to_spectrum_dataset(name=f"{dataset.name}-plain")
        for first, second in ((dataset, plain), (plain, dataset)):
            try:
                total = pile.stacker.add(pile.stacker.add(pile.zero(), first, run), second, run)
                held = pile.result(total)
            except Exception:  # of whatever type: it does not go on
                continue
            what = f"a {type(second).__name__} is added to a total of a {type(first).__name__}"
            require(len(held) == 2, f"{what}, and {len(held)} datasets are left of 2")
            kept = any(getattr(each, "counts_off", None) is not None for each in held)
            require(kept, f"{what}, and the off counts are lost")


@law(
    "has a chunk of at least one run",
    "stacker",
    mend="Leave `chunk` as it is declared by Stacker, or give it another default.",
)
def positive_chunk(case: ComponentCase) -> None:
    """How many runs are one piece of work."""
    chunk = case.component.chunk
    require(isinstance(chunk, int) and chunk >= 1, f"chunk is {chunk!r}")


def _same(pile: StackerInputs, one: Any, other: Any, rtol: float = 0.0) -> None:
    # the totals may share datasets: the first is read before the second
    before = _snapshot(pile, one)
    changed = differences(before, pile.contents(other), rtol)
    require(not changed, f"of {pile.words}, {'; '.join(changed[:3])}")


def _snapshot(pile: StackerInputs, total: Any) -> Contents:
    return contents(duplicate(pile.result(total)))


def _spoil(dataset: Any) -> None:
    for part in ("counts", "exposure", "background", "counts_off", "acceptance", "mask_safe"):
        held = getattr(dataset, part, None)
        if held is not None:
            held.data[...] = 0
    if dataset.gti is not None:
        dataset.gti.table["STOP"] = dataset.gti.table["START"]
    if dataset.exposure is not None and "livetime" in dataset.exposure.meta:
        dataset.exposure.meta["livetime"] *= 3
    if dataset.meta_table is not None:
        dataset.meta_table["OBS_ID"] = [f"{each}0" for each in dataset.meta_table["OBS_ID"]]


def _sums(datasets: list[Any]) -> dict[str, float]:
    sums = {"counts": 0.0, "livetime in s": 0.0}
    for dataset in datasets:
        safe = dataset.mask_safe.data if dataset.mask_safe is not None else True
        sums["counts"] += float((dataset.counts.data * safe).sum())
        livetime = (dataset.exposure.meta or {}).get("livetime")
        sums["livetime in s"] += 0.0 if livetime is None else float(livetime.to_value("s"))
    return sums
