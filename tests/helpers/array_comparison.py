"""Comparison of the arrays of datasets with those of plain gammapy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gammapy.utils.regions import compound_region_to_regions

EXACT = ("counts", "counts_off", "mask_safe", "mask_fit")


def assert_same_arrays(
    arrays: Mapping[str, Any], expected_arrays: Mapping[str, Any], tolerance: float = 1e-6
) -> None:
    """Require equal counts and masks, and other values that agree.

    Parameters
    ----------
    arrays, expected_arrays : mapping of str to numpy.ndarray
        The arrays by name.
    tolerance : float
        The largest difference, divided by the largest value: gammapy computes with float32 in
        places, and sums in another order.
    """
    assert arrays.keys() == expected_arrays.keys()
    for name, array in arrays.items():
        expected = expected_arrays[name]
        if name in EXACT:
            np.testing.assert_array_equal(array, expected, err_msg=name)
        else:
            atol = tolerance * np.nanmax(np.abs(expected))
            np.testing.assert_allclose(array, expected, rtol=0, atol=atol, err_msg=name)


def assert_same_regions(geom: Any, expected_geom: Any) -> None:
    """Require the same regions, with positions and radii that agree within 1e-5 arcsec."""
    regions, expected_regions = (
        compound_region_to_regions(region_geom.region) for region_geom in (geom, expected_geom)
    )
    assert len(regions) == len(expected_regions)
    for region, expected in zip(regions, expected_regions, strict=True):
        assert type(region) is type(expected)
        assert region.center.separation(expected.center).arcsec < 1e-5
        if hasattr(expected, "radius"):
            assert abs(region.radius - expected.radius).to_value("arcsec") < 1e-5
