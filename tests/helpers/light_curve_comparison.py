"""Comparison of light curves and flux profiles with gammapy's estimators."""

from __future__ import annotations

from typing import Any

import numpy as np
from gammapy.datasets import Datasets
from gammapy.estimators import FluxPoints, FluxProfileEstimator, LightCurveEstimator

from flux_points_comparison import STATISTICS, precise_fit

PER_DATASET = ("counts", "npred", "npred_excess")


def copy_datasets(datasets: Datasets) -> Datasets:
    """Copy datasets with their models, since gammapy stores caches in them."""
    copies = Datasets([dataset.copy(name=dataset.name) for dataset in datasets])
    if datasets.models:
        copies.models = datasets.models.copy()
    return copies


def light_curve_by_gammapy(datasets: Datasets, source: str, **options: Any) -> FluxPoints:
    """Estimate a light curve with gammapy, on copies of the datasets."""
    estimator = LightCurveEstimator(source=source, fit=precise_fit(), **options)
    return estimator.run(copy_datasets(datasets))


def profile_by_gammapy(datasets: Datasets, regions: Any, **options: Any) -> FluxPoints:
    """Estimate a flux profile with gammapy, on copies of the datasets."""
    return FluxProfileEstimator(regions, fit=precise_fit(), **options).run(copy_datasets(datasets))


def assert_same(actual: FluxPoints, reference: FluxPoints, bins: Any = slice(None)) -> None:
    """Check that all quantities of two estimates agree.

    Counts and `success` must be equal. Statistics may differ by 1e-2, since only their differences
    matter. Other quantities may differ by 1e-3 relative to gammapy's, which is the tolerance of
    gammapy's root finding and of its fit.

    Parameters
    ----------
    actual : FluxPoints
        Estimate by skyred.
    reference : FluxPoints
        Estimate by gammapy.
    bins : index
        Bins of time or distance of `actual` that `reference` contains; by default all.
    """
    assert actual.available_quantities == reference.available_quantities
    for name in reference.available_quantities:
        values, expected = getattr(actual, name).data[bins], getattr(reference, name).data
        if name in PER_DATASET and values.shape[2] != expected.shape[2]:
            continue
        assert values.shape == expected.shape, name
        if name in ("counts", "success"):
            np.testing.assert_array_equal(values, expected, err_msg=name)
        elif name in STATISTICS:
            np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-2, err_msg=name)
        else:
            rtol = 1e-2 if name == "norm_sensitivity" else 1e-3
            np.testing.assert_allclose(values, expected, rtol=rtol, atol=1e-6, err_msg=name)
    for name in ("flux", "dnde_ref"):
        values, expected = getattr(actual, name), getattr(reference, name)
        values = values.quantity[bins] if name == "flux" else values
        expected_values = expected.quantity if name == "flux" else expected
        unit = expected_values.unit
        np.testing.assert_allclose(
            values.to_value(unit), expected_values.value, rtol=1e-3, atol=1e-20
        )
    np.testing.assert_allclose(actual.energy_axis.edges, reference.energy_axis.edges)
    for name in ("n_sigma", "n_sigma_ul", "sed_type_init"):
        assert actual.meta[name] == reference.meta[name]
