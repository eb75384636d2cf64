"""Numeric masks, which some files contain, are used as boolean masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets, MapDataset
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from regions import CircleSkyRegion

import skyred
import small_datasets as small
from skyred import FitRange
from skyred.components.gammapy import (
    ExcessMap,
    Residuals,
    Sensitivity,
    SignificanceMap,
    TSMap,
)
from skyred.likelihood import flux_profile
from skyred.products.plotting.spectra import draw_counts_spectrum

SPATIAL = {"type": "gauss", "sigma": "0.1 deg"}


def with_masks(dataset: Any, dtype: Any, name: str) -> Datasets:
    """Return a dataset with a model and some masked bins.

    Parameters
    ----------
    dataset : Dataset
        Dataset to mask.
    dtype : type
        Type of the masks.
    name : {"mask_safe", "mask_fit"}
        The mask that excludes bins.
    """
    is_used = np.ones(dataset.counts.data.shape, dtype=bool)
    is_used[0, :2] = is_used[-1] = False
    masks = {"mask_safe": dataset.mask_safe.copy(data=is_used.astype(dtype))}
    if name == "mask_fit":
        masks["mask_fit"] = masks["mask_safe"]
        masks["mask_safe"] = dataset.mask_safe.copy(data=np.ones_like(is_used).astype(dtype))
    for mask, values in masks.items():
        setattr(dataset, mask, values)
    centre = {"lon_0": f"{small.CRAB[0]} deg", "lat_0": f"{small.CRAB[1]} deg", "frame": "icrs"}
    spatial = GaussianSpatialModel(sigma="0.1 deg", **centre)
    spectral = PowerLawSpectralModel(amplitude="1e-12 cm-2 s-1 TeV-1")
    spatial.freeze()
    spectral.index.frozen = True
    datasets = Datasets([dataset])
    models = [SkyModel(spectral, spatial, name="crab")]
    if isinstance(dataset, MapDataset) and not dataset.counts.geom.is_region:
        models.append(FoVBackgroundModel(dataset_name=dataset.name))
    datasets.models = models
    return datasets


def ts_map(datasets: Datasets) -> Any:
    columns = ("errn-errp", "ul", "sensitivity")
    maps = TSMap(spatial=SPATIAL, columns=columns).estimate(datasets, None).maps
    return [maps.ts.data, maps.norm_ul.data, maps.norm_sensitivity.data]


def profile_norms(datasets: Datasets) -> Any:
    centres = [
        small.centre().directional_offset_by(90 * u.deg, offset * u.deg) for offset in (0, 0.2)
    ]
    regions = [CircleSkyRegion(centre, 0.1 * u.deg) for centre in centres]
    return flux_profile(datasets, regions, energy_edges=small.ENERGY.edges).flux.norm.data


def flux_point_norms(datasets: Datasets) -> Any:
    return skyred.flux_points(datasets, "crab", small.ENERGY.edges).norm.data


def fit_values(datasets: Datasets) -> Any:
    return skyred.fit(datasets).values


ESTIMATES = [
    pytest.param(ts_map, id="ts-map"),
    pytest.param(profile_norms, id="flux-profile"),
    pytest.param(flux_point_norms, id="flux-points"),
    pytest.param(fit_values, id="fit"),
    pytest.param(lambda data: ExcessMap().estimate(data, None).maps.sqrt_ts.data, id="excess-map"),
    pytest.param(
        lambda data: SignificanceMap().estimate(data, None).maps.flux.data, id="significance"
    ),
    pytest.param(
        lambda data: Residuals().estimate(data, None).table()["residuals"], id="residuals"
    ),
]


@pytest.mark.parametrize("estimate", ESTIMATES)
@pytest.mark.parametrize("name", ["mask_safe", "mask_fit"])
def test_estimates_of_maps_equal_those_with_boolean_masks(estimate: Any, name: str) -> None:
    results = [estimate(with_masks(small.map_dataset(), dtype, name)) for dtype in (float, bool)]
    np.testing.assert_allclose(*results, rtol=1e-12)
    assert np.isfinite(results[0]).any()


def test_estimates_of_spectra_equal_those_with_boolean_masks() -> None:
    for estimate in (flux_point_norms, fit_values):
        results = [
            estimate(with_masks(small.spectrum_on_off(psf=True), dtype, "mask_safe"))
            for dtype in (np.uint8, bool)
        ]
        np.testing.assert_allclose(*results, rtol=1e-12)


def test_sensitivity_of_spectra_equals_that_with_boolean_masks() -> None:
    results = [
        Sensitivity().estimate(with_masks(small.spectrum_on_off(), dtype, "mask_safe"), None)
        for dtype in (float, bool)
    ]
    first, second = (product.table()["dnde"] for product in results)
    np.testing.assert_allclose(first, second)
    assert np.isnan(first[-1])


def test_fit_range_is_applied_to_numeric_masks() -> None:
    dataset = with_masks(small.spectrum_on_off(), float, "mask_safe")[0]
    FitRange(energy=small.ENERGY.edges[:3:2]).apply(dataset)
    assert dataset.mask.data.ravel().tolist() == [False, True, False]


def test_plot_of_a_spectrum_accepts_numeric_masks() -> None:
    datasets = with_masks(small.spectrum_on_off(), float, "mask_safe")
    datasets.models = None
    ax = draw_counts_spectrum(datasets[0])
    assert "not used" in [label.get_text() for label in ax.get_legend().get_texts()]
