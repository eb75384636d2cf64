"""Laws of geometries: empty datasets, new ones each time."""

from __future__ import annotations

from typing import Any

from skyred.errors import SkipObservation
from skyred.testing.case import ComponentCase
from skyred.testing.compare import contents, differences
from skyred.testing.law import law, require
from skyred.testing.sample import NAME


@law(
    "gives an empty dataset by the name that is asked for",
    "geometry",
    mend="Create the dataset with gammapy's `create`, with name=name or self.name, and fill "
    "nothing in.",
)
def empty(case: ComponentCase) -> None:
    """No counts, no exposure."""
    target = _target(case)
    require(target.name == NAME, f"asked for {NAME!r}, it gives {target.name!r}")
    for part in ("counts", "exposure", "background"):
        held = getattr(target, part, None)
        require(held is None or not held.data.any(), f"its {part} are not 0")


@law(
    "gives a new dataset each time",
    "geometry",
    mend="Make the dataset in target(), and keep none: whoever asks next would stack onto it.",
)
def new_each_time(case: ComponentCase) -> None:
    """What is filled into one is not in the next."""
    before = contents(_target(case))
    first = _target(case)
    if first.counts is not None:
        first.counts.data[...] = 1
    changed = differences(before, contents(_target(case)))
    require(not changed, f"after another was filled, {'; '.join(changed[:3])}")


@law(
    "cuts out of the whole and leaves it as it was",
    "geometry",
    mend="Copy or cut out (dataset.cutout): makers write to what cutout() gives.",
)
def cuts_out(case: ComponentCase) -> None:
    """Filling a run's dataset leaves the whole empty."""
    geometry = case.component
    reduction = case.crab.reduction("maps").evolve(geometry=geometry)
    target = _target(case)
    for run in case.observations():
        try:
            made = geometry.cutout(target, run, reduction)
        except SkipObservation as skip:
            require(skip.args and str(skip.args[0]).strip(), "it leaves a run out without a reason")
            continue
        require(type(made) is type(target), f"it gives a {type(made).__name__} for a run")
        if made.counts is not None:
            same = made.counts.geom.axes == target.counts.geom.axes
            require(same, "the axes of a run's dataset are others")
            made.counts.data[...] = 1
    changed = differences(contents(_target(case)), contents(target))
    require(not changed, f"of the whole, {'; '.join(changed[:3])}")


def _target(case: ComponentCase) -> Any:
    return case.component.target(NAME)
