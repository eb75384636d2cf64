"""Significances agree with gammapy, and are finite where gammapy's are infinite."""

import numpy as np
import pytest
from gammapy.stats.utils import ts_to_sigma
from hypothesis import given, strategies as st
from scipy.stats import norm

from skyred.likelihood.significance import significance


@given(st.floats(0.01, 900), st.integers(1, 8))
def test_significance_agrees_with_gammapy(ts: float, dof: int) -> None:
    expected = ts_to_sigma(ts, df=dof)
    # the probability is rounded if sigma is close to zero
    assert significance(ts, dof) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(st.floats(1400, 1e6), st.sampled_from([2, 4]))
def test_large_significance_agrees_with_the_analytical_tail(ts: float, dof: int) -> None:
    # for even degrees of freedom, the tail of chi-square is exp(-ts/2) times a polynomial
    log_tail = -ts / 2 + (np.log1p(ts / 2) if dof == 4 else 0)
    assert norm.logsf(significance(ts, dof)) + np.log(2) == pytest.approx(log_tail, rel=1e-9)
    # scipy and gammapy return infinity
    assert np.isinf(ts_to_sigma(1.1 * ts + 200, df=dof))


@pytest.mark.parametrize("dof", [2, 3, 7])
def test_significance_is_smooth_where_the_method_changes(dof: int) -> None:
    ts = np.linspace(1000, 1600, 40)
    sigma = [significance(value, dof) for value in ts]
    steps = np.diff(sigma)
    # approximately a square root, with slowly decreasing steps
    assert np.all(steps > 0)
    np.testing.assert_allclose(steps[1:], steps[:-1], rtol=0.05)


@pytest.mark.parametrize(("ts", "dof", "expected"), [(0, 1, 0), (-1, 3, 0), (25, 1, 5)])
def test_significance_equals_known_values(ts: float, dof: int, expected: float) -> None:
    assert significance(ts, dof) == expected


@pytest.mark.parametrize(("ts", "dof"), [(4, 0), (4, -1), (np.nan, 2), (np.inf, 2)])
def test_significance_of_invalid_input_is_nan(ts: float, dof: int) -> None:
    assert np.isnan(significance(ts, dof))
