"""Predicted counts with IRFs of `update_evaluators`, compared with plain gammapy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gammapy.datasets import MapDataset
from gammapy.irf import PSFMap
from gammapy.maps import Map
from gammapy.modeling.models import PointSpatialModel, PowerLawSpectralModel, SkyModel

import small_datasets as small
from skyred.likelihood.npred import update_evaluators

CREATE = [small.map_dataset, small.map_on_off]


def dataset_with_source(create: Any) -> MapDataset:
    """Return a dataset with a source, and a PSF map that has several positions."""
    dataset = create()
    psf = dataset.psf.psf_map
    geom = psf.geom.to_image().upsample(2).to_cube(psf.geom.axes)
    wide = Map.from_geom(geom, data=psf.data.repeat(2, axis=2).repeat(2, axis=3), unit=psf.unit)
    dataset.psf = PSFMap(wide)
    center = dataset.counts.geom.center_skydir.icrs
    spatial = PointSpatialModel(lon_0=center.ra, lat_0=center.dec, frame="icrs")
    dataset.models = [SkyModel(PowerLawSpectralModel(), spatial, name="source")]
    return dataset


def refuse(*args: Any, **options: Any) -> Any:
    raise AssertionError("gammapy computed a PSF kernel")


def assert_agree(signal: Any, expected: Any) -> None:
    """Check that predicted counts agree; gammapy convolves with float32."""
    assert expected.sum() > 0
    np.testing.assert_allclose(signal, expected, rtol=1e-6, atol=2e-7 * expected.max())


@pytest.mark.parametrize("create", CREATE)
def test_predicted_counts_agree_with_gammapy(create: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = dataset_with_source(create)
    expected = dataset.npred_signal().data
    dataset.models = dataset.models  # discards the IRFs
    monkeypatch.setattr(PSFMap, "get_psf_kernel", refuse)
    update_evaluators(dataset)
    assert_agree(dataset.npred_signal().data, expected)


@pytest.mark.parametrize("create", CREATE)
def test_irfs_follow_a_source_that_moves(create: Any) -> None:
    dataset = dataset_with_source(create)
    update_evaluators(dataset)
    initial = dataset.npred_signal().data
    dataset.models[0].spatial_model.lat_0.value += 0.3
    update_evaluators(dataset)
    signal = dataset.npred_signal().data
    dataset.models = dataset.models
    assert_agree(signal, dataset.npred_signal().data)
    assert np.argmax(signal) != np.argmax(initial)
