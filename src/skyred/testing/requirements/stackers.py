"""Requirements for stackers: consistent merges, unchanged inputs, and picklable totals."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np

from skyred.testing.case import ComponentCase
from skyred.testing.compare import Contents, contents, differences
from skyred.testing.copies import duplicate
from skyred.testing.requirement import RequirementViolated, require, requirement
from skyred.testing.stacker_inputs import FLOAT32_RTOL, StackerInputs, accepted_inputs

_MERGE_ADVICE = (
    "To merge stacked datasets, use skyred.merge_stacks, or the methods of a stacker such as Sum: "
    "MapDataset.stack would apply the mask of the other dataset again, to its IRF maps."
)


@requirement(
    "has a zero that is a left identity of merge",
    "stacker",
    fix="In merge, return the other total if one is empty: stacking onto an empty dataset "
    "introduces rounding errors, and applies the mask to the IRF maps.",
)
def has_left_identity(case: ComponentCase) -> None:
    """Check that merging a total into zero returns the total exactly.

    Parameters
    ----------
    case : ComponentCase
        The stacker to be checked.
    """
    for inputs in accepted_inputs(case):
        merged_total = inputs.stacker.merge(inputs.zero(), inputs.total(0, 1))
        _require_same(inputs, inputs.total(0, 1), merged_total)


@requirement(
    "has a zero that is a right identity of merge",
    "stacker",
    fix="In merge, return the other total if one is empty. " + _MERGE_ADVICE,
)
def has_right_identity(case: ComponentCase) -> None:
    """Check that merging zero into a total returns the total exactly.

    Parameters
    ----------
    case : ComponentCase
        The stacker to be checked.
    """
    for inputs in accepted_inputs(case):
        merged_total = inputs.stacker.merge(inputs.total(0, 1), inputs.zero())
        _require_same(inputs, inputs.total(0, 1), merged_total)


@requirement(
    "returns no datasets for an empty total",
    "stacker",
    fix="Return Datasets([]) from result() if nothing was added: an empty dataset would be "
    "fitted, or lead to an error without a clear cause.",
)
def returns_no_datasets_for_empty_total(case: ComponentCase) -> None:
    """Check that zero, and two merged zeros, have no datasets.

    Parameters
    ----------
    case : ComponentCase
        The stacker to be checked.
    """
    for inputs in accepted_inputs(case):
        for total in (inputs.zero(), inputs.stacker.merge(inputs.zero(), inputs.zero())):
            datasets = inputs.result(total)
            require(not datasets, f"without runs, result returns {len(datasets)} datasets")


@requirement(
    "has an associative merge",
    "stacker",
    fix="Compute the same sums in merge as in add. " + _MERGE_ADVICE,
)
def has_associative_merge(case: ComponentCase) -> None:
    """Check that merge is associative within float32 rounding.

    Parameters
    ----------
    case : ComponentCase
        The stacker to be checked.
    """
    for inputs in accepted_inputs(case):
        merge = inputs.stacker.merge
        left_total = merge(merge(inputs.total(0), inputs.total(1)), inputs.total(2))
        right_total = merge(inputs.total(0), merge(inputs.total(1), inputs.total(2)))
        _require_same(inputs, left_total, right_total, FLOAT32_RTOL)


@requirement(
    "has a merge that is consistent with add",
    "stacker",
    fix="add(t, d) and merge(t, add(zero, d)) must be the same: otherwise results depend on the "
    "chunks. " + _MERGE_ADVICE,
)
def has_equivalent_add_and_merge(case: ComponentCase) -> None:
    """Check that adding and merging agree within float32 rounding.

    Parameters
    ----------
    case : ComponentCase
        The stacker to be checked.
    """
    for inputs in accepted_inputs(case):
        _require_same(
            inputs,
            inputs.stacker.merge(inputs.total(0, 1), inputs.total(2)),
            inputs.total(0, 1, 2),
            FLOAT32_RTOL,
        )


@requirement(
    "leaves added datasets unchanged",
    "stacker",
    fix="Add to the total, not to the dataset; copy a dataset (dataset.copy(name=...)) before it "
    "becomes the total.",
)
def leaves_datasets_unchanged(case: ComponentCase) -> None:
    """Check that datasets are not modified when they, or later datasets, are added.

    Parameters
    ----------
    case : ComponentCase
        The stacker to be checked.
    """
    for inputs in accepted_inputs(case):
        total, copies = inputs.zero(), [duplicate(dataset) for dataset, _ in inputs.runs]
        for dataset, (_, run) in zip(copies, inputs.runs, strict=True):
            total = inputs.stacker.add(total, dataset, run)
        changes = differences(contents([dataset for dataset, _ in inputs.runs]), contents(copies))
        require(not changes, f"for {inputs.description}, {'; '.join(changes[:3])}")


@requirement(
    "shares no data with added datasets",
    "stacker",
    fix="Copy the dataset (dataset.copy(name=...)) if it becomes the total, with its good time "
    "intervals and metadata.",
)
def shares_no_data(case: ComponentCase) -> None:
    """Check that changes to a dataset after it was added do not affect the total.

    Parameters
    ----------
    case : ComponentCase
        The stacker to be checked.
    """
    for inputs in accepted_inputs(case):
        dataset, run = duplicate(inputs.runs[0])
        total = inputs.stacker.add(inputs.zero(), dataset, run)
        original_contents = _snapshot(inputs, total)
        _overwrite(dataset)
        changes = differences(original_contents, inputs.contents(total))
        message = f"for {inputs.description}, after an added dataset was changed"
        require(not changes, f"{message}, {'; '.join(changes[:3])}")


@requirement(
    "has totals that survive pickling",
    "stacker",
    fix="Use datasets, lists and plain values in totals: they are pickled when workers return "
    "them.",
)
def has_picklable_totals(case: ComponentCase) -> None:
    """Check that empty and filled totals have the same result after pickling.

    Parameters
    ----------
    case : ComponentCase
        The stacker to be checked.
    """
    for inputs in accepted_inputs(case):
        for total in (inputs.zero(), inputs.total(0, 1)):
            try:
                unpickled = pickle.loads(pickle.dumps(total))
            except Exception as error:  # objects in the total may raise any exception
                raise RequirementViolated(f"{type(error).__name__}: {error}") from error
            _require_same(inputs, total, unpickled)


@requirement(
    "includes the counts and livetime of each run exactly once",
    "stacker",
    fix="Use MapDataset.stack for the sum, and in merge, do not stack a dataset that the total "
    "already includes. " + _MERGE_ADVICE,
)
def counts_each_run_once(case: ComponentCase) -> None:
    """Check that livetimes, and counts in safe masks, add up to those of the runs.

    Parameters
    ----------
    case : ComponentCase
        The stacker to be checked.
    """
    for inputs in accepted_inputs(case):
        expected = _sums([dataset for dataset, _ in inputs.runs])
        indices = range(len(inputs.runs))
        parts = inputs.total(*indices[:1]), inputs.total(*indices[1:])
        for total in (inputs.total(*indices), inputs.stacker.merge(*parts)):
            sums = _sums(inputs.result(total))
            for name, value in expected.items():
                require(
                    np.isclose(sums[name], value, rtol=1e-9),
                    f"for {inputs.description}, {name}: {sums[name]:g}, expected {value:g}",
                )


def _require_same(inputs: StackerInputs, first: Any, second: Any, rtol: float = 0.0) -> None:
    # a copy, because `result` of the second total may change datasets that the totals share
    original_contents = _snapshot(inputs, first)
    changes = differences(original_contents, inputs.contents(second), rtol)
    require(not changes, f"for {inputs.description}, {'; '.join(changes[:3])}")


def _snapshot(inputs: StackerInputs, total: Any) -> Contents:
    return contents(duplicate(inputs.result(total)))


def _overwrite(dataset: Any) -> None:
    for name in ("counts", "exposure", "background", "counts_off", "acceptance", "mask_safe"):
        data_map = getattr(dataset, name, None)
        if data_map is not None:
            data_map.data[...] = 0
    if dataset.gti is not None:
        dataset.gti.table["STOP"] = dataset.gti.table["START"]
    if dataset.exposure is not None and "livetime" in dataset.exposure.meta:
        dataset.exposure.meta["livetime"] *= 3
    if dataset.meta_table is not None:
        dataset.meta_table["OBS_ID"] = [f"{obs_id}0" for obs_id in dataset.meta_table["OBS_ID"]]


def _sums(datasets: list[Any]) -> dict[str, float]:
    sums = {"counts": 0.0, "livetime (s)": 0.0}
    for dataset in datasets:
        mask = dataset.mask_safe.data if dataset.mask_safe is not None else True
        sums["counts"] += float((dataset.counts.data * mask).sum())
        livetime = (dataset.exposure.meta or {}).get("livetime")
        sums["livetime (s)"] += 0.0 if livetime is None else float(livetime.to_value("s"))
    return sums
