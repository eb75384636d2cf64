"""Correlations of parameters in a Fisher matrix."""

from __future__ import annotations

import numpy as np
import pytest

from skyred.likelihood.minimise.correlations import correlated_with, fisher_correlations

# the first two parameters are correlated; the last one does not change the statistic
FISHER = np.array([[4.0, -2.0, 0.1, 0.0], [-2.0, 9.0, 0.1, 0.0], [0.1, 0.1, 25.0, 0.0], [0.0] * 4])


def test_correlations_are_scaled_to_a_diagonal_of_one() -> None:
    correlations = fisher_correlations(FISHER)
    assert np.diag(correlations).tolist() == [1, 1, 1, 0]
    assert correlations[0, 1] == pytest.approx(2 / (2 * 3))
    assert correlations[3].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("indices", "expected"), [([0], [0, 1]), ([2], [2]), ([3], [3]), ([1, 3], [0, 1, 3])]
)
def test_correlated_parameters_include_the_requested_ones(
    indices: list[int], expected: list[int]
) -> None:
    correlations = fisher_correlations(FISHER)
    assert correlated_with(correlations, np.array(indices)).tolist() == expected
