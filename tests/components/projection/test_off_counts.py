"""Off regions and their counts are those of gammapy's maker."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import Angle, SkyCoord
from gammapy.irf import RadMax2D
from gammapy.makers import (
    ReflectedRegionsBackgroundMaker,
    ReflectedRegionsFinder,
    SpectrumDatasetMaker,
    WobbleRegionsFinder,
)
from gammapy.makers.background.reflected import are_regions_overlapping_rad_max
from gammapy.maps import MapAxis, RegionGeom, RegionNDMap, WcsGeom
from hypothesis import given, settings, strategies as st
from regions import CircleSkyRegion, EllipseSkyRegion, PointSkyRegion

from array_comparison import assert_same_regions
from random_irfs import create_observation
from skyred.components.projection.makers import SpectrumProjection
from skyred.components.projection.off_counts import count_off
from skyred.components.projection.rad_max import do_overlap

ENERGY = MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=4, name="energy")
ON = SkyCoord(84.2, 22.2, unit="deg")
positions = st.sampled_from([(83.6, 22.0), (0.01, -30.2), (266.4, -29.0), (180.0, 89.0)])


class Dataset:
    """The attributes of a spectrum that gammapy's maker reads."""

    name = "run"

    def __init__(self, geom):
        self.counts = RegionNDMap.from_geom(geom)


def create_rad_max(radii=(0.25, 0.2, 0.15)):
    energy = MapAxis.from_energy_bounds("0.05 TeV", "200 TeV", nbin=len(radii), name="energy")
    offset = MapAxis.from_edges([0, 1, 2.5], unit="deg", name="offset")
    data = np.repeat(np.array(radii)[:, None], 2, axis=1)
    return RadMax2D([energy, offset], data=data, unit="deg")


def search_geom(region, pointing, bin_size=0.01):
    """Return the map on which gammapy's finders place regions."""
    width = 4 * region.center.separation(pointing) + 0.3 * u.deg
    frame = region.center.frame.name
    return WcsGeom.create(skydir=pointing, binsz=bin_size, width=width, frame=frame, proj="TAN")


def compare(region, pointing, finder, excluded=None, **irfs):
    """Compare off counts with those of gammapy, and return them."""
    observation = create_observation(pointing, n_events=3000, **irfs)
    geom, search = RegionGeom.create(region, axes=[ENERGY]), search_geom(region, pointing)
    mask = None if excluded is None else ~search.region_mask([excluded])
    maker = ReflectedRegionsBackgroundMaker(region_finder=finder, exclusion_mask=mask)
    expected_counts, expected_acceptance = maker.make_counts_off(Dataset(geom), observation)
    counts, acceptance = count_off(geom, observation, finder, search, mask)
    np.testing.assert_array_equal(counts.data, expected_counts.data)
    np.testing.assert_array_equal(acceptance.data, expected_acceptance.data)
    assert_same_regions(counts.geom, expected_counts.geom)
    return counts


@pytest.mark.slow
@settings(max_examples=12)
@given(
    pointing=positions,
    angle=st.floats(0, 360),
    offset=st.floats(0.4, 1.5),
    radius=st.floats(0.05, 0.3),
    frame=st.sampled_from(["icrs", "galactic"]),
    has_exclusion=st.booleans(),
)
def test_reflected_regions_are_those_of_gammapy(
    pointing, angle, offset, radius, frame, has_exclusion
):
    pointing = SkyCoord(*pointing, unit="deg")
    center = pointing.directional_offset_by(angle * u.deg, offset * u.deg).transform_to(frame)
    region = CircleSkyRegion(center, radius * u.deg)
    excluded = CircleSkyRegion(
        pointing.directional_offset_by((angle + 90) * u.deg, offset * u.deg), 0.2 * u.deg
    )
    counts = compare(
        region, pointing, ReflectedRegionsFinder(), excluded if has_exclusion else None
    )
    assert counts.data.any()


@pytest.mark.parametrize(
    "options",
    [
        {"angle_increment": "0.5 rad"},
        {"min_distance": "0.3 rad"},
        {"min_distance_input": "1 rad"},
        {"max_region_number": 2},
    ],
)
def test_options_of_the_finder_are_honoured(options):
    pointing = SkyCoord(83.6, 22, unit="deg")
    region = CircleSkyRegion(SkyCoord(84.2, 22.2, unit="deg"), 0.1 * u.deg)
    excluded = CircleSkyRegion(SkyCoord(83.6, 22.6, unit="deg"), 0.2 * u.deg)
    compare(region, pointing, ReflectedRegionsFinder(**options), excluded)


@pytest.mark.parametrize("n_off_regions", [1, 3, 5])
def test_wobble_regions_are_those_of_gammapy(n_off_regions):
    pointing = SkyCoord(83.6, 22, unit="deg")
    region = CircleSkyRegion(SkyCoord(84.2, 22.2, unit="deg"), 0.1 * u.deg)
    compare(region, pointing, WobbleRegionsFinder(n_off_regions))


@pytest.mark.parametrize("has_exclusion", [False, True])
def test_counts_around_points_are_those_of_gammapy(has_exclusion):
    pointing = SkyCoord(83.6, 22, unit="deg")
    region = PointSkyRegion(SkyCoord(84.2, 22.2, unit="deg"))
    excluded = CircleSkyRegion(SkyCoord(83.0, 21.8, unit="deg"), 0.1 * u.deg)
    observation = create_observation(pointing, n_events=3000, rad_max=create_rad_max())
    counts = compare(
        region,
        pointing,
        WobbleRegionsFinder(3),
        excluded if has_exclusion else None,
        rad_max=create_rad_max(),
    )
    assert counts.data.any()
    geom = RegionGeom.create(region, axes=[ENERGY])
    on_counts, expected = (
        maker.make_counts(geom, observation) for maker in (SpectrumProjection, SpectrumDatasetMaker)
    )
    assert expected.data.any()
    np.testing.assert_array_equal(on_counts.data, expected.data)


@pytest.mark.slow
@given(
    lon=st.sampled_from([0.0, 0.1, 83.6, 359.95]),
    lat=st.sampled_from([-90.0, -89.9, -60.0, 0.0, 22.0, 89.3, 89.8]),
    angle=st.floats(0, 360),
    offset=st.floats(0, 1),
    radius=st.sampled_from([0.02, 0.3, 0.9]),
    turns=st.sampled_from([-360, 0, 360]),
)
def test_counts_around_a_point_are_those_of_gammapy_at_any_position(
    lon, lat, angle, offset, radius, turns
):
    pointing = SkyCoord(lon, lat, unit="deg")
    rad_max = create_rad_max((radius, radius / 2, radius))
    observation = create_observation(pointing, n_events=3000, rad_max=rad_max)
    observation.events.table["RA"] = observation.events.table["RA"] + turns * u.deg
    center = pointing.directional_offset_by(angle * u.deg, offset * u.deg)
    geom = RegionGeom.create(PointSkyRegion(center), axes=[ENERGY])
    counts, expected = (
        maker.make_counts(geom, observation) for maker in (SpectrumProjection, SpectrumDatasetMaker)
    )
    np.testing.assert_array_equal(counts.data, expected.data)


def test_circle_of_the_radius_of_point_like_irfs_is_accepted():
    pointing = SkyCoord(83.6, 22, unit="deg")
    region = CircleSkyRegion(SkyCoord(84.2, 22.2, unit="deg"), 0.2 * u.deg)
    axes = [
        MapAxis.from_energy_bounds("0.05 TeV", "200 TeV", nbin=1, name="energy"),
        MapAxis.from_edges([0, 2.5], unit="deg", name="offset"),
    ]
    rad_max = RadMax2D(axes, data=np.array([[0.2]]), unit="deg")
    counts = compare(region, pointing, ReflectedRegionsFinder(), rad_max=rad_max)
    assert counts.data.any()


@pytest.mark.parametrize(
    ("region", "finder"),
    [
        (
            EllipseSkyRegion(SkyCoord(84.2, 22.2, unit="deg"), 0.3 * u.deg, 0.2 * u.deg),
            ReflectedRegionsFinder(),
        ),
        (
            CircleSkyRegion(SkyCoord(84.2, 22.2, unit="deg"), 0.001 * u.deg),
            ReflectedRegionsFinder(),
        ),
        (CircleSkyRegion(SkyCoord(84.2, 22.2, unit="deg"), 0.3 * u.deg), WobbleRegionsFinder(12)),
        (PointSkyRegion(SkyCoord(84.2, 22.2, unit="deg")), WobbleRegionsFinder(12)),
    ],
    ids=["ellipse", "smaller than a pixel", "overlapping circles", "overlapping points"],
)
def test_other_cases_are_left_to_gammapy(region, finder):
    pointing = SkyCoord(83.6, 22, unit="deg")
    observation = create_observation(pointing)
    if isinstance(region, PointSkyRegion):
        observation = create_observation(pointing, rad_max=create_rad_max())
    geom = RegionGeom.create(region, axes=[ENERGY])
    assert count_off(geom, observation, finder, search_geom(region, pointing), None) is None


@pytest.mark.parametrize("frame", ["icrs", "galactic"])
@pytest.mark.parametrize("offset", [0.0, 0.7])
def test_counts_in_the_on_region_are_those_of_gammapy(frame, offset):
    pointing = SkyCoord(83.6, 22, unit="deg")
    center = pointing.directional_offset_by(50 * u.deg, offset * u.deg).transform_to(frame)
    geom = RegionGeom.create(CircleSkyRegion(center, 0.4 * u.deg), axes=[ENERGY])
    observation = create_observation(pointing, n_events=5000)
    counts, expected = (
        maker.make_counts(geom, observation) for maker in (SpectrumProjection, SpectrumDatasetMaker)
    )
    assert expected.data.any()
    np.testing.assert_array_equal(counts.data, expected.data)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("edges", [[0.5, 1, 2, 3, 5, 10], [1, 3, 10], [0.1, 1, 10, 100]])
@pytest.mark.parametrize("is_point", [False, True])
def test_energies_at_the_edges_of_bins_are_counted_as_by_gammapy(dtype, edges, is_point):
    pointing = SkyCoord(83.6, 22, unit="deg")
    axis = MapAxis.from_energy_edges(edges * u.TeV)
    energies = np.array(edges, dtype=dtype)
    energies = np.concatenate([energies, np.nextafter(energies, 0), np.nextafter(energies, 1e9)])
    observation = create_observation(
        pointing, n_events=len(energies), **({"rad_max": create_rad_max()} if is_point else {})
    )
    table = observation.events.table
    table["RA"], table["DEC"] = ON.ra, ON.dec
    table["ENERGY"] = u.Quantity(energies, "TeV", dtype=dtype)
    region = PointSkyRegion(ON) if is_point else CircleSkyRegion(ON, 0.1 * u.deg)
    geom = RegionGeom.create(region, axes=[axis])
    counts, expected = (
        maker.make_counts(geom, observation) for maker in (SpectrumProjection, SpectrumDatasetMaker)
    )
    assert expected.data.any()
    np.testing.assert_array_equal(counts.data, expected.data)


@given(
    centers=st.lists(st.tuples(st.floats(0, 1), st.floats(-0.5, 0.5)), min_size=2, max_size=5),
    pole=st.sampled_from([0.0, 60.0, 89.4]),
    offset=st.floats(0, 2),
    bounds=st.sampled_from([(0.1, 100), (0.06, 0.2), (20, 80)]),
)
def test_regions_around_points_overlap_as_for_gammapy(centers, pole, offset, bounds):
    rad_max, offset = create_rad_max(), Angle(offset, "deg")
    points = [SkyCoord(lon, pole + lat, unit="deg") for lon, lat in centers]
    axis = MapAxis.from_energy_bounds(*bounds * u.TeV, nbin=3, name="energy")
    regions = [PointSkyRegion(point) for point in points]
    expected = are_regions_overlapping_rad_max(regions, rad_max, offset, *axis.bounds)
    lon, lat = (np.array([getattr(point, name).rad for point in points]) for name in ("ra", "dec"))
    assert do_overlap(lon, lat, rad_max, offset, axis) == expected
