"""Stacking: what the stackers share, and how two partial stacks become one."""

from __future__ import annotations

from typing import Any

import attrs

from skyred.interfaces import Geometry


@attrs.define(eq=False)
class Stack:
    """The total of `sum`: nothing yet, or one dataset; the first one fixes its type."""

    geometry: Geometry
    dataset: Any = None


def merge_stacks(left: Any, right: Any) -> None:
    """Stack two stacks, in place of the left one.

    gammapy's `stack` masks the other dataset's responses on their coarse grid: right for one run,
    wrong for a stack that was masked when it was made (it erases responses at the edge). So the
    other's safe mask is all True while it is stacked, and the real masks are combined after it.
    """
    safe_right = right.mask_safe
    if safe_right is None or left.mask_safe is None:
        left.stack(right)
        return
    safe_left = left.mask_safe.copy()  # stacking writes into the original
    everything = safe_right.copy()
    everything.data[...] = True
    right.mask_safe = everything
    try:
        left.stack(right)
    finally:
        right.mask_safe = safe_right
    left.mask_safe = safe_left
    left.mask_safe.data |= safe_right.data


def mixed_types(total: Any, dataset: Any) -> TypeError:
    """Give the error of a dataset of another type than those before it."""
    return TypeError(
        f"a {type(dataset).__name__} cannot be stacked with a {type(total).__name__}: "
        "the makers must give the same type for every run"
    )
