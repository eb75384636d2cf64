"""Comparison of the projections with those of gammapy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


def check_same_map(result: Any, expected: Any, rtol: float = 1e-6) -> None:
    """Check that two maps have the same geometry, unit and values.

    gammapy computes with float32 in places, so that the values differ by up to a few 1e-7 of the
    largest value in the same energy bin.
    """
    assert result.geom == expected.geom
    assert result.unit == expected.unit
    assert result.data.shape == expected.data.shape
    assert result.meta.keys() == expected.meta.keys()
    largest = np.nanmax(np.abs(expected.data), axis=tuple(range(1, expected.data.ndim)))
    scale = largest.reshape(-1, *[1] * (expected.data.ndim - 1))
    assert np.all(np.abs(result.data - expected.data) <= rtol * scale)
    np.testing.assert_array_equal(result.data == 0, expected.data == 0)


@pytest.fixture(scope="session")
def assert_same_map() -> Any:
    return check_same_map
