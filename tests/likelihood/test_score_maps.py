"""Score maps: the information in common with other parameters, in all bins of the mask."""

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
def sparse() -> MapDataset:
    """Return a dataset with counts in few bins, and two sources that overlap."""
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
                # off the lines through pixel centres, on which the slopes jump
                PointSpatialModel(
                    lon_0=f"{LON + 0.112} deg", lat_0=f"{LAT - 0.063} deg", frame="icrs"
                ),
                name="point",
            ),
            FoVBackgroundModel(spectral_model=background, dataset_name=dataset.name),
        ]
    )
    return dataset


def npred_slopes(dataset: MapDataset) -> np.ndarray:
    """Return differences of gammapy's predicted counts by the free parameters."""
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


def test_information_of_all_bins_agrees_with_gammapy(
    sparse: MapDataset,
) -> None:
    likelihood = Likelihood(Datasets([sparse]))
    (dataset,) = likelihood.datasets
    assert len(dataset.bins) < 0.2 * sparse.mask.data.sum()
    x = np.array(
        [parameter.value for parameter in sparse.models.parameters.free_parameters], dtype=float
    )
    kernels = np.ones((len(sparse.counts.data), 1, 1))  # of a point in its pixel alone
    maps = ScoreMaps.from_dataset(dataset, likelihood.state(x), kernels, likelihood.space.free)

    slopes, weights = npred_slopes(sparse), sparse.mask.data / sparse.npred().data
    expected = np.einsum("keyx,leyx->kl", slopes * weights, slopes)
    size = np.sqrt(np.diag(expected))
    # float32 kernels and differences over finite steps
    assert maps.fisher / np.outer(size, size) == pytest.approx(
        expected / np.outer(size, size), abs=5e-3
    )
    cross = (slopes * weights).sum(axis=1)
    for ours, gammapy in zip(maps.cross, cross, strict=True):
        assert ours == pytest.approx(gammapy, abs=0.01 * np.abs(gammapy).max())
    information = weights.sum(axis=0)
    assert maps.information == pytest.approx(information, rel=1e-3)
