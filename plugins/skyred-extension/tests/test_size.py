"""The profile and the upper limit, on a statistic whose fits fail at some sizes."""

import numpy as np
import pytest

from skyred import SERIAL_TASKS
from skyred_extension import estimator
from skyred_extension.size import compute_profile, find_upper_limit

SIZES = np.array([0.1, 0.2, 0.3, 0.4])


def parabola(size):
    """Return a statistic that reaches 4 at 0.2."""
    return 100 * size**2


def without(*indices, stat=parabola):
    """Return the profile, with failed fits."""
    profile = stat(SIZES)
    profile[list(indices)] = np.nan
    return profile


@pytest.mark.parametrize("failed", [(), (0,), (1,), (0, 1)])
def test_limit_starts_from_the_last_point_that_converged(failed):
    limit, remark = find_upper_limit(parabola, 0, 6.25, SIZES, without(*failed))
    assert limit == pytest.approx(0.25, rel=1e-3)
    assert not remark


def test_limit_is_conservative_if_no_fit_between_the_points_converges():
    limit, remark = find_upper_limit(lambda size: np.nan, 0, 6.25, SIZES, without(1))
    assert limit == 0.3
    assert "conservative" in remark


def test_missing_limit_has_a_reason():
    for failed, reason in (((), "above size_max"), ((3,), "did not converge")):
        limit, remark = find_upper_limit(parabola, 0, 100, SIZES, without(*failed))
        assert np.isnan(limit)
        assert reason in remark


class FailsWithoutStart:
    """A hypothesis whose fits converge only from the parameters of the next size."""

    stat_point = np.inf

    def fit_with_size(self, size, *, start=None):
        is_near = start is not None and abs(size - start) < 0.15
        return Result(parabola(size), success=is_near or size == 0.2)


class Result:
    def __init__(self, stat, *, success):
        self.stat, self.success = stat, success


def test_failed_fits_of_the_profile_start_again_from_their_neighbours():
    profile = compute_profile(FailsWithoutStart(), SIZES, SERIAL_TASKS)
    assert profile == pytest.approx(parabola(SIZES))


@pytest.mark.parametrize(("failed", "is_missed"), [((), False), ((0,), True), ((3,), False)])
def test_better_size_is_excluded_only_below_points_that_converged(failed, is_missed):
    assert estimator._misses_small_sizes(without(*failed), 6.25) == is_missed
