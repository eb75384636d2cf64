"""`PsfLookup` returns the same kernels as gammapy's `PSFMap.get_psf_kernel`."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.datasets import Datasets
from gammapy.datasets.evaluator import PSF_CONTAINMENT
from gammapy.irf import PSF3D, PSFMap
from gammapy.makers.utils import make_psf_map
from gammapy.maps import Map, MapAxis, WcsGeom

import small_datasets as small
from flux_points_comparison import sources
from likelihood_comparison import assert_agrees_with_gammapy
from skyred.likelihood.psf import PsfLookup

TOLERANCE = 1e-6  # relative to the maximum; the operations are in another order


def assert_same_kernel(psf: PSFMap, geom: WcsGeom, position: SkyCoord | None) -> None:
    actual = PsfLookup(psf).get_psf_kernel(position, geom, PSF_CONTAINMENT).psf_kernel_map
    expected = psf.get_psf_kernel(geom, position, containment=PSF_CONTAINMENT).psf_kernel_map
    assert actual.data.shape == expected.data.shape
    assert np.abs(actual.data - expected.data).max() < TOLERANCE * expected.data.max()
    assert actual.geom.axes == expected.geom.axes
    assert actual.geom.pixel_scales.to_value("deg") == pytest.approx(
        expected.geom.pixel_scales.to_value("deg")
    )


def positions_on_map(geom: WcsGeom) -> list[SkyCoord]:
    """Return positions at the centre of a map, inside, at a corner, and outside."""
    height, width = geom.data_shape[-2:]
    pixels = [(width / 2, height / 2), (3.3, 5.8), (-0.4, -0.4), (width + 4, height / 3)]
    return [SkyCoord(geom.to_image().pix_to_coord(pair)[0], geom.to_image().pix_to_coord(pair)[1],
                     frame=geom.frame) for pair in pixels]  # fmt: skip


@pytest.mark.parametrize(
    ("frame", "proj", "lonlat"),
    [
        ("icrs", "CAR", small.CRAB),
        ("icrs", "TAN", small.CRAB),
        ("galactic", "TAN", small.CRAB),
        ("galactic", "CAR", small.CRAB),
        ("icrs", "TAN", (0.01, -60.0)),
    ],
)
@pytest.mark.parametrize("varying", [False, True])
def test_kernels_in_any_projection_agree_with_gammapy(
    frame: str, proj: str, lonlat: tuple[float, float], varying: bool
) -> None:
    image = small.image_geom(frame, proj, lonlat)
    psf = small.psf_map(image, varying)
    for position in positions_on_map(image):
        assert_same_kernel(psf, image.to_cube([small.ENERGY_TRUE]), position)


@pytest.mark.parametrize("pixel", [0.02, 0.03, 0.1, 0.4])
def test_kernels_for_any_pixel_size_agree_with_gammapy(pixel: float) -> None:
    image = WcsGeom.create(skydir=small.centre(), width=1.2, binsz=pixel, frame="icrs", proj="TAN")
    psf = small.psf_map(small.image_geom(), varying=True)
    assert_same_kernel(psf, image.to_cube([small.ENERGY_TRUE]), small.centre())


def test_kernels_for_rectangular_pixels_agree_with_gammapy() -> None:
    image = WcsGeom.create(skydir=small.centre(), npix=(20, 30), binsz=(0.05, 0.03), frame="icrs")
    psf = small.psf_map(small.image_geom(), varying=True)
    assert_same_kernel(psf, image.to_cube([small.ENERGY_TRUE]), small.centre())


def test_lookup_can_be_reused_for_positions_in_any_order() -> None:
    image = small.image_geom()
    psf, geom = small.psf_map(image, varying=True), image.to_cube([small.ENERGY_TRUE])
    lookup = PsfLookup(psf)
    for position in [*positions_on_map(geom), *reversed(positions_on_map(geom))]:
        actual = lookup.get_psf_kernel(position, geom, PSF_CONTAINMENT).psf_kernel_map.data
        expected = psf.get_psf_kernel(
            geom, position, containment=PSF_CONTAINMENT
        ).psf_kernel_map.data
        assert actual == pytest.approx(expected, abs=float(TOLERANCE * expected.max()))


@pytest.mark.parametrize("pixel", [0.03, 0.04])
def test_kernels_do_not_depend_on_larger_kernels_that_were_computed_before(pixel: float) -> None:
    rad = MapAxis.from_edges(np.linspace(0, 0.66, 67), unit="deg", name="rad")
    coarse_geom = small.image_geom().to_binsz(0.2).to_cube([rad, small.ENERGY_TRUE])
    psf = make_psf_map(king_psf(rad), small.centre(), coarse_geom)
    image = WcsGeom.create(skydir=small.centre(), width=1.2, binsz=pixel, frame="icrs", proj="TAN")
    geom = image.to_cube([small.ENERGY_TRUE])
    expected = PsfLookup(psf).get_psf_kernel(small.centre(), geom, PSF_CONTAINMENT).data
    lookup = PsfLookup(psf)
    larger = lookup.get_psf_kernel(positions_on_map(geom)[2], geom, PSF_CONTAINMENT).data
    assert larger.shape[-1] > expected.shape[-1]
    kernel = lookup.get_psf_kernel(small.centre(), geom, PSF_CONTAINMENT).data
    assert kernel.tobytes() == expected.tobytes()


def test_default_position_is_the_centre() -> None:
    assert_same_kernel(
        small.psf_map(small.image_geom(), True),
        small.image_geom().to_cube([small.ENERGY_TRUE]),
        None,
    )


@pytest.mark.parametrize("nbin", [4, 9])
def test_psf_with_other_energies_than_the_exposure_agrees_with_gammapy(nbin: int) -> None:
    # gammapy determines kernel sizes by the index of the energy, not by its value
    axis = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=nbin, name="energy_true")

    def make() -> Datasets:
        dataset = small.map_dataset()
        dataset.psf = PSFMap.from_gauss(
            axis, sigma="0.08 deg", geom=small.image_geom().to_binsz(0.25)
        )
        datasets = Datasets([dataset])
        datasets.models = [sources()["hard"], sources()["steep"]]
        return datasets

    assert_agrees_with_gammapy(make, draws=1)


def test_psf_of_one_energy_agrees_with_gammapy() -> None:
    axis = MapAxis.from_energy_edges([0.5, 20] * u.TeV, name="energy_true")
    psf = PSFMap.from_gauss(axis, sigma="0.08 deg")
    assert_same_kernel(psf, small.image_geom().to_cube([axis]), small.centre())


def king_psf(rad: MapAxis) -> PSF3D:
    """Return a PSF with a Gaussian core and a King tail, which are wider at larger offsets."""
    offset = MapAxis.from_edges([0, 0.5, 1, 2], unit="deg", name="offset")
    distance = rad.center.to_value("deg")[None, None, :]
    core = 0.05 * (1 + offset.center.to_value("deg"))[None, :, None]
    core = core * (small.ENERGY_TRUE.center.to_value("TeV") ** -0.2)[:, None, None]
    shape = np.exp(-0.5 * (distance / core) ** 2) + 0.05 * (1 + (distance / core) ** 2) ** -2
    area = np.pi * np.diff(rad.edges.to_value("rad") ** 2)
    data = shape / (shape * area).sum(axis=-1, keepdims=True)
    return PSF3D(axes=[small.ENERGY_TRUE, offset, rad], data=data, unit="sr-1")


@pytest.mark.parametrize(
    "edges",
    [
        pytest.param(np.linspace(0, 0.66, 67), id="even"),
        pytest.param(np.concatenate([[0], np.geomspace(0.005, 0.66, 60)]), id="uneven"),
        pytest.param(np.linspace(0, 0.3, 7), id="coarse"),
    ],
)
def test_psf_on_any_rad_axis_agrees_with_gammapy(edges: np.ndarray) -> None:
    rad = MapAxis.from_edges(edges, unit="deg", name="rad")
    pointing = small.centre().directional_offset_by(30 * u.deg, 0.3 * u.deg)
    coarse_geom = small.image_geom().to_binsz(0.2).to_cube([rad, small.ENERGY_TRUE])
    psf = make_psf_map(king_psf(rad), pointing, coarse_geom)
    for position in positions_on_map(small.image_geom()):
        assert_same_kernel(psf, small.image_geom().to_cube([small.ENERGY_TRUE]), position)


def psf_without_eastern_half() -> PSFMap:
    """Return a PSF that is zero, with zero exposure, in its eastern half."""
    psf = small.psf_map(small.image_geom(), varying=True)
    geom = psf.psf_map.geom.squash("rad")
    psf.exposure_map = Map.from_geom(geom, data=1e10, unit="cm2 s")
    psf.exposure_map.data[..., :2] = 0
    psf.psf_map.data[..., :2] = 0
    return psf


def test_nearest_valid_irfs_are_used_as_in_gammapy() -> None:
    for position in positions_on_map(small.image_geom()):
        assert_same_kernel(
            psf_without_eastern_half(), small.image_geom().to_cube([small.ENERGY_TRUE]), position
        )


def test_kernels_without_psf_are_empty_as_in_gammapy() -> None:
    psf = small.psf_map(small.image_geom())
    psf.psf_map.data[0] = 0
    assert_same_kernel(psf, small.image_geom().to_cube([small.ENERGY_TRUE]), small.centre())


def test_kernels_with_a_maximum_radius_agree_with_gammapy() -> None:
    psf, geom = small.psf_map(small.image_geom()), small.image_geom().to_cube([small.ENERGY_TRUE])
    actual = PsfLookup(psf).get_psf_kernel(small.centre(), geom, PSF_CONTAINMENT, 0.3 * u.deg)
    expected = psf.get_psf_kernel(geom, small.centre(), max_radius=0.3 * u.deg)
    assert actual.data.shape == expected.data.shape
    assert actual.data == pytest.approx(expected.data, abs=float(TOLERANCE * expected.data.max()))
