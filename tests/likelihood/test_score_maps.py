"""Score maps include the Fisher information of all bins, with its terms of other parameters."""

from __future__ import annotations

import numpy as np
import pytest
from gammapy.datasets import Datasets, MapDataset
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    Models,
    PointSpatialModel,
    PowerLawNormSpectralModel,
    PowerLawSpectralModel,
    SkyModel,
)

import small_datasets as small
from skyred.likelihood.likelihood import Likelihood
from skyred.likelihood.score_maps import ScoreMaps

LON, LAT = small.CRAB


@pytest.fixture
def sparse_dataset() -> MapDataset:
    """Return a dataset with counts in few bins, and with two overlapping sources."""
    dataset = small.map_dataset()
    random = np.random.default_rng(1)
    dataset.counts.data *= random.uniform(size=dataset.counts.data.shape) < 0.05
    spectrum = PowerLawSpectralModel(amplitude="3e-12 cm-2 s-1 TeV-1")
    background = PowerLawNormSpectralModel()
    background.tilt.frozen = False
    dataset.models = Models(
        [
            SkyModel(
                spectrum.copy(),
                GaussianSpatialModel(
                    lon_0=f"{LON} deg", lat_0=f"{LAT} deg", sigma="0.1 deg", frame="icrs"
                ),
                name="gauss",
            ),
            SkyModel(
                spectrum.copy(),
                # not on a line through pixel centres, where the derivatives are discontinuous
                PointSpatialModel(
                    lon_0=f"{LON + 0.112} deg", lat_0=f"{LAT - 0.063} deg", frame="icrs"
                ),
                name="point",
            ),
            FoVBackgroundModel(spectral_model=background, dataset_name=dataset.name),
        ]
    )
    return dataset


def npred_derivatives(dataset: MapDataset) -> np.ndarray:
    """Return the derivatives of gammapy's predicted counts with respect to free parameters."""
    slopes = []
    for parameter in dataset.models.parameters.free_parameters:
        start, sides = parameter.value, []
        step = 1e-3 if parameter.unit == "deg" else 0.01 * (abs(start) or 1)
        for value in (start - step, start + step):
            parameter.value = value
            sides.append(dataset.npred().data.astype(float))
        parameter.value = start
        slopes.append((sides[1] - sides[0]) / (2 * step))
    return np.array(slopes)


def test_information_of_all_bins_agrees_with_gammapy(sparse_dataset: MapDataset) -> None:
    likelihood = Likelihood(Datasets([sparse_dataset]))
    (dataset,) = likelihood.datasets
    assert len(dataset.bins) < 0.2 * sparse_dataset.mask.data.sum()
    x = np.array(
        [parameter.value for parameter in sparse_dataset.models.parameters.free_parameters],
        dtype=float,
    )
    kernels = np.ones((len(sparse_dataset.counts.data), 1, 1))  # a point source within one pixel
    maps = ScoreMaps.from_dataset(dataset, likelihood.state(x), kernels, likelihood.space.free)

    slopes = npred_derivatives(sparse_dataset)
    weights = sparse_dataset.mask.data / sparse_dataset.npred().data
    expected = np.einsum("keyx,leyx->kl", slopes * weights, slopes)
    scale = np.sqrt(np.diag(expected))
    # the tolerance covers float32 kernels and finite steps
    assert maps.fisher / np.outer(scale, scale) == pytest.approx(
        expected / np.outer(scale, scale), abs=5e-3
    )
    cross = (slopes * weights).sum(axis=1)
    for actual, expected_map in zip(maps.cross, cross, strict=True):
        tolerance = 0.01 * np.abs(expected_map).max()
        assert actual == pytest.approx(expected_map, abs=tolerance)
    information = weights.sum(axis=0)
    assert maps.information == pytest.approx(information, rel=1e-3)
