"""Requirements for makers, checked with single observations."""

from __future__ import annotations

from typing import Any

import numpy as np

from skyred.errors import SkipObservation
from skyred.interfaces import Maker
from skyred.testing.case import ComponentCase, digest_or_skip
from skyred.testing.compare import contents, differences
from skyred.testing.copies import duplicate
from skyred.testing.maker_test_setup import (
    find_test_setup,
    find_test_setup_or_skip,
    output_contents,
    run_maker,
    run_maker_contents,
)
from skyred.testing.requirement import NotChecked, require, requirement
from skyred.testing.steps import step
from skyred.testing.subprocess_worker import shared_worker


@requirement(
    "makes a dataset of an observation",
    "maker",
    fix="Return the dataset. If it needs another geometry, other preceding makers, or other "
    "observations, pass them: check(maker, sample=Sample(geometry=..., after=[...])).",
)
def makes_dataset(case: ComponentCase) -> None:
    """Check that the maker makes a dataset, from an empty or a filled dataset.

    Parameters
    ----------
    case : ComponentCase
        The maker to be checked.
    """
    from gammapy.datasets import Dataset

    for _, output in find_test_setup(case).datasets():
        require(isinstance(output, Dataset), f"make returns {type(output).__name__}, not a dataset")


@requirement(
    "leaves the observation unchanged",
    "maker",
    fix="Copy everything that you change (events, tables, IRFs): the next maker reads the "
    "same observation. To change it for all makers, return a new observation from "
    "modify_observation, for example with skyred.with_irfs.",
)
def leaves_observation_unchanged(case: ComponentCase) -> None:
    """Check that events, good time intervals, IRFs, pointing and metadata are unchanged.

    Parameters
    ----------
    case : ComponentCase
        The maker to be checked.
    """
    setup = find_test_setup_or_skip(case)
    for dataset, run, original in zip(
        setup.inputs, case.observations(), case.observations(), strict=True
    ):
        run_maker(setup.maker, dataset, run)
        changes = differences(contents(original), contents(run))
        require(not changes, f"in run {run.obs_id}, {'; '.join(changes[:3])}")


@requirement(
    "returns an observation with the same OBS_ID from modify_observation",
    "maker",
    fix="Return the observation, or a new one from skyred.with_irfs or copy.copy(observation).",
)
def modifies_to_observation(case: ComponentCase) -> None:
    """Check what `modify_observation` returns for each observation.

    Parameters
    ----------
    case : ComponentCase
        The maker to be checked.
    """
    maker = case.component.prepare(case.observations())
    for run in case.observations():
        try:
            modified = maker.modify_observation(run)
        except SkipObservation:
            continue
        is_observation = hasattr(modified, "obs_id") and hasattr(modified, "events")
        require(is_observation, f"it returns {type(modified).__name__}, not an observation")
        is_same = str(modified.obs_id) == str(run.obs_id)
        require(is_same, f"the OBS_ID {run.obs_id} became {modified.obs_id}")


@requirement(
    "makes the same dataset each time, independent of previous calls",
    "maker",
    fix="Keep no state between calls, and use random numbers only with a seed: runs are "
    "reduced in any order, and cached datasets must equal those that are reduced again.",
)
def makes_reproducible_datasets(case: ComponentCase) -> None:
    """Check that reducing the first run again, after all others, gives an identical dataset.

    The datasets are compared bit by bit.

    Parameters
    ----------
    case : ComponentCase
        The maker to be checked.
    """
    setup = find_test_setup_or_skip(case)
    first = output_contents(run_maker(setup.maker, setup.inputs[0], case.observations()[0]))
    for dataset, run in zip(setup.inputs[1:], case.observations()[1:], strict=True):
        run_maker(setup.maker, dataset, run)
    second = output_contents(run_maker(setup.maker, setup.inputs[0], case.observations()[0]))
    changes = differences(first, second)
    require(not changes, f"the second time, {'; '.join(changes[:3])}")


@requirement(
    "makes the same dataset in another process",
    "maker",
    fix="Store everything that make() needs in options, or in the maker that prepare() returns: "
    "module variables and open files are not sent to workers.",
)
def makes_same_dataset_in_another_process(case: ComponentCase) -> None:
    """Check that a pickled maker makes a bit-identical dataset in a worker process.

    Parameters
    ----------
    case : ComponentCase
        The maker to be checked.
    """
    if case.cls.__module__ == "__main__":
        raise NotChecked("its class is defined in a notebook or script")
    setup = find_test_setup_or_skip(case)
    index, _ = setup.datasets()[0]
    args = (setup.maker, setup.inputs[index], case.observations()[index])
    worker_contents = shared_worker().call(run_maker_contents, *args)
    changes = differences(output_contents(run_maker(*args)), worker_contents)
    require(not changes, f"in the other process, {'; '.join(changes[:3])}")


@requirement(
    "keeps the dataset's name and axes",
    "maker",
    fix="Change the dataset that make() receives, or create a new one with name=dataset.name: the "
    "stacker requires equal axes, and results are named after datasets.",
)
def keeps_name_and_axes(case: ComponentCase) -> None:
    """Check the name, axes and pixels; gammapy drops the name when it creates an on-off dataset.

    Parameters
    ----------
    case : ComponentCase
        The maker to be checked.
    """
    setup = find_test_setup_or_skip(case)
    for index, output in setup.datasets():
        original = setup.inputs[index]
        require(output.name == original.name, f"the name {original.name!r} became {output.name!r}")
        has_same_geom = original.counts is None or output.counts.geom == original.counts.geom
        require(has_same_geom, "the axes or pixels of the counts differ")


@requirement(
    "does not widen the safe mask",
    "maker",
    fix="Combine masks with &: bins that a preceding maker excludes remain excluded.",
)
def does_not_widen_mask(case: ComponentCase) -> None:
    """Check that no bin outside the safe mask becomes safe, if preceding makers filled the dataset.

    Parameters
    ----------
    case : ComponentCase
        The maker to be checked.
    """
    setup = find_test_setup_or_skip(case)
    if not setup.setting.is_filled:
        raise NotChecked("it fills empty datasets")
    for index, output in setup.datasets():
        mask = setup.inputs[index].mask_safe
        require(output.mask_safe is not None or mask is None, "the safe mask is missing")
        n_added = np.sum(output.mask_safe.data & ~mask.data) if mask is not None else 0
        require(not n_added, f"{n_added} bins outside the safe mask became safe")


@requirement(
    "keeps times and metadata",
    "maker",
    fix="Copy gti and meta_table to the dataset that you return.",
)
def keeps_times_and_metadata(case: ComponentCase) -> None:
    """Check the good time intervals, their total duration, and the columns of the metadata.

    Parameters
    ----------
    case : ComponentCase
        The maker to be checked.
    """
    setup = find_test_setup_or_skip(case)
    for index, output in setup.datasets():
        original = setup.inputs[index]
        if getattr(original, "gti", None) is not None:
            require(output.gti is not None, "the good time intervals are missing")
            increase = output.gti.time_sum - original.gti.time_sum
            is_valid = not setup.setting.is_filled or increase.to_value("s") < 1e-6
            require(is_valid, f"the good time increased by {increase:.3g}")
        if getattr(original, "meta_table", None) is not None:
            columns = getattr(output.meta_table, "colnames", [])
            missing = [name for name in original.meta_table.colnames if name not in columns]
            require(not missing, f"the metadata do not contain {', '.join(missing)}")


@requirement(
    "gives a reason for each run that it skips",
    "maker",
    fix='Raise SkipObservation("reason"): the observation log shows only the reason.',
)
def gives_reasons_for_skipping(case: ComponentCase) -> None:
    """Check the reasons for skipping runs, including a run without events.

    Parameters
    ----------
    case : ComponentCase
        The maker to be checked.
    """
    setup = find_test_setup_or_skip(case)
    pairs = list(zip(setup.inputs, case.observations(), strict=True))
    empty_run = remove_events(case.observations()[0])
    for dataset, run in [*pairs, (_without_counts(setup.inputs[0]), empty_run)]:
        output = run_maker(setup.maker, dataset, run)
        if isinstance(output, SkipObservation):
            reason = output.args and str(output.args[0]).strip()
            require(reason, f"run {run.obs_id} is skipped without a reason")


@requirement(
    "leaves itself and the observations unchanged in prepare()",
    "maker",
    old_names=("prepares without changing itself or the observations",),
    fix="Return self.evolve(...) from prepare, with the results in an option: components are "
    "frozen, and the maker that prepare returns is part of the cache key.",
)
def leaves_inputs_of_prepare_unchanged(case: ComponentCase) -> None:
    """Check that `prepare` returns equal makers, and changes neither the maker nor the runs.

    Parameters
    ----------
    case : ComponentCase
        The maker to be checked.
    """
    runs, original_maker = case.observations(), duplicate(case.component)
    with step("preparing the maker"):
        maker = case.component.prepare(runs)
    require(isinstance(maker, Maker), f"prepare returns {type(maker).__name__}, not a maker")
    require(case.component == original_maker, "prepare changed the maker itself")
    for run, original in zip(runs, case.observations(), strict=True):
        changes = differences(contents(original), contents(run))
        require(not changes, f"in run {run.obs_id}, {'; '.join(changes[:3])}")
    second_maker = case.component.prepare(case.observations())
    is_equal = duplicate(maker) == maker == second_maker
    require(is_equal, "the prepared maker is not equal after pickling or preparing again")


@requirement(
    "has a different digest if it is prepared with other runs and its output differs",
    "maker",
    old_names=("has another digest if it is prepared with other results",),
    fix="Store all results of prepare in options of the maker that it returns: otherwise the cache "
    "returns datasets that were reduced with the results of other runs.",
)
def includes_preparation_in_digest(case: ComponentCase) -> None:
    """Check that a maker prepared with one run has a different digest if its output differs.

    Parameters
    ----------
    case : ComponentCase
        The maker to be checked.
    """
    setup = find_test_setup_or_skip(case)
    other_maker = case.component.prepare(case.observations()[-1:])
    digests = digest_or_skip(other_maker), digest_or_skip(setup.maker)
    for dataset, run in zip(setup.inputs, case.observations(), strict=True):
        other_contents = output_contents(run_maker(other_maker, dataset, run))
        if changes := differences(
            other_contents, output_contents(run_maker(setup.maker, dataset, run))
        ):
            is_valid = digests[0] != digests[1] or not _is_reproducible(other_maker, dataset, run)
            require(is_valid, f"prepared with other runs, {changes[0]}, but the digest is the same")
            return


def _is_reproducible(maker: Maker, dataset: Any, run: Any) -> bool:
    """Return whether a maker makes the same dataset twice (checked by another requirement)."""
    first, second = (output_contents(run_maker(maker, dataset, run)) for _ in range(2))
    return not differences(first, second)


def remove_events(run: Any) -> Any:
    """Remove all events from an observation.

    Parameters
    ----------
    run : Observation
        The observation, changed in place.

    Returns
    -------
    Observation
        The same observation.
    """
    from gammapy.data import EventList

    run._events = EventList(run.events.table[:0])
    return run


def _without_counts(dataset: Any) -> Any:
    empty = duplicate(dataset)
    for name in ("counts", "counts_off"):
        if getattr(empty, name, None) is not None:
            getattr(empty, name).data[...] = 0
    return empty
