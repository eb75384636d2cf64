"""The compiled likelihood of every spatial model of gammapy agrees with gammapy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from astropy import units as u
from gammapy.modeling.models import (
    SPATIAL_MODEL_REGISTRY,
    ConstantFluxSpatialModel,
    FoVBackgroundModel,
    PiecewiseNormSpatialModel,
    PowerLawNormSpectralModel,
    PowerLawSpectralModel,
    SkyModel,
    TemplateSpectralModel,
)

from likelihood_comparison import (
    DatasetsFactory,
    assert_agrees_with_gammapy,
    draw_values,
    with_models,
)
from small_datasets import CRAB, map_dataset, map_on_off, spectrum_dataset, spectrum_on_off
from spatial_models import SPATIAL, LonLat

SOURCES = {
    name: make
    for cls, kinds in SPATIAL.items()
    for name, make in kinds.items()
    if cls is not PiecewiseNormSpatialModel  # a norm without unit, not a source
}
OFF_CENTRE = (CRAB[0] + 0.073, CRAB[1] - 0.041)
# one of each kind of evaluation (two images): a point, images, an image per energy, no position
TYPICAL = ["point", "gauss-elongated", "shell", "template-cube", "const"]
all_sources = pytest.mark.parametrize("kind", SOURCES)
typical_sources = pytest.mark.parametrize("kind", TYPICAL)


def source(
    kind: str, lonlat: LonLat = OFF_CENTRE, frame: str = "icrs", free: bool = True, **options: Any
) -> SkyModel:
    amplitude = 1e-13 if kind == "const-flux" else 2e-11  # const-flux has this flux in each pixel
    spectral = PowerLawSpectralModel(index=2.3, amplitude=amplitude * u.Unit("cm-2 s-1 TeV-1"))
    model = SkyModel(spectral, SOURCES[kind](lonlat, frame), name="source", **options)
    for parameter in model.spatial_model.parameters:
        parameter.frozen = not free
    return model


def case(dataset: Callable[[], Any], kind: str, **options: Any) -> DatasetsFactory:
    return with_models(lambda: [dataset()], lambda: [source(kind, **options)])


def test_all_spatial_models_are_tested() -> None:
    assert set(SPATIAL) == {*SPATIAL_MODEL_REGISTRY, ConstantFluxSpatialModel}


@all_sources
def test_source_of_any_shape_agrees_with_gammapy(kind: str) -> None:
    assert_agrees_with_gammapy(case(map_dataset, kind), 3)


@pytest.mark.slow
@all_sources
def test_frozen_source_of_any_shape_agrees_with_gammapy(kind: str) -> None:
    assert_agrees_with_gammapy(case(map_dataset, kind, free=False), 1)


@pytest.mark.slow
@all_sources
def test_source_with_varying_irfs_agrees_with_gammapy(kind: str) -> None:
    make = case(lambda: map_dataset(psf="varying", edisp="migra"), kind)
    assert_agrees_with_gammapy(make, 1)


@typical_sources
def test_source_without_psf_and_edisp_agrees_with_gammapy(kind: str) -> None:
    make = case(lambda: map_dataset(psf="none", edisp="none"), kind)
    assert_agrees_with_gammapy(make, 1)


@pytest.mark.slow
@typical_sources
@pytest.mark.parametrize(("frame", "map_frame"), [("icrs", "galactic"), ("galactic", "icrs")])
def test_source_in_another_frame_than_the_map_agrees_with_gammapy(
    kind: str, frame: str, map_frame: str
) -> None:
    make = case(lambda: map_dataset(frame=map_frame), kind, frame=frame)
    assert_agrees_with_gammapy(make, 1)


@pytest.mark.slow
@typical_sources
@pytest.mark.parametrize("proj", ["TAN", "AIT"])
def test_source_in_other_projections_agrees_with_gammapy(kind: str, proj: str) -> None:
    make = case(lambda: map_dataset(proj=proj), kind)
    assert_agrees_with_gammapy(make, 1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["point", "gauss-elongated", "template-cube"])
@pytest.mark.parametrize("longitude", [0.03, 359.98])
@pytest.mark.parametrize("proj", ["CAR", "TAN"])
def test_source_at_longitude_zero_agrees_with_gammapy(
    kind: str, longitude: float, proj: str
) -> None:
    def dataset() -> Any:
        return map_dataset(lonlat=(0.0, 5.0), proj=proj)

    make = case(dataset, kind, lonlat=(longitude, 5.02))
    assert_agrees_with_gammapy(make, 1)


@typical_sources
def test_source_at_a_high_latitude_agrees_with_gammapy(kind: str) -> None:
    make = case(lambda: map_dataset(lonlat=(120.0, 75.0), proj="TAN"), kind, lonlat=(120.1, 75.04))
    assert_agrees_with_gammapy(make, 1)


@pytest.mark.parametrize("free", [True, False], ids=["free", "frozen"])
@pytest.mark.parametrize("psf", ["same", "none"])
def test_point_on_the_centre_of_a_pixel_agrees_with_gammapy(free: bool, psf: str) -> None:
    lon, lat = map_dataset().counts.geom.to_image().pix_to_coord((8, 11))
    lonlat = (lon.to_value("deg"), lat.to_value("deg"))
    make = case(lambda: map_dataset(psf=psf), "point", lonlat=lonlat, free=free)
    assert_agrees_with_gammapy(make, 1)


@typical_sources
@pytest.mark.parametrize("irf", ["psf", "edisp"])
def test_source_without_an_irf_agrees_with_gammapy(kind: str, irf: str) -> None:
    flags = {"exposure": True, "psf": True, "edisp": True} | {irf: False}
    make = case(map_dataset, kind, apply_irf=flags)
    assert_agrees_with_gammapy(make, 1)


@typical_sources
def test_source_without_exposure_agrees_with_gammapy(kind: str) -> None:
    def models() -> list[Any]:
        flags = {"exposure": False, "psf": True, "edisp": True}
        counts = TemplateSpectralModel([0.1, 100] * u.TeV, [300, 0.1] * u.Unit("TeV-1"))
        spectral = counts * PowerLawNormSpectralModel()
        return [SkyModel(spectral, SOURCES[kind](OFF_CENTRE, "icrs"), apply_irf=flags)]

    make = with_models(lambda: [map_dataset()], models)
    assert_agrees_with_gammapy(make, 1)


@pytest.mark.slow
@all_sources
def test_source_at_the_edge_agrees_with_gammapy(kind: str) -> None:
    assert_agrees_with_gammapy(case(map_dataset, kind, lonlat=(CRAB[0], CRAB[1] + 0.45)), 1)


@pytest.mark.slow
@typical_sources
@pytest.mark.parametrize("shift", [0.6, 0.9, 4.0], ids=["outside", "psf", "far"])
def test_source_outside_the_map_agrees_with_gammapy(kind: str, shift: float) -> None:
    make = case(map_dataset, kind, lonlat=(CRAB[0], CRAB[1] + shift))
    assert_agrees_with_gammapy(make, 1)


@typical_sources
def test_source_in_masked_pixels_agrees_with_gammapy(kind: str) -> None:
    def dataset() -> Any:
        masked = map_dataset()
        masked.mask_safe.data[:, :, :12] = False
        masked.mask_safe.data[0, :5] = False
        masked.mask_fit = masked.mask_safe.copy()
        masked.mask_fit.data[:, 14:] = False
        return masked

    make = case(dataset, kind)
    assert_agrees_with_gammapy(make, 1)


@typical_sources
def test_source_in_on_off_maps_agrees_with_gammapy(kind: str) -> None:
    make = case(map_on_off, kind)
    assert_agrees_with_gammapy(make, 1)


REGIONS = {
    "circle": f"icrs;circle({CRAB[0]}, {CRAB[1]}, 0.2)",
    "small-circle": f"icrs;circle({CRAB[0]}, {CRAB[1]}, 0.05)",
    "ellipse": f"icrs;ellipse({CRAB[0]}, {CRAB[1]}, 0.3, 0.15, 20)",
    "rectangle": f"icrs;box({CRAB[0]}, {CRAB[1]}, 0.4, 0.2, 10)",
    "point": f"icrs;point({CRAB[0]}, {CRAB[1]})",
}


@pytest.mark.parametrize("kind", ["point", "gauss-elongated", "disk", "template-cube"])
def test_source_in_a_region_agrees_with_gammapy(kind: str) -> None:
    make = case(lambda: spectrum_dataset(psf=True), kind)
    assert_agrees_with_gammapy(make, 1)


@typical_sources
def test_source_in_a_region_without_psf_agrees_with_gammapy(kind: str) -> None:
    make = case(spectrum_dataset, kind)
    assert_agrees_with_gammapy(make, 1)


@pytest.mark.slow
@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("kind", ["point", "disk-elongated"])
def test_source_in_other_shapes_of_regions_agrees_with_gammapy(kind: str, region: str) -> None:
    make = case(lambda: spectrum_on_off(region=REGIONS[region], psf=True), kind)
    assert_agrees_with_gammapy(make, 1)


@pytest.mark.parametrize("kind", ["point", "shell"])
def test_source_far_from_a_region_agrees_with_gammapy(kind: str) -> None:
    make = case(lambda: spectrum_dataset(psf=True), kind, lonlat=(CRAB[0], CRAB[1] + 3))
    assert_agrees_with_gammapy(make, 1)


@pytest.mark.parametrize("frame", ["icrs", "galactic"])
def test_spatially_varying_norm_agrees_with_gammapy(frame: str) -> None:
    def models() -> list[Any]:
        norm = SPATIAL[PiecewiseNormSpatialModel]["piecewise-norm"](CRAB, frame)
        background = FoVBackgroundModel(dataset_name="map", spatial_model=norm)
        return [source("point"), background]

    make = with_models(lambda: [map_dataset(frame=frame)], models)
    assert_agrees_with_gammapy(make, 2, notes=True)


def test_moved_point_source_agrees_with_gammapy() -> None:
    # the PSF is the same everywhere, so the result does not depend on where gammapy looked it up
    make = case(map_dataset, "point")
    parameters = make().models.parameters.free_parameters
    value_sets = draw_values(parameters, 6)
    for shift, values in zip([0.3, -0.3, 0.4, 0.0, -0.42, 0.1], value_sets, strict=True):
        values[parameters.names.index("lat_0")] = CRAB[1] + shift
    assert_agrees_with_gammapy(make, more_values=value_sets)
