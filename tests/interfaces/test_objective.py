"""Objectives combine statistic, priors and limits, and transform the unit cube."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from skyred import Objective
from skyred.errors import FitError

UNIFORM = st.floats(0, 1)


def create_objective(**options: Any) -> Objective:
    return Objective(
        **{"names": ["a", "b"], "start": [1, 2], "stat": lambda x: float(x @ x), **options}
    )


def test_total_is_statistic_plus_priors() -> None:
    objective = create_objective(prior=lambda x: 10 * x[0])
    assert (objective([1, 2]), objective.prior_stat([1, 2]), objective.total([1, 2])) == (5, 10, 15)
    assert create_objective().prior_stat([1, 2]) == 0


def test_duplicate_names_are_rejected() -> None:
    with pytest.raises(FitError, match="not unique: a, a"):
        create_objective(names=["a", "a"])


def test_all_values_are_allowed_without_limits() -> None:
    assert create_objective().limits.tolist() == [[-np.inf, np.inf]] * 2


@given(UNIFORM, UNIFORM, st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_unit_cube_is_mapped_linearly_to_the_limits(
    first: float, second: float, low: float, width: float
) -> None:
    objective = create_objective(limits=[[low, low + width], [0, 1]])
    x = objective.transform([first, second])
    assert x == pytest.approx([low + first * width, second])
    assert low <= x[0] <= low + width + 1e-9 * abs(width + low)


def test_prior_replaces_limits() -> None:
    objective = create_objective(quantiles=[lambda q: 100 * q, None], limits=[[0, 1], [0, 10]])
    assert objective.transform([0.5, 0.5]).tolist() == [50, 5]


@pytest.mark.parametrize("limits", [None, [[0, 1], [0, np.inf]], [[0, 1], [-np.inf, 1]]])
def test_parameter_that_cannot_be_sampled_is_reported(limits: Any) -> None:
    objective = create_objective(limits=limits, quantiles=[lambda q: q, None])
    with pytest.raises(FitError, match="without a prior or two limits: 'b'"):
        objective.transform([0.5, 0.5])


def test_start_is_copied() -> None:
    start = np.array([1.0, 2.0])
    objective = create_objective(start=start)
    start[0] = 99
    assert objective.start[0] == 1


def test_all_parameters_that_cannot_be_sampled_are_reported() -> None:
    objective = create_objective(limits=[[0, np.inf], [-np.inf, 1]])
    with pytest.raises(FitError, match="without a prior or two limits: 'a', 'b'"):
        objective.transform([0.5, 0.5])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 5),
        ({"prior": lambda x: 10 * x[0]}, 15),
        ({"prior": lambda x: 10 * x[0], "quantiles": [lambda q: q, None]}, 5),
        ({"prior": lambda x: 10 * x[0], "quantiles": [lambda q: q, None],
          "prior_without_quantile": lambda x: 3 * x[0]}, 8),
    ],
    ids=["no prior", "prior without quantile", "prior with quantile", "partly with quantile"],
)  # fmt: skip
def test_sampled_stat_excludes_the_priors_of_the_unit_cube(
    options: dict[str, Any], expected: float
) -> None:
    assert create_objective(**options).sampled_stat([1, 2]) == expected
