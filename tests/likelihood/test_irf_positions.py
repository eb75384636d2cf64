"""IRFs depend only on the current positions, and agree with gammapy after a refresh."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    Models,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
    SpatialModel,
)

import small_datasets as small
from skyred.likelihood import Likelihood
from skyred.likelihood.objective import build_objective

EXACT = 1e-8  # relative, of the statistic
FLOAT32 = 2e-5  # absolute; rounding errors of convolutions, for a dataset with few counts
DISTANCES = [0.0, 0.05, 0.11, 0.2, 0.5]  # deg; gammapy's margin is 0.1 deg


def source(name: str, spatial: SpatialModel) -> SkyModel:
    for parameter in spatial.parameters:
        parameter.frozen = parameter.name not in ("lon_0", "lat_0", "sigma")
    return SkyModel(PowerLawSpectralModel(index=2.4, amplitude="2e-12 cm-2 s-1 TeV-1"), spatial,
                    name=name)  # fmt: skip


def position_at_offset(lon: float, lat: float) -> dict[str, u.Quantity]:
    return {"lon_0": (small.CRAB[0] + lon) * u.deg, "lat_0": (small.CRAB[1] + lat) * u.deg}


def point(lon: float = 0.03, lat: float = -0.02, name: str = "point") -> SkyModel:
    position = position_at_offset(lon, lat)
    return source(name, PointSpatialModel(**position, frame="icrs"))


def gaussian() -> SkyModel:
    position = position_at_offset(-0.1, 0.1)
    return source("gaussian", GaussianSpatialModel(**position, sigma="0.08 deg", frame="icrs"))


def create_datasets(models: Callable[[], list[SkyModel]], psf: str = "varying") -> Datasets:
    datasets = Datasets(
        [
            small.map_dataset("one", psf=psf, edisp="migra"),
            small.map_dataset("two", psf="same", seed=5),
            small.map_on_off("three"),
        ]
    )
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in ("one", "two")]
    datasets.models = Models([*models(), *backgrounds])
    return datasets


def stat_after_reassigning_models(datasets: Datasets) -> float:
    """Return gammapy's statistic with IRFs at the current positions."""
    models = datasets.models
    datasets.models = models
    return float(datasets.stat_sum())


def move_sources(likelihood: Likelihood, distance: float) -> np.ndarray:
    """Return values with all sources shifted to the north-west, and widened."""
    x = likelihood.initial_state[likelihood.space.free].copy()
    for index, name in enumerate(likelihood.space.names()):
        if name.endswith("lon_0"):
            x[index] -= 0.6 * distance / np.cos(np.radians(small.CRAB[1]))
        elif name.endswith("lat_0"):
            x[index] += 0.8 * distance
        elif name.endswith("sigma"):
            x[index] *= 1 + distance
    return x


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("kind", ["points", "gaussian"])
def test_statistic_after_a_refresh_agrees_with_newly_assigned_models(
    kind: str, distance: float
) -> None:
    def models() -> list[SkyModel]:
        return [gaussian()] if kind == "gaussian" else [point(), point(0.2, -0.2, "second")]

    datasets = create_datasets(models)
    likelihood = Likelihood(datasets)
    x = move_sources(likelihood, distance)
    likelihood.stat(x)
    assert likelihood.refresh(x) == (distance > 0)
    actual = likelihood.stat(x)
    assert not likelihood.refresh(x)
    assert likelihood.stat(x) == actual
    likelihood.space.set(x)
    assert actual == pytest.approx(stat_after_reassigning_models(datasets), rel=EXACT, abs=FLOAT32)


@pytest.mark.parametrize("models", [lambda: [point()], lambda: [gaussian()]])
def test_statistic_does_not_depend_on_earlier_positions(
    models: Callable[[], list[SkyModel]],
) -> None:
    likelihood, moved_likelihood = (Likelihood(create_datasets(models)) for _ in range(2))
    random = np.random.default_rng(1)
    for distance in random.uniform(0, 0.9, size=30):
        moved_likelihood.stat(move_sources(moved_likelihood, distance))
    for distance in [*DISTANCES, 3.0, -0.3]:
        x = move_sources(likelihood, distance)
        assert moved_likelihood.stat(x) == likelihood.stat(x)
        assert moved_likelihood.gradient(x) == pytest.approx(likelihood.gradient(x), rel=1e-12)


def test_irfs_far_from_the_start_are_updated() -> None:
    datasets = create_datasets(lambda: [point()])
    likelihood = Likelihood(datasets)
    for distance in (0.15, 0.3, 0.45):
        x = move_sources(likelihood, distance)
        actual = likelihood.stat(x)
        likelihood.space.set(x)
        # the nearest node is at most 0.07 deg away; there the PSF differs by 3 % (40 % per deg)
        assert actual == pytest.approx(stat_after_reassigning_models(datasets), abs=1)
        values = likelihood.datasets[0].contributions[1].cutouts.positions.values_at((2, -3))
        assert np.isfinite(values).all()


def test_source_can_leave_the_map_and_return() -> None:
    likelihood = Likelihood(create_datasets(lambda: [point()]))
    start = likelihood.initial_state[likelihood.space.free]
    stat_at_start = likelihood.stat(start)
    x = move_sources(likelihood, 5.0)
    stat_outside = likelihood.stat(x)
    assert likelihood.stat(start) == stat_at_start
    assert likelihood.refresh(x)
    assert likelihood.stat(x) == stat_outside
    assert likelihood.refresh(start)
    assert likelihood.stat(start) == stat_at_start


class UserSkyModel(SkyModel):
    """A third-party model class: its predicted counts are compared with those of gammapy."""


@pytest.mark.slow
def test_models_evaluated_by_gammapy_are_refreshed(monkeypatch: pytest.MonkeyPatch) -> None:
    # the comparison always fails
    monkeypatch.setattr("skyred.likelihood.cross_check.TOLERANCE", -1.0)

    def models() -> list[SkyModel]:
        model = point()
        return [UserSkyModel(model.spectral_model, model.spatial_model, name="own")]

    datasets = create_datasets(models)
    with pytest.warns(match="differ"):
        likelihood = Likelihood(datasets)
    assert likelihood.notes
    for distance in DISTANCES[1:]:
        x = move_sources(likelihood, distance)
        assert likelihood.refresh(x)
        assert not likelihood.refresh(x)
        actual = likelihood.stat(x)
        likelihood.space.set(x)
        assert actual == pytest.approx(
            stat_after_reassigning_models(datasets), rel=EXACT, abs=FLOAT32
        )


@pytest.mark.slow
def test_dataset_evaluated_by_gammapy_is_refreshed() -> None:
    datasets = create_datasets(lambda: [point()])
    datasets[0].mask_safe.data = datasets[0].mask_safe.data.astype(float)
    datasets[0].stat_type = "cash_weighted"
    likelihood = Likelihood(datasets)
    assert likelihood.notes
    for distance in DISTANCES[1:]:
        x = move_sources(likelihood, distance)
        assert likelihood.refresh(x)
        actual = likelihood.stat(x)
        likelihood.space.set(x)
        assert actual == pytest.approx(
            stat_after_reassigning_models(datasets), rel=EXACT, abs=FLOAT32
        )


def test_objective_refreshes_the_irfs() -> None:
    likelihood = Likelihood(create_datasets(lambda: [point()]))
    objective = build_objective(likelihood)
    assert objective.refresh is not None
    assert not objective.refresh(objective.start)
    assert objective.refresh(move_sources(likelihood, 0.05))
