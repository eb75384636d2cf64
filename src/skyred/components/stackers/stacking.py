"""Stacking: what the stackers share; a dataset onto a stack, and two partial stacks to one."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from skyred.interfaces import Geometry


@attrs.define(eq=False)
class Stack:
    """The total of `sum`: nothing yet, or one dataset; the first one fixes its type."""

    geometry: Geometry
    dataset: Any = None


def add_to(stack: Stack, dataset: Any) -> Stack:
    """Stack one dataset onto a total, inside its safe mask; the total is changed and given back.

    Raises
    ------
    TypeError
        If it is of another type than those before it, or than the geometry can hold.
    """
    if stack.dataset is None:
        stack.dataset = _empty(stack.geometry, dataset)
    elif type(stack.dataset) is not type(dataset):
        raise mixed_types(stack.dataset, dataset)
    _stack(stack.dataset, dataset)
    return stack


def merged(left: Stack, right: Stack) -> Stack:
    """Stack the right total onto the left one; both are used up.

    Raises
    ------
    TypeError
        If they hold datasets of different types.
    """
    if right.dataset is None:
        return left
    if left.dataset is None:
        return right
    if type(left.dataset) is not type(right.dataset):
        raise mixed_types(left.dataset, right.dataset)
    merge_stacks(left.dataset, right.dataset)
    return left


def merge_stacks(left: Any, right: Any) -> None:
    """Stack two stacks, in place of the left one.

    gammapy's `stack` masks the other dataset's responses on their coarse grid: right for one run,
    wrong for a stack that was masked when it was made (it erases responses at the edge). So the
    other's safe mask is all True while it is stacked, and the real masks are combined after it.
    """
    safe_right = right.mask_safe
    if safe_right is None or left.mask_safe is None:
        _stack(left, right)
        return
    safe_left = left.mask_safe.copy()  # stacking writes into the original
    everything = safe_right.copy()
    everything.data[...] = True
    right.mask_safe = everything
    try:
        _stack(left, right)
    finally:
        right.mask_safe = safe_right
    left.mask_safe = safe_left
    left.mask_safe.data = np.logical_or(left.mask_safe.data, safe_right.data)


def mixed_types(total: Any, dataset: Any) -> TypeError:
    """Give the error of a dataset of another type than those before it."""
    return TypeError(
        f"a {type(dataset).__name__} cannot be stacked with a {type(total).__name__}: "
        "the makers must give the same type for every run"
    )


def _empty(geometry: Geometry, dataset: Any) -> Any:
    """Give the empty dataset that a dataset's type is stacked onto.

    A geometry gives datasets without off counts. gammapy stacks one with off counts onto such a
    one without a word, and turns wstat into Cash: so the empty one is given empty off counts.
    """
    target = geometry.target()
    if type(target) is type(dataset):
        return target
    if type(dataset).__name__ != f"{type(target).__name__}OnOff":
        raise TypeError(
            f"the geometry {geometry.kind!r} gives a {type(target).__name__}, and no "
            f"{type(dataset).__name__} can be stacked onto it"
        )
    names = ("acceptance", "acceptance_off", "counts_off")
    nothing = {name: target.counts.copy(data=np.zeros_like(target.counts.data)) for name in names}
    return type(dataset).from_map_dataset(target, name=target.name, **nothing)


def _stack(total: Any, dataset: Any) -> None:
    """Stack as gammapy does, but for the off acceptance of a total without any off counts.

    gammapy gives NaN there, since it weights acceptances with off counts: the predicted background
    is lost. They are added up instead; as soon as there are off counts, those decide.
    """
    off = getattr(total, "acceptance_off", None)
    if off is not None:
        off = off.copy()
        off.stack(dataset.acceptance_off, weights=dataset.mask_safe)
    total.stack(dataset)
    if off is not None and not total.counts_off.data.any():
        total.acceptance_off = off
