"""The stackers: `sum` (one dataset of all runs) and `keep` (one dataset a run, for a joint fit)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from skyred.interfaces import Geometry, Stacker, component

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import Dataset, Datasets


@attrs.define(eq=False)
class Stack:
    """The total of `sum`: nothing yet, or one dataset; the first one fixes its type."""

    geometry: Geometry
    dataset: Any = None


@component
class Sum(Stacker):
    """Stack all runs into one dataset."""

    kind = "sum"

    def zero(self, geometry: Geometry) -> Stack:
        """Give the total of nothing yet."""
        return Stack(geometry)

    def add(self, total: Stack, dataset: Dataset, observation: Observation) -> Stack:
        """Stack one more dataset onto the total, inside its safe mask."""
        if total.dataset is None:
            target = total.geometry.target()
            if type(target) is not type(dataset):
                raise TypeError(
                    f"the stacker 'sum' starts from a {type(target).__name__} and cannot stack a "
                    f"{type(dataset).__name__} onto it"
                )
            total.dataset = target
        elif type(total.dataset) is not type(dataset):
            raise _mixed(total.dataset, dataset)
        total.dataset.stack(dataset)
        return total

    def merge(self, left: Stack, right: Stack) -> Stack:
        """Stack the right total onto the left one."""
        if right.dataset is None:
            return left
        if left.dataset is None:
            return right
        if type(left.dataset) is not type(right.dataset):
            raise _mixed(left.dataset, right.dataset)
        merge_stacks(left.dataset, right.dataset)
        return left

    def result(self, total: Stack) -> Datasets:
        """Give the stacked dataset, or none."""
        from gammapy.datasets import Datasets

        return Datasets([] if total.dataset is None else [total.dataset])


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


@component
class Keep(Stacker):
    """Keep one dataset for each run, for a joint fit."""

    kind = "keep"

    def zero(self, geometry: Geometry) -> list[Any]:
        """Give the total of nothing yet."""
        return []

    def add(self, total: list[Any], dataset: Dataset, observation: Observation) -> list[Any]:
        """Put a copy of the dataset behind the others."""
        if total and type(total[0]) is not type(dataset):
            raise _mixed(total[0], dataset)
        total.append(dataset.copy(name=dataset.name))
        return total

    def merge(self, left: list[Any], right: list[Any]) -> list[Any]:
        """Put the right datasets behind the left ones."""
        if left and right and type(left[0]) is not type(right[0]):
            raise _mixed(left[0], right[0])
        left.extend(right)
        return left

    def result(self, total: list[Any]) -> Datasets:
        """Give the datasets, in the order of the runs."""
        from gammapy.datasets import Datasets

        return Datasets(total)


def _mixed(total: Any, dataset: Any) -> TypeError:
    return TypeError(
        f"a {type(dataset).__name__} cannot be stacked with a {type(total).__name__}: "
        "the makers must give the same type for every run"
    )
