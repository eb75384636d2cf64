"""Events that are repeated are counted exactly, with a fast check before."""

import numpy as np
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from skyred.inspection.events import _count_most_frequent, _sample, _sort_sums

values = st.sampled_from([0.0, 0.1, 0.2, 83.6, -83.6, np.nan, np.inf, -np.inf])
columns = st.integers(1, 40).flatmap(
    lambda n: st.tuples(*(arrays(float, n, elements=values) for _ in range(3)))
)


@given(columns, st.integers(1, 12))
def test_most_frequent_values_are_counted_if_they_exceed_the_limit(columns, limit):
    finite = [row for row in zip(*columns, strict=True) if np.isfinite(row).all()]
    largest = max(map(finite.count, finite), default=0)
    n_found = _count_most_frequent(limit, _sort_sums(*columns), *columns)
    assert n_found == largest or (n_found == 0 and largest <= limit)


@given(columns)
def test_equal_events_have_equal_sums(columns):
    finite = np.stack(columns)[:, np.isfinite(columns).all(axis=0)]
    sums = _sort_sums(*finite)
    n_duplicates = finite.shape[1] - np.unique(finite, axis=1).shape[1]
    assert (sums[1:] == sums[:-1]).sum() >= n_duplicates


def test_median_of_a_sample_is_close_to_that_of_all_events():
    directions = np.random.default_rng(0).normal(0, 2, 1_000_000)
    sample = _sample(directions)
    assert 5000 <= len(sample) < 10_000
    assert abs(np.median(sample) - np.median(directions)) < 0.1
    np.testing.assert_array_equal(_sample(directions[:5000]), directions[:5000])
