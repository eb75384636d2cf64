"""Stacking of a dataset onto a total, and of two totals."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import attrs
import numpy as np

from skyred.interfaces import Geometry


@attrs.define(eq=False)
class Stack:
    """A total of stacked runs: empty, or one dataset of the type of the first run.

    Parameters
    ----------
    geometry : Geometry
        The geometry of the dataset.
    dataset : gammapy.datasets.Dataset or None
        The stacked dataset; None if no run was added.
    """

    geometry: Geometry
    dataset: Any = None


def stack_dataset(stack: Stack, dataset: Any) -> Stack:
    """Stack a dataset onto a total, within its safe mask.

    Parameters
    ----------
    stack : Stack
        The total, which is changed in place.
    dataset : gammapy.datasets.Dataset
        The dataset, which is not changed.

    Returns
    -------
    Stack
        The total that was passed.

    Raises
    ------
    TypeError
        If the dataset and the total have different types, or the dataset does not fit the geometry.
    """
    if stack.dataset is None:
        stack.dataset = _create_empty(stack.geometry, dataset)
    require_same_type(stack.dataset, dataset)
    _stack(stack.dataset, dataset)
    return stack


def merge_totals(left: Stack, right: Stack) -> Stack:
    """Stack the right total onto the left one.

    Parameters
    ----------
    left : Stack
        The total of the first runs, which is changed in place.
    right : Stack
        The total of the following runs, which must not be used afterwards.

    Returns
    -------
    Stack
        The merged total.

    Raises
    ------
    TypeError
        If the totals have datasets of different types.
    """
    if right.dataset is None:
        return left
    if left.dataset is None:
        return right
    merge_stacks(left.dataset, right.dataset)
    return left


def merge_stacks(left: Any, right: Any) -> None:
    """Stack a stacked dataset onto another one, for the method `merge` of a stacker.

    gammapy's `stack` masks the IRFs of the right dataset on their coarse grid. This is correct for
    one run, but wrong for a stack of masked runs, since it erases IRFs at the edge of the mask. The
    safe mask of the right dataset is therefore set to True during stacking, and the original masks
    are combined afterwards.

    Parameters
    ----------
    left : gammapy.datasets.MapDataset or gammapy.datasets.SpectrumDataset
        A stacked dataset, which is changed in place.
    right : gammapy.datasets.MapDataset or gammapy.datasets.SpectrumDataset
        The dataset that is stacked onto the left one; it is not changed.

    Raises
    ------
    TypeError
        If the datasets have different types.

    Examples
    --------
    >>> def merge(self, left, right):  # totals are dictionaries of datasets by group
    ...     for group, stack in right.items():
    ...         if group in left:
    ...             merge_stacks(left[group], stack)
    ...         else:
    ...             left[group] = stack
    ...     return left
    """
    require_same_type(left, right)
    right_mask = right.mask_safe
    if right_mask is None or left.mask_safe is None:
        _stack(left, right)
        return
    left_mask = left.mask_safe.copy()  # stacking writes into the original
    full_mask = right_mask.copy()
    full_mask.data[...] = True
    right.mask_safe = full_mask
    try:
        _stack(left, right)
    finally:
        right.mask_safe = right_mask
    left.mask_safe = left_mask
    left.mask_safe.data = np.logical_or(left.mask_safe.data, right_mask.data)


def require_same_type(*datasets: Any) -> None:
    """Check that a dataset is of the same type as the total.

    Parameters
    ----------
    *datasets : gammapy.datasets.Dataset
        The dataset of the total, if there is one, and the dataset to be added.

    Raises
    ------
    TypeError
        If the types differ.
    """
    for first, second in pairwise(datasets):
        if type(first) is not type(second):
            raise TypeError(
                f"a {type(second).__name__} cannot be stacked with a {type(first).__name__}: "
                "the makers must return the same type for every run"
            )


def _create_empty(geometry: Geometry, dataset: Any) -> Any:
    """Create the empty dataset that datasets of this type are stacked onto.

    A geometry returns datasets without off counts. If a dataset with off counts is stacked onto
    one of these, gammapy silently replaces wstat by Cash. The empty dataset therefore gets off
    counts and acceptances of zero.
    """
    target = geometry.target()
    if not target.counts.data.flags.writeable:  # the geometry returns the same dataset each time
        target = target.copy(name=target.name)
    if type(target) is type(dataset):
        return target
    if type(dataset).__name__ != f"{type(target).__name__}OnOff":
        raise TypeError(
            f"the geometry {geometry.kind!r} creates a {type(target).__name__}, but the "
            f"makers return a {type(dataset).__name__}"
        )
    names = ("acceptance", "acceptance_off", "counts_off")
    empty_maps = {
        name: target.counts.copy(data=np.zeros_like(target.counts.data)) for name in names
    }
    return type(dataset).from_map_dataset(target, name=target.name, **empty_maps)


def _stack(total: Any, dataset: Any) -> None:
    """Stack as gammapy does, but quickly where the type of the datasets is one of gammapy's."""
    from skyred.components.projection.stacking import Overlap, stack_cutout
    from skyred.components.stackers.records import stack_records

    if (overlap := Overlap.find(total, dataset)) is not None:
        stack_cutout(total, dataset, overlap)
    elif type(total).__module__.startswith("gammapy."):
        records, total.gti, total.meta_table = (total.gti, total.meta_table), None, None
        try:
            _stack_counts(total, dataset)
        finally:
            total.gti, total.meta_table = records
    else:
        _stack_counts(total, dataset)
        return
    stack_records(total, dataset)


def _stack_counts(total: Any, dataset: Any) -> None:
    """Stack as gammapy does, except for the off acceptance of a total without off counts.

    gammapy computes the off acceptance of a stack from the off counts: without any, it would be NaN
    and the predicted background would be lost. As long as the total has no off counts, the off
    acceptances are therefore added.
    """
    acceptance_off = getattr(total, "acceptance_off", None)
    if acceptance_off is not None:
        acceptance_off = acceptance_off.copy()
        acceptance_off.stack(dataset.acceptance_off, weights=dataset.mask_safe)
    total.stack(dataset)
    if acceptance_off is not None and not total.counts_off.data.any():
        total.acceptance_off = acceptance_off
