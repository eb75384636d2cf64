"""`merge_stacks` agrees with the stacker `sum`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from skyred import Sum, merge_stacks
from skyred.testing.sample import crab


def stack_runs(entry: str, *indices: int) -> Any:
    stacker, geometry = Sum(), crab().reduction(entry).geometry
    total = stacker.zero(geometry)
    runs = crab().observations()
    datasets = crab().reduced_datasets(entry)
    for index in indices:
        total = stacker.add(total, datasets[index], runs[index])
    (stack,) = stacker.result(total)
    return stack


@pytest.mark.slow
@pytest.mark.parametrize("entry", ["maps", "spectra"])
def test_merged_stacks_are_the_stack_of_all_runs(entry: str) -> None:
    expected, left, right = (stack_runs(entry, *indices) for indices in ((0, 1, 2), (0,), (1, 2)))
    right_mask = right.mask_safe.data.copy()
    merge_stacks(left, right)
    assert np.array_equal(left.mask_safe.data, expected.mask_safe.data)
    assert np.array_equal(right.mask_safe.data, right_mask)
    assert np.array_equal(left.counts.data, expected.counts.data)
    assert np.allclose(left.exposure.data, expected.exposure.data, rtol=1e-6, atol=0)
    assert np.allclose(left.npred_background().data, expected.npred_background().data, rtol=1e-5)
    assert left.gti.time_sum == expected.gti.time_sum


@pytest.mark.slow
def test_stacks_of_two_types_cannot_be_merged() -> None:
    stack = stack_runs("spectra", 0)
    with pytest.raises(
        TypeError, match="SpectrumDataset cannot be stacked with a SpectrumDatasetO"
    ):
        merge_stacks(stack, stack.to_spectrum_dataset())
