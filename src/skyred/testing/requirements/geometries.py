"""Requirements for geometries: each call returns a new, empty dataset."""

from __future__ import annotations

from typing import Any

from skyred.errors import SkipObservation
from skyred.testing.case import ComponentCase
from skyred.testing.compare import contents, differences
from skyred.testing.requirement import require, requirement
from skyred.testing.sample import NAME
from skyred.testing.steps import step


@requirement(
    "returns an empty dataset with the requested name",
    "geometry",
    fix="Create the dataset with gammapy's `create`, with name=name or self.name, and do not fill "
    "it.",
)
def returns_empty_dataset(case: ComponentCase) -> None:
    """Check the name of the dataset, and that it has neither counts nor exposure.

    Parameters
    ----------
    case : ComponentCase
        The geometry to be checked.
    """
    target = _target(case)
    require(target.name == NAME, f"the dataset is named {target.name!r}, not {NAME!r}")
    for name in ("counts", "exposure", "background"):
        data_map = getattr(target, name, None)
        require(data_map is None or not data_map.data.any(), f"the map of {name} is not empty")


@requirement(
    "returns a new dataset each time",
    "geometry",
    fix="Create the dataset in target(), and keep no reference: the next caller stacks onto it.",
)
def returns_new_dataset(case: ComponentCase) -> None:
    """Check that filling a dataset does not affect the next one.

    Parameters
    ----------
    case : ComponentCase
        The geometry to be checked.
    """
    original_contents = contents(_target(case))
    first = _target(case)
    if first.counts is not None:
        first.counts.data[...] = 1
    changes = differences(original_contents, contents(_target(case)))
    require(not changes, f"after another dataset was filled, {'; '.join(changes[:3])}")


@requirement(
    "cuts out datasets of runs without changing the target",
    "geometry",
    fix="Copy or cut out (dataset.cutout): makers write to the dataset that cutout() returns. Name "
    'it f"{target.name}-{observation.obs_id}".',
)
def cuts_out_datasets(case: ComponentCase) -> None:
    """Check the dataset of a run: its name, and that filling it does not change the target.

    Parameters
    ----------
    case : ComponentCase
        The geometry to be checked.
    """
    geometry = case.component
    reduction = case.crab.reduction("maps").evolve(geometry=geometry)
    target, names = _target(case), set()
    for run in case.observations():
        try:
            dataset, again = (geometry.cutout(target, run, reduction) for _ in range(2))
        except SkipObservation as skip:
            require(skip.args and str(skip.args[0]).strip(), "it skips a run without a reason")
            continue
        require(type(dataset) is type(target), f"it returns a {type(dataset).__name__} for a run")
        require(dataset.name == again.name, "the name of the dataset of a run is a random one")
        require(dataset.name not in names, f"datasets of two runs have the name {dataset.name!r}")
        names.add(dataset.name)
        if dataset.counts is not None:
            has_same_axes = dataset.counts.geom.axes == target.counts.geom.axes
            require(
                has_same_axes, "the axes of the dataset of a run differ from those of the target"
            )
            dataset.counts.data[...] = 1
    changes = differences(contents(_target(case)), contents(target))
    require(not changes, f"in the target, {'; '.join(changes[:3])}")


def _target(case: ComponentCase) -> Any:
    with step("creating the empty dataset"):
        return case.component.target(NAME)
