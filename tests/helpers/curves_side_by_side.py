"""Light curves and flux profiles by skyred beside those of gammapy's estimators."""

from __future__ import annotations

from typing import Any

import numpy as np
from gammapy.datasets import Datasets
from gammapy.estimators import FluxPoints, FluxProfileEstimator, LightCurveEstimator

from points_side_by_side import STATISTICS, precise

PER_DATASET = ("counts", "npred", "npred_excess")


def copied(datasets: Datasets) -> Datasets:
    """Copy datasets with their models: gammapy leaves its caches in them."""
    copies = Datasets([each.copy(name=each.name) for each in datasets])
    if datasets.models:
        copies.models = datasets.models.copy()
    return copies


def light_curve_by_gammapy(datasets: Datasets, source: str, **options: Any) -> FluxPoints:
    """Estimate a light curve by gammapy's estimator, on copies."""
    estimator = LightCurveEstimator(source=source, fit=precise(), **options)
    return estimator.run(copied(datasets))


def profile_by_gammapy(datasets: Datasets, regions: Any, **options: Any) -> FluxPoints:
    """Estimate a profile by gammapy's estimator, on copies."""
    return FluxProfileEstimator(regions, fit=precise(), **options).run(copied(datasets))


def assert_same(ours: FluxPoints, theirs: FluxPoints, chosen: Any = slice(None)) -> None:
    """Compare all quantities of two estimates, of ours the chosen bins of time or distance.

    Relative to gammapy's by 1e-3, which is the tolerance of its root finding and of its fit;
    statistics, of which differences matter, by 1e-2 absolute; counts and success exactly.
    """
    assert ours.available_quantities == theirs.available_quantities
    for name in theirs.available_quantities:
        found, expected = getattr(ours, name).data[chosen], getattr(theirs, name).data
        if name in PER_DATASET and found.shape[2] != expected.shape[2]:
            continue
        assert found.shape == expected.shape, name
        if name in ("counts", "success"):
            np.testing.assert_array_equal(found, expected, err_msg=name)
        elif name in STATISTICS:
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-2, err_msg=name)
        else:
            rtol = 1e-2 if name == "norm_sensitivity" else 1e-3
            np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-6, err_msg=name)
    for name in ("flux", "dnde_ref"):
        found, expected = getattr(ours, name), getattr(theirs, name)
        values = found.quantity[chosen] if name == "flux" else found
        wanted = expected.quantity if name == "flux" else expected
        unit = wanted.unit
        np.testing.assert_allclose(values.to_value(unit), wanted.value, rtol=1e-3, atol=1e-20)
    np.testing.assert_allclose(ours.energy_axis.edges, theirs.energy_axis.edges)
    for name in ("n_sigma", "n_sigma_ul", "sed_type_init"):
        assert ours.meta[name] == theirs.meta[name]
