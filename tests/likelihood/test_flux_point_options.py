"""Options of flux points that few analyses set, against gammapy's `FluxPointsEstimator`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

import flux_points_comparison as comparison
import skyred
import small_datasets as small

EDGES = [1, 3, 10] * u.TeV
ALL = ["errn-errp", "ul", "scan"]


def power_law() -> SkyModel:
    spectral = PowerLawSpectralModel(index=2.6, amplitude="4e-11 cm-2 s-1 TeV-1")
    return SkyModel(spectral_model=spectral, name="crab")


def on_off() -> Datasets:
    datasets = Datasets([small.spectrum_on_off(), small.spectrum_on_off("second", seed=8)])
    datasets.models = [power_law()]
    return datasets


def known_background() -> Datasets:
    datasets = Datasets([small.spectrum_dataset()])
    datasets.models = [power_law()]
    return datasets


@pytest.mark.parametrize("create", [on_off, known_background])
def test_counts_summed_over_energy_agree_with_gammapy(create: Any) -> None:
    comparison.assert_agrees_with_gammapy(
        create(), "crab", EDGES, selection_optional=ALL, sum_over_energy_groups=True
    )
    summed = skyred.flux_points(create(), "crab", EDGES, sum_over_energy_groups=True)
    separate = skyred.flux_points(create(), "crab", EDGES)
    assert not np.allclose(summed.norm.data, separate.norm.data, rtol=1e-4)


@pytest.mark.slow
def test_map_counts_summed_over_energy_agree_with_gammapy() -> None:
    comparison.assert_agrees_with_gammapy(
        comparison.simulated_map(), "steep", EDGES, sum_over_energy_groups=True
    )


@pytest.mark.parametrize(
    "norm",
    [
        {"scan_min": 0.5, "scan_max": 2, "scan_n_values": 5},
        {"scan_min": 0.5, "scan_max": 2, "interp": "lin"},
        {"scan_values": [0.1, 0.7, 3]},
    ],
)
def test_scan_of_the_norm_agrees_with_gammapy(norm: dict[str, Any]) -> None:
    comparison.assert_agrees_with_gammapy(
        on_off(), "crab", EDGES, selection_optional=["scan"], norm=norm
    )


def test_norm_at_a_limit_is_the_limit() -> None:
    free = skyred.flux_points(on_off(), "crab", EDGES)
    highest = 0.5 * float(np.nanmin(free.norm.data))
    limited = skyred.flux_points(on_off(), "crab", EDGES, norm={"min": 0, "max": highest})
    np.testing.assert_allclose(limited.norm.data, highest, rtol=1e-6)
    assert (limited.stat.data > free.stat.data).all()


@pytest.mark.parametrize("create", [on_off, known_background])
def test_norms_at_a_limit_agree_with_gammapy_except_for_the_symmetric_error(create: Any) -> None:
    best = skyred.flux_points(create(), "crab", EDGES).norm.data
    options = {
        "selection_optional": ["errn-errp", "ul"],
        "norm": {"min": 0, "max": 0.5 * float(np.nanmin(best))},
    }
    limited = skyred.flux_points(create(), "crab", EDGES, **options)
    expected = comparison.flux_points_by_gammapy(create(), "crab", EDGES, **options)
    comparison.assert_same_points(limited, expected, skip=("norm_err",))
    # from the curvature at the limit; gammapy's is almost zero
    assert (limited.norm_err.data >= limited.norm_errn.data).all()
