"""MapProjection has the numbers of gammapy's MapDatasetMaker, for each type of IRF."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from gammapy.data import FixedPointingInfo, PointingMode
from gammapy.datasets import MapDataset
from gammapy.irf import FoVAlignment
from gammapy.makers import MapDatasetMaker, SpectrumDatasetMaker
from gammapy.maps import MapAxis, RegionGeom, WcsGeom
from hypothesis import given, settings, strategies as st

from random_irfs import AREAS, BACKGROUNDS, HESS, PSFS, create_irf, create_observation
from skyred.components.gammapy import MapData
from skyred.components.projection.grid_cache import GRIDS
from skyred.components.projection.makers import MapProjection, SpectrumProjection
from skyred.errors import SkyredWarning

ENERGY = MapAxis.from_energy_bounds("0.3 TeV", "80 TeV", nbin=5, name="energy")
ENERGY_TRUE = MapAxis.from_energy_bounds("0.02 TeV", "200 TeV", nbin=11, name="energy_true")
MIGRA = MapAxis.from_edges(np.linspace(0, 3.5, 31), name="migra")
RAD = MapAxis.from_edges(np.linspace(0, 0.66, 34), unit="deg", name="rad")
POINTING = SkyCoord(83.63, 22.01, unit="deg")

positions = st.builds(
    lambda lon, lat: SkyCoord(lon, lat, unit="deg"),
    st.sampled_from([0.0, 0.01, 83.6, 180.0, 266.4, 359.99]),
    st.sampled_from([-90.0, -89.8, -45.0, 0.0, 22.0, 75.0, 89.9]),
)
geometries = st.builds(
    lambda center, shift, projection, frame, size, n_pixels: WcsGeom.create(
        skydir=center.directional_offset_by(shift[0] * u.deg, shift[1] * u.deg),
        proj=projection,
        frame=frame,
        binsz=size,
        npix=n_pixels,
        axes=[ENERGY],
    ),
    positions,
    st.tuples(st.floats(0, 360), st.floats(0, 2.5)),
    st.sampled_from(["CAR", "TAN", "AIT", "SIN", "ZEA"]),
    st.sampled_from(["icrs", "galactic"]),
    st.sampled_from([0.02, 0.1, 0.5]),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
)


def image(width: float = 6, size: float = 0.5, frame: str = "icrs") -> WcsGeom:
    return WcsGeom.create(skydir=POINTING, binsz=size, width=width, frame=frame, axes=[ENERGY])


def project(name, geom, observation, **options):
    """Return a product of skyred and of gammapy."""
    return [
        getattr(maker(**options), name)(geom, observation)
        for maker in (MapProjection, MapDatasetMaker)
    ]


def irf_maps(irf_map):
    return [irf_map._irf_map, irf_map.exposure_map]


@pytest.mark.parametrize("kind", AREAS)
def test_exposure_equals_that_of_gammapy(kind, assert_same_map):
    observation = create_observation(POINTING, aeff=create_irf(kind))
    geom = image().to_image().to_cube([ENERGY_TRUE])
    result, expected = project("make_exposure", geom, observation)
    assert expected.data.any()
    assert_same_map(result, expected)
    assert result.meta == expected.meta


@pytest.mark.parametrize("kind", BACKGROUNDS)
@pytest.mark.parametrize("oversampling", [None, 3])
def test_background_equals_that_of_gammapy(kind, oversampling, assert_same_map):
    observation = create_observation(POINTING, bkg=create_irf(kind))
    # gammapy fills missing values of the IRF in place, hence skyred first
    result, expected = project(
        "make_background", image(), observation, background_oversampling=oversampling
    )
    assert expected.data.any()
    assert_same_map(result, expected, 1e-5 if kind == "bkg_3d_altaz" else 2e-6)


@pytest.mark.parametrize("kind", PSFS)
def test_psf_equals_that_of_gammapy(kind, assert_same_map):
    observation = create_observation(POINTING, aeff=create_irf("aeff_2d"), psf=create_irf(kind))
    geom = image().to_image().to_cube([RAD, ENERGY_TRUE])
    for result, expected in zip(
        *map(irf_maps, project("make_psf", geom, observation)), strict=True
    ):
        assert expected.data.any()
        assert_same_map(result, expected)


@pytest.mark.parametrize(("name", "axis"), [("make_edisp", MIGRA), ("make_edisp_kernel", ENERGY)])
def test_energy_dispersion_equals_that_of_gammapy(name, axis, assert_same_map):
    observation = create_observation(
        POINTING, aeff=create_irf("aeff_2d"), edisp=create_irf("edisp_2d")
    )
    geom = image().to_image().to_cube([axis, ENERGY_TRUE])
    for result, expected in zip(*map(irf_maps, project(name, geom, observation)), strict=True):
        assert expected.data.any()
        assert_same_map(result, expected)


@pytest.mark.slow
@settings(max_examples=40)
@given(geom=geometries, pointing=positions, kind=st.sampled_from(BACKGROUNDS[:3]))
def test_maps_of_any_geometry_equal_those_of_gammapy(geom, pointing, kind, assert_same_map):
    observation = create_observation(
        pointing, aeff=create_irf("aeff_2d"), edisp=create_irf("edisp_2d"), bkg=create_irf(kind)
    )
    true_geom = geom.to_image().to_cube([ENERGY_TRUE])
    kernel_geom = geom.to_image().to_cube([ENERGY, ENERGY_TRUE])
    pairs = [
        project("make_exposure", true_geom, observation),
        project("make_background", geom, observation),
        [kernel.edisp_map for kernel in project("make_edisp_kernel", kernel_geom, observation)],
    ]
    for result, expected in pairs:
        assert_same_map(result, expected, 1e-5)


def test_cutout_of_a_registered_map_has_the_same_numbers(assert_same_map):
    observation = create_observation(POINTING, bkg=create_irf("bkg_3d"))
    parent = image(8, 0.1)
    cutout = parent.cutout(POINTING.directional_offset_by(30 * u.deg, 1 * u.deg), 3 * u.deg)
    GRIDS.register(parent)
    assert GRIDS.find_parent(cutout) is not None
    assert_same_map(*project("make_background", cutout, observation), 2e-6)


@pytest.mark.parametrize("use_region_center", [True, False])
@pytest.mark.parametrize("kind", BACKGROUNDS[:3])
def test_spectrum_equals_that_of_gammapy(kind, use_region_center, assert_same_map):
    observation = create_observation(
        POINTING,
        aeff=create_irf("aeff_2d"),
        edisp=create_irf("edisp_2d"),
        psf=create_irf("psf_3gauss"),
        bkg=create_irf(kind),
    )
    geom = RegionGeom.create("icrs;circle(84.1, 22.3, 0.2)", axes=[ENERGY])
    true_geom, kernel_geom = geom.to_image().to_cube([ENERGY_TRUE]), geom.to_image()
    kernel_geom = kernel_geom.to_cube([ENERGY, ENERGY_TRUE])
    makers = [
        create(containment_correction=True, use_region_center=use_region_center)
        for create in (SpectrumProjection, SpectrumDatasetMaker)
    ]
    for result, expected in (
        [maker.make_exposure(true_geom, observation) for maker in makers],
        [maker.make_edisp_kernel(kernel_geom, observation).edisp_map for maker in makers],
        [maker.make_background(geom, observation) for maker in makers],
    ):
        assert expected.data.any()
        assert_same_map(result, expected, 2e-6)


def test_observation_is_not_changed():
    irf = create_irf("bkg_2d")
    values = irf.data.copy()
    MapProjection().make_background(image(), create_observation(POINTING, bkg=irf))
    np.testing.assert_array_equal(irf.data, values)


def test_energies_without_irf_have_no_background(assert_same_map):
    energy = MapAxis.from_energy_bounds("0.01 TeV", "1000 TeV", nbin=8, name="energy")
    geom = image().to_image().to_cube([energy])
    observation = create_observation(POINTING, bkg=create_irf("bkg_2d"))
    result, expected = project("make_background", geom, observation)
    assert np.isnan(expected.data[1]).any()  # gammapy, if only one edge is beyond the IRF
    assert not result.data[:2].any()
    expected.data = np.nan_to_num(expected.data)
    assert_same_map(result, expected, 2e-6)


def test_psf_of_a_subclass_is_projected_by_gammapy(assert_same_map):
    table = create_irf("psf_table")
    psf = type("PSFOfAPlugin", (type(table),), {"tag": "psf_of_a_plugin"})(
        table.axes, data=table.data, unit=table.unit
    )
    observation = create_observation(POINTING, aeff=create_irf("aeff_2d"), psf=psf)
    geom = image(3).to_image().to_cube([RAD, ENERGY_TRUE])
    with pytest.warns(SkyredWarning, match=r"PSF \(PSFOfAPlugin\) is projected by gammapy"):
        result = MapProjection().make_psf(geom, observation)
    assert_same_map(result.psf_map, MapDatasetMaker().make_psf(geom, observation).psf_map)


def test_interpolation_that_a_user_changed_is_honoured(assert_same_map):
    aeff = create_irf("aeff_2d")
    aeff.interp_kwargs = {"bounds_error": False, "fill_value": None}  # extrapolate
    geom = image(8).to_image().to_cube([ENERGY_TRUE])
    observation = create_observation(POINTING, aeff=aeff)
    with pytest.warns(SkyredWarning, match="exposure .* is projected by gammapy"):
        result = MapProjection().make_exposure(geom, observation)
    assert_same_map(result, MapDatasetMaker().make_exposure(geom, observation))
    aeff.interp_kwargs = type(aeff).default_interp_kwargs
    default = MapProjection().make_exposure(geom, observation)
    assert np.count_nonzero(result.data) > np.count_nonzero(default.data)


def test_drift_scan_is_refused_as_by_gammapy():
    irf = create_irf("bkg_3d")
    assert irf.fov_alignment == FoVAlignment.RADEC
    observation = create_observation(POINTING, bkg=irf)
    observation._pointing = FixedPointingInfo(
        fixed_altaz=observation.pointing.get_altaz(observation.tmid, HESS)
    )
    assert observation.pointing.mode == PointingMode.DRIFT
    with (
        pytest.warns(SkyredWarning, match="background .* is projected by gammapy"),
        pytest.raises(NotImplementedError, match="Drift"),
    ):
        MapProjection().make_background(image(), observation)


def test_value_that_is_not_finite_spreads_as_in_gammapy(assert_same_map):
    aeff = create_irf("aeff_2d")
    aeff.data[4] = np.nan
    energy_true = MapAxis.from_nodes(
        aeff.axes["energy_true"].center, interp="log", name="energy_true"
    )
    geom = image().to_image().to_cube([energy_true])
    assert_same_map(*project("make_exposure", geom, create_observation(POINTING, aeff=aeff)))


@pytest.mark.parametrize("kind", BACKGROUNDS)
@pytest.mark.parametrize(
    "options",
    [
        {"background_interp_missing_data": False},
        {"background_pad_offset": False},
        {"fov_rotation_step": 10 * u.deg},
        {"fov_rotation_step": 0.4 * u.deg},
    ],
    ids=" ".join,
)
def test_background_options_have_the_effect_of_gammapy(kind, options, assert_same_map):
    irf = create_irf(kind)
    irf.data[1, 0] = 0  # missing at some positions
    geom = image(5, 1.2)
    observation = create_observation(POINTING, bkg=irf)
    default = MapProjection().make_background(geom, observation)
    result, expected = project("make_background", geom, observation, **options)
    expected.data = np.nan_to_num(expected.data)
    assert_same_map(result, expected, 1e-5 if kind == "bkg_3d_altaz" else 2e-6)
    is_relevant = {
        "background_interp_missing_data": True,
        "background_pad_offset": kind == "bkg_2d",
        "fov_rotation_step": kind == "bkg_3d_altaz",
    }
    assert np.array_equal(result.data, default.data) != is_relevant[next(iter(options))]


@pytest.mark.parametrize("kind", ["bkg_2d", "bkg_3d_altaz"])
def test_background_options_of_the_component_are_those_of_gammapy(kind, assert_same_map):
    options = {
        "background_oversampling": 2,
        "background_interp_missing_data": False,
        "background_pad_offset": False,
        "fov_rotation_step": 10 * u.deg,
    }
    empty = MapDataset.create(image(5, 1.2), name="run")
    observation = create_observation(POINTING, bkg=create_irf(kind))
    observation.aeff = create_irf("aeff_2d")  # for the name of the telescope
    result = MapData(parts=["counts", "background"], **options).make(empty, observation)
    expected = MapDatasetMaker(["counts", "background"], **options).run(empty, observation)
    expected.background.data = np.nan_to_num(expected.background.data)
    assert_same_map(result.background, expected.background, 1e-5)


@pytest.mark.parametrize("kind", BACKGROUNDS)
def test_data_have_the_same_order_in_memory_as_pickled_data(kind):
    observation = create_observation(POINTING, bkg=create_irf(kind))
    assert MapProjection().make_background(image(), observation).data.flags.c_contiguous
