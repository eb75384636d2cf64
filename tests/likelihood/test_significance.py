"""Significances against gammapy's, and far beyond where it gives infinity."""

import numpy as np
import pytest
from gammapy.stats.utils import ts_to_sigma
from hypothesis import given, strategies as st
from scipy.stats import norm

from skyred.likelihood.significance import significance


@given(st.floats(0.01, 900), st.integers(1, 8))
def test_is_gammapys(ts: float, dof: int) -> None:
    expected = ts_to_sigma(ts, df=dof)
    # rounding of the probability, where sigma is near zero
    assert significance(ts, dof) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(st.floats(1400, 1e6), st.sampled_from([2, 4]))
def test_far_out_is_that_of_the_closed_form(ts: float, dof: int) -> None:
    # for even degrees of freedom, the tail of chi-square is exp(-ts/2) times a polynomial
    log_tail = -ts / 2 + (np.log1p(ts / 2) if dof == 4 else 0)
    assert norm.logsf(significance(ts, dof)) + np.log(2) == pytest.approx(log_tail, rel=1e-9)
    # what scipy and gammapy give
    assert np.isinf(ts_to_sigma(1.1 * ts + 200, df=dof))


@pytest.mark.parametrize("dof", [2, 3, 7])
def test_rises_across_the_change_of_methods(dof: int) -> None:
    ts = np.linspace(1000, 1600, 40)
    sigma = [significance(difference, dof) for difference in ts]
    steps = np.diff(sigma)
    # smooth: about the root, whose steps fall slowly
    assert np.all(steps > 0)
    np.testing.assert_allclose(steps[1:], steps[:-1], rtol=0.05)


@pytest.mark.parametrize(("ts", "dof", "expected"), [(0, 1, 0), (-1, 3, 0), (25, 1, 5)])
def test_plain_values(ts: float, dof: int, expected: float) -> None:
    assert significance(ts, dof) == expected


@pytest.mark.parametrize(("ts", "dof"), [(4, 0), (4, -1), (np.nan, 2), (np.inf, 2)])
def test_no_significance_without_freedom_or_statistic(ts: float, dof: int) -> None:
    assert np.isnan(significance(ts, dof))
