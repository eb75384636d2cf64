"""Formulas of spatial models, and images that are computed with them."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from gammapy.modeling import Parameter
from gammapy.modeling.models import DiskSpatialModel, GaussianSpatialModel, SpatialModel
from hypothesis import given, strategies as st

from skyred.likelihood.model_image import ModelImage
from skyred.likelihood.spatial_formulas import SkyGrid, find_formula
from small_datasets import image_geom

ROUNDING = 3e-16  # of cosines, which gammapy subtracts from one


def grid_around(lon: float, lat: float, width: float) -> SkyGrid:
    offsets = np.linspace(-width, width, 21)
    return SkyGrid(lon + offsets / np.cos(lat), (lat + offsets)[:, None])


@given(
    size=st.floats(1e-4, 0.1),
    eccentricity=st.one_of(st.just(0.0), st.floats(0.01, 0.95)),
    angle=st.floats(-np.pi, np.pi),
    lon=st.floats(0, 6.28),
    lat=st.floats(-1.4, 1.4),
    is_disk=st.booleans(),
)
def test_formulas_agree_with_gammapy(
    size: float, eccentricity: float, angle: float, lon: float, lat: float, is_disk: bool
) -> None:
    grid = grid_around(lon, lat, 2 * size)
    values = {"lon_0": lon, "lat_0": lat, "e": eccentricity, "phi": angle}
    cls: type[SpatialModel] = GaussianSpatialModel
    values["sigma"] = size
    if is_disk:
        cls = DiskSpatialModel
        values["r_0"], values["edge_width"] = values.pop("sigma"), 0.2
    units = {name: u.Unit("" if name in ("e", "edge_width") else "rad") for name in values}
    quantities = {name: value * units[name] for name, value in values.items()}
    expected = cls.evaluate(grid.lon * u.rad, grid.lat * u.rad, **quantities).to_value("sr-1")
    formula = find_formula(cls())
    assert formula is not None
    smallest = size * np.sqrt(1 - eccentricity**2)
    tolerance = 1e-9 + 100 * ROUNDING / smallest**2
    absolute = tolerance * expected.max()
    assert formula(grid, values) == pytest.approx(expected, rel=1e-9, abs=absolute)


class UserGaussian(GaussianSpatialModel):
    """A copy of gammapy's model as another class."""

    tag = ["UserGaussian", "user-gauss"]
    lon_0, lat_0, sigma, e, phi = (
        Parameter(name, value, frozen=name in ("e", "phi"))
        for name, value in (
            ("lon_0", "0 deg"), ("lat_0", "0 deg"), ("sigma", "1 deg"), ("e", 0), ("phi", "0 deg"),
        )
    )  # fmt: skip


def test_only_classes_of_gammapy_are_evaluated_by_formulas() -> None:
    geom = image_geom()
    center = geom.center_skydir
    methods, images = [], []
    for cls in (GaussianSpatialModel, UserGaussian):
        model = cls(lon_0=center.ra, lat_0=center.dec, sigma=0.1 * u.deg, frame="icrs")
        model_image = ModelImage(model, geom)
        model_image(np.array([parameter.value for parameter in model.parameters]))
        methods.append(model_image.method)
        images.append(model_image(np.array([parameter.value for parameter in model.parameters])))
        # gammapy integrates over small pixels, with their areas
        expected = model.integrate_geom(geom).quantity.to_value("")
        assert images[-1] == pytest.approx(expected, rel=1e-6, abs=1e-9 * expected.max())
    assert images[0] == pytest.approx(images[1], rel=1e-9, abs=1e-9 * images[1].max())
    assert [getattr(method, "__name__", "") for method in methods] == [
        "_evaluate_formula",
        "_evaluate_without_units",
    ]


def test_brightness_of_a_model_without_extent_is_not_finite() -> None:
    geom = image_geom()
    center = geom.center_skydir
    model = GaussianSpatialModel(lon_0=center.ra, lat_0=center.dec, sigma=0.1 * u.deg, frame="icrs")
    model_image = ModelImage(model, geom)
    model_image(np.array([parameter.value for parameter in model.parameters]))
    model.sigma.value = 0
    with np.errstate(all="ignore"):
        brightness = model_image(np.array([parameter.value for parameter in model.parameters]))
    assert not np.isfinite(brightness).all()
