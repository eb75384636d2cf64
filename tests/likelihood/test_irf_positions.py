"""IRF positions: the statistic does not depend on the path, and is `stat_sum`'s after a refresh."""

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
CONVOLVED = 2e-5  # absolute: what float32 leaves of a convolution in sums over few counts
MOVES = [0.0, 0.05, 0.11, 0.2, 0.5]  # deg; gammapy's margin is 0.1


def source(name: str, spatial: SpatialModel) -> SkyModel:
    for parameter in spatial.parameters:
        parameter.frozen = parameter.name not in ("lon_0", "lat_0", "sigma")
    return SkyModel(PowerLawSpectralModel(index=2.4, amplitude="2e-12 cm-2 s-1 TeV-1"), spatial,
                    name=name)  # fmt: skip


def at(lon: float, lat: float) -> dict[str, u.Quantity]:
    return {"lon_0": (small.CRAB[0] + lon) * u.deg, "lat_0": (small.CRAB[1] + lat) * u.deg}


def point(lon: float = 0.03, lat: float = -0.02, name: str = "point") -> SkyModel:
    where = at(lon, lat)
    return source(name, PointSpatialModel(**where, frame="icrs"))


def gaussian() -> SkyModel:
    where = at(-0.1, 0.1)
    return source("gaussian", GaussianSpatialModel(**where, sigma="0.08 deg", frame="icrs"))


def datasets(models: Callable[[], list[SkyModel]], psf: str = "varying") -> Datasets:
    assigned = Datasets(
        [
            small.map_dataset("one", psf=psf, edisp="migra"),
            small.map_dataset("two", psf="same", seed=5),
            small.map_on_off("three"),
        ]
    )
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in ("one", "two")]
    assigned.models = Models([*models(), *backgrounds])
    return assigned


def fresh_stat(assigned: Datasets) -> float:
    models = assigned.models
    assigned.models = models
    return float(assigned.stat_sum())


def moved(likelihood: Likelihood, distance: float) -> np.ndarray:
    """Move all sources north-west, and widen them."""
    x = likelihood.frozen[likelihood.space.free].copy()
    for index, name in enumerate(likelihood.space.names()):
        if name.endswith("lon_0"):
            x[index] -= 0.6 * distance / np.cos(np.radians(small.CRAB[1]))
        elif name.endswith("lat_0"):
            x[index] += 0.8 * distance
        elif name.endswith("sigma"):
            x[index] *= 1 + distance
    return x


@pytest.mark.parametrize("distance", MOVES)
@pytest.mark.parametrize("kind", ["points", "gaussian"])
def test_after_a_refresh_the_statistic_is_that_of_models_assigned_anew(
    kind: str, distance: float
) -> None:
    def models() -> list[SkyModel]:
        return [gaussian()] if kind == "gaussian" else [point(), point(0.2, -0.2, "second")]

    assigned = datasets(models)
    likelihood = Likelihood(assigned)
    x = moved(likelihood, distance)
    likelihood.stat(x)
    assert likelihood.refresh(x) == (distance > 0)
    ours = likelihood.stat(x)
    assert not likelihood.refresh(x)
    assert likelihood.stat(x) == ours
    likelihood.space.set(x)
    assert ours == pytest.approx(fresh_stat(assigned), rel=EXACT, abs=CONVOLVED)


@pytest.mark.parametrize("models", [lambda: [point()], lambda: [gaussian()]])
def test_the_statistic_does_not_depend_on_the_path(models: Callable[[], list[SkyModel]]) -> None:
    straight, wandering = (Likelihood(datasets(models)) for _ in range(2))
    random = np.random.default_rng(1)
    for distance in random.uniform(0, 0.9, size=30):
        wandering.stat(moved(wandering, distance))
    for distance in [*MOVES, 3.0, -0.3]:
        x = moved(straight, distance)
        assert wandering.stat(x) == straight.stat(x)
        assert wandering.gradient(x) == pytest.approx(straight.gradient(x), rel=1e-12)


def test_far_from_the_start_the_irfs_are_those_of_a_position_nearby() -> None:
    assigned = datasets(lambda: [point()])
    likelihood = Likelihood(assigned)
    for distance in (0.15, 0.3, 0.45):
        x = moved(likelihood, distance)
        ours = likelihood.stat(x)
        likelihood.space.set(x)
        # 0.07 deg distance, a PSF that varies by 40 % over 1 deg is another by 3 %
        assert ours == pytest.approx(fresh_stat(assigned), abs=1)
        distance = likelihood.datasets[0].parts[1].positions.values_at((2, -3))
        assert np.isfinite(distance).all()


def test_a_source_that_leaves_the_map_comes_back() -> None:
    likelihood = Likelihood(datasets(lambda: [point()]))
    start = likelihood.frozen[likelihood.space.free]
    before = likelihood.stat(start)
    x = moved(likelihood, 5.0)
    stat_outside = likelihood.stat(x)
    assert likelihood.stat(start) == before
    assert likelihood.refresh(x)
    assert likelihood.stat(x) == stat_outside
    assert likelihood.refresh(start)
    assert likelihood.stat(start) == before


class OwnSkyModel(SkyModel):
    """A class that is not gammapy's own, so that it is compared with gammapy."""


def test_what_gammapy_evaluates_is_refreshed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skyred.likelihood.cross_check.AGREEMENT", -1.0)  # no comparison is passed

    def models() -> list[SkyModel]:
        model = point()
        return [OwnSkyModel(model.spectral_model, model.spatial_model, name="own")]

    assigned = datasets(models)
    with pytest.warns(match="differ"):
        likelihood = Likelihood(assigned)
    assert likelihood.notes
    for distance in MOVES[1:]:
        x = moved(likelihood, distance)
        assert likelihood.refresh(x)
        assert not likelihood.refresh(x)
        ours = likelihood.stat(x)
        likelihood.space.set(x)
        assert ours == pytest.approx(fresh_stat(assigned), rel=EXACT, abs=CONVOLVED)


def test_a_dataset_that_gammapy_evaluates_is_refreshed_too() -> None:
    assigned = datasets(lambda: [point()])
    assigned[0].mask_safe.data = assigned[0].mask_safe.data.astype(float)
    assigned[0].stat_type = "cash_weighted"
    likelihood = Likelihood(assigned)
    assert likelihood.notes
    for distance in MOVES[1:]:
        x = moved(likelihood, distance)
        assert likelihood.refresh(x)
        ours = likelihood.stat(x)
        likelihood.space.set(x)
        assert ours == pytest.approx(fresh_stat(assigned), rel=EXACT, abs=CONVOLVED)


def test_the_objective_hands_the_refresh_on() -> None:
    likelihood = Likelihood(datasets(lambda: [point()]))
    objective = build_objective(likelihood)
    assert objective.refresh is not None
    assert not objective.refresh(objective.start)
    assert objective.refresh(moved(likelihood, 0.05))
