"""Regions and masks without effect are rejected, and masks with energies are evaluated."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.maps import Map, MapAxis, WcsGeom
from regions import CircleSkyRegion, Regions as RegionList

from skyred.components.gammapy import FoVBackground
from skyred.errors import FieldError, Problem
from skyred.fields import Regions
from skyred.fields.options import Location
from skyred.fields.region_checks import check_frame

GEOM = WcsGeom.create(skydir=(83.63, 22.01), width=2, binsz=0.05)
CIRCLE = "icrs; circle(83.63, 22.01, 0.3)"


def only_problem(source: Any, geom: WcsGeom | None = GEOM) -> Problem:
    (problem,) = Regions((source,)).problems("exclude", geom)
    return problem


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("icrs; point(83.63, 22.01)", "has no area"),
        ("icrs; line(83, 22, 84, 22)", "has no area"),
        ("icrs; text(83, 22) # text={Crab}", "has no area"),
        ("icrs; polygon(83, 22, 84, 22)", "has no area"),
        ("icrs; polygon(83, 22, 84, 22, 84, 22)", "has no area"),
        ("icrs; circle(nan, 22.01, 0.3)", "not finite"),
        ("icrs; ellipse(83.63, nan, 0.3, 0.2, 0)", "not finite"),
        ("icrs; polygon(83, 22, 84, nan, 83, 23)", "not finite"),
        ("icrs; -circle(83.63, 22.01, 0.3)", "minus sign"),
        ("image; circle(50, 50, 10)", "pixel region"),
        ("icrs; circle(83.62, 22.0, 0.003)", "covers no pixel"),
        ("icrs; box(83.63, 22.012, 1, 0.004, 0)", "covers no pixel"),
    ],
)
def test_region_without_effect_is_rejected(source: str, reason: str) -> None:
    problem = only_problem(source)
    assert reason in str(problem)
    assert source in str(problem)


@pytest.mark.parametrize(
    "source",
    [
        CIRCLE,
        "icrs; circle(263.63, -22.01, 0.3)",  # far outside the map
        "icrs; circle(84.9, 22.01, 0.3)",  # just outside the map
        "galactic; ellipse(184.55, -5.78, 0.3, 0.2, 30)",
        "icrs; annulus(83.63, 22.01, 0.2, 0.3)",
        "icrs; circle(83.63, 22.01, 60)",
        "fk5; polygon(83, 22, 84, 22, 83, 23)",
        "b1950; circle(82.88, 21.98, 0.2)",
    ],
)
def test_region_with_area_is_accepted(source: str) -> None:
    assert not list(Regions((source,)).problems("exclude", GEOM))


@pytest.mark.parametrize("frame", ["fk5", "j2000", "fk4", "b1950", "galactic", "ecliptic"])
def test_region_in_any_frame_excludes_the_same_pixels(frame: str) -> None:
    name = {"j2000": "fk5", "b1950": "fk4", "ecliptic": "barycentricmeanecliptic"}.get(frame, frame)
    centre = SkyCoord(83.63, 22.01, unit="deg").transform_to(name).spherical
    source = f"{frame}; circle({centre.lon.deg}, {centre.lat.deg}, 0.323)"
    expected = Regions(("icrs; circle(83.63, 22.01, 0.323)",)).outside(GEOM).data
    assert not expected.all()
    assert np.array_equal(Regions((source,)).outside(GEOM).data, expected)


def test_frame_without_pixels_in_fits_is_rejected_in_every_part() -> None:
    circle, ecliptic = (
        RegionList.parse(source, format="ds9")[0]
        for source in (CIRCLE, "ecliptic; circle(84.1, -1.3, 0.2)")
    )
    check_frame(circle | circle, "two circles")
    for region in (ecliptic, circle | ecliptic, circle | (ecliptic | circle)):
        with pytest.raises(
            FieldError, match="in the frame barycentricmeanecliptic; expected one of icrs, fk5"
        ):
            check_frame(region, "source")


@pytest.mark.parametrize("frame", ["gcrs", "supergalactic", "compound"])
def test_region_object_that_ds9_cannot_describe_is_rejected(frame: str) -> None:
    centre = SkyCoord(83.63, 22.01, unit="deg")
    region = CircleSkyRegion(centre, 0.2 * u.deg)
    region = (
        region | CircleSkyRegion(centre.galactic, 0.2 * u.deg)
        if frame == "compound"
        else CircleSkyRegion(centre.transform_to(frame), 0.2 * u.deg)
    )
    with pytest.raises(FieldError, match="cannot be written as a DS9 region"):
        FoVBackground(exclude=region)


def test_small_region_is_rejected_when_the_mask_is_built() -> None:
    with pytest.raises(FieldError, match="covers no pixel"):
        Regions(("icrs; circle(83.62, 22.0, 0.003)",)).outside(GEOM)


def write_mask(path: Path, data: Any, axes: Any = ()) -> Location:
    geom = WcsGeom.create(skydir=(83.63, 22.01), width=3, binsz=0.05, axes=list(axes) or None)
    Map.from_geom(geom, data=np.broadcast_to(data, geom.data_shape).astype(float)).write(path)
    return Location(path)


@pytest.mark.parametrize(("value", "reason"), [(1, "excludes nothing"), (np.nan, "not finite")])
def test_mask_map_without_effect_is_rejected(tmp_path: Path, value: float, reason: str) -> None:
    location = write_mask(tmp_path / "mask.fits", value)
    assert reason in str(only_problem(location))


def test_mask_map_by_true_energy_is_rejected(tmp_path: Path) -> None:
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2, name="energy_true")
    location = write_mask(tmp_path / "mask.fits", 0, [axis])
    assert "energy_true" in str(only_problem(location))


class TestMaskWithEnergies:
    """A mask that excludes a circle below 3 TeV, and nothing above."""

    @pytest.fixture
    def location(self, tmp_path: Path) -> Location:
        axis = MapAxis.from_energy_edges([1, 3, 9], unit="TeV")
        geom = WcsGeom.create(skydir=(83.63, 22.01), width=3, binsz=0.05, axes=[axis])
        mask = Map.from_geom(geom, data=1)
        mask.data[0] = geom.to_image().separation(geom.center_skydir).deg > 0.5
        mask.write(tmp_path / "mask.fits")
        return Location(tmp_path / "mask.fits")

    def test_mask_in_energy_bins_agrees_with_gammapy(self, location: Location) -> None:
        axis = MapAxis.from_energy_edges([1, 1.5, 2.5, 5, 9], unit="TeV")
        geom = GEOM.to_cube([axis])
        mask = Map.read(location.path())
        mask.data = mask.data.astype(bool)
        expected = mask.interp_to_geom(geom).data
        assert [bool(plane.all()) for plane in expected] == [False, False, True, True]
        assert np.array_equal(Regions((location,)).outside(geom).data, expected)

    def test_images_and_single_bins_exclude_pixels_masked_at_any_energy(
        self, location: Location
    ) -> None:
        expected = GEOM.separation(GEOM.center_skydir).deg > 0.5
        single_bin = GEOM.to_cube([MapAxis.from_energy_edges([1, 9], unit="TeV")])
        for geom in (GEOM, single_bin):
            mask = Regions((location,)).outside(geom)
            assert np.array_equal(np.squeeze(mask.data), expected)
