"""Positions of models in any frame of astropy, compared with gammapy."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from gammapy.datasets import MapDataset
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    PointSpatialModel,
    SkyModel,
    SpatialModel,
)

from likelihood_comparison import DatasetsFactory, assert_agrees_with_gammapy, with_models
from skyred import fit
from skyred.errors import FitError
from skyred.likelihood import Likelihood
from skyred.likelihood.frames import is_rotation
from small_datasets import CRAB, map_dataset
from spectral_models import power_law

ROTATED = ("icrs", "fk5", "galactic", "supergalactic", "barycentricmeanecliptic")
WITHOUT_POSITIONS = ("altaz", "hadec", "lsrk", "hcrs", "teme", "galactocentric", "FK5", "unknown")
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


@pytest.mark.parametrize("model_frame", ["icrs", "galactic"])
@pytest.mark.parametrize("cls", [PointSpatialModel, GaussianSpatialModel])
def test_models_on_a_map_with_aberration_are_evaluated_by_gammapy(
    cls: type[SpatialModel], model_frame: str
) -> None:
    factory = make(cls, model_frame, map_frame="fk4")
    likelihood = assert_agrees_with_gammapy(factory, draws=1, notes=True)
    assert "the frame fk4 of the map is not a rotation of icrs" in str(likelihood.notes)


def test_exposure_in_a_frame_with_aberration_is_evaluated_by_gammapy() -> None:
    def with_exposure() -> list[MapDataset]:
        dataset = map_dataset("map")
        dataset.exposure = map_dataset("other", frame="fk4").exposure
        return [dataset]

    factory = with_models(with_exposure, lambda: [source(PointSpatialModel, "icrs")])
    assert "the frame fk4 of the map is not a rotation" in str(Likelihood(factory()).notes)


@pytest.mark.parametrize("frame", WITHOUT_POSITIONS)
def test_frame_without_fixed_positions_is_rejected(frame: str) -> None:
    with pytest.raises(FitError, match=f"'{frame}' is not a frame with fixed positions on the sky"):
        is_rotation(frame)


def test_model_without_a_fixed_position_is_rejected_with_its_name() -> None:
    model = source(PointSpatialModel, "icrs")
    model.spatial_model.frame = "altaz"
    factory = with_models(lambda: [map_dataset("map")], lambda: [model])
    with pytest.raises(FitError, match=r"'source'.*'altaz' is not a frame with fixed positions"):
        Likelihood(factory())


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
