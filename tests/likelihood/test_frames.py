"""Positions of models in any frame of astropy, compared with gammapy."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    PointSpatialModel,
    SkyModel,
    SpatialModel,
)

from likelihood_comparison import DatasetsFactory, assert_agrees_with_gammapy, with_models
from skyred import fit
from skyred.likelihood.sky import is_rotation
from small_datasets import CRAB, map_dataset
from spectral_models import power_law

ROTATED = ("icrs", "fk5", "galactic", "supergalactic", "barycentricmeanecliptic")
WITH_ABERRATION = ("fk4", "gcrs", "cirs")


def position(frame: str) -> SkyCoord:
    return SkyCoord(CRAB[0] + 0.04, CRAB[1] - 0.02, unit="deg").transform_to(frame)


def source(cls: type[SpatialModel], frame: str) -> SkyModel:
    spherical = position(frame).spherical
    size = {"sigma": "0.15 deg"} if cls is GaussianSpatialModel else {}
    spatial = cls(lon_0=spherical.lon, lat_0=spherical.lat, frame=frame, **size)
    return SkyModel(spectral_model=power_law(), spatial_model=spatial, name="source")


def make(cls: type[SpatialModel], frame: str, map_frame: str = "icrs") -> DatasetsFactory:
    return with_models(
        lambda: [map_dataset("map", frame=map_frame)],
        lambda: [source(cls, frame), FoVBackgroundModel(dataset_name="map")],
    )


@pytest.mark.parametrize("map_frame", ["icrs", "galactic"])
@pytest.mark.parametrize("cls", [PointSpatialModel, GaussianSpatialModel])
@pytest.mark.parametrize("frame", ROTATED)
def test_statistic_agrees_with_gammapy(cls: type[SpatialModel], frame: str, map_frame: str) -> None:
    assert_agrees_with_gammapy(make(cls, frame, map_frame), draws=2)


@pytest.mark.parametrize("cls", [PointSpatialModel, GaussianSpatialModel])
@pytest.mark.parametrize("frame", WITH_ABERRATION)
def test_frames_with_aberration_are_evaluated_by_gammapy(
    cls: type[SpatialModel], frame: str
) -> None:
    likelihood = assert_agrees_with_gammapy(make(cls, frame), draws=1, notes=True)
    assert f"its frame {frame} is not a rotation of icrs" in str(likelihood.notes)


@pytest.mark.parametrize("frame", [*ROTATED, *WITH_ABERRATION])
def test_rotations_keep_the_angles_between_directions(frame: str) -> None:
    random = np.random.default_rng(0)
    lon, lat = random.uniform(0, 360, 50), random.uniform(-90, 90, 50)
    directions = SkyCoord(lon, lat, unit="deg", frame=frame)
    before = SkyCoord(lon, lat, unit="deg").cartesian.xyz.value
    after = directions.icrs.cartesian.xyz.value
    keeps_angles = np.allclose(before.T @ before, after.T @ after, rtol=0, atol=1e-10)
    assert is_rotation(frame) == keeps_angles == (frame in ROTATED)


@pytest.mark.parametrize("frame", ["fk5", "galactic"])
def test_fit_finds_the_same_position_in_each_frame(frame: str) -> None:
    positions = []
    for used in ("icrs", frame):
        datasets = make(GaussianSpatialModel, used)()
        assert fit(datasets).success
        positions.append(datasets.models["source"].spatial_model.position.icrs)
    assert positions[0].separation(positions[1]).to_value("arcsec") < 0.5
