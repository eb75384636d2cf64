"""Positions and regions accept several forms, and reject invalid values."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from astropy import units as u
from hypothesis import given, strategies as st

from skyred.errors import FieldError
from skyred.fields import Location, Position, position, regions
from skyred.interfaces import Fields, value

FRAMES = ["icrs", "fk5", "galactic"]
OTHER_FRAMES = ("fk4", "supergalactic", "gcrs", "altaz", "barycentricmeanecliptic")
CIRCLE = "icrs; circle(83.63, 22.14, 0.2)"


@value
class SkyFields(Fields):
    """A position and regions."""

    center: Any = position(["83.633 deg", "22.014 deg"], doc="A position.")
    exclude: Any = regions((), doc="Regions.")


class TestPositions:
    def test_list_mapping_and_skycoord_are_equal(self) -> None:
        from astropy.coordinates import SkyCoord

        instance = SkyFields(center=["83.633 deg", "1320.84 arcmin"])
        assert instance == SkyFields(center={"lon": 83.633 * u.deg, "lat": "22.014 deg"})
        assert instance == SkyFields(center=SkyCoord(83.633, 22.014, unit="deg"))
        assert instance == SkyFields(center=Position(83.633 * u.deg, 22.014 * u.deg))
        assert instance.digest() == SkyFields(center=SkyCoord(83.633, 22.014, unit="deg")).digest()

    def test_galactic_position_stays_galactic(self) -> None:
        from astropy.coordinates import SkyCoord

        yaml_data = {"lon": "184.55 deg", "lat": "-5.78 deg", "frame": "galactic"}
        instance = SkyFields(center=yaml_data)
        assert instance == SkyFields(center=SkyCoord(184.55, -5.78, unit="deg", frame="galactic"))
        assert SkyFields(**instance.to_plain()) == instance
        assert instance != SkyFields(center=["184.55 deg", "-5.78 deg"])

    def test_names_of_coordinates_imply_the_frame(self) -> None:
        galactic = SkyFields(center={"l": "184.55 deg", "b": "-5.78 deg"})
        yaml_data = {"lon": "184.55 deg", "lat": "-5.78 deg", "frame": "galactic"}
        assert galactic == SkyFields(center=yaml_data)
        assert SkyFields(center={"ra": "83.633 deg", "dec": "22.014 deg"}) == SkyFields()

    @pytest.mark.parametrize(
        "center",
        [
            {"l": "1 deg", "dec": "2 deg"},
            {"l": "1 deg", "b": "2 deg", "frame": "icrs"},
            {"ra": "1 deg", "dec": "2 deg", "frame": "galactic"},
            {"ra": "1 deg"},
        ],
    )
    def test_mixed_coordinates_are_rejected(self, center: Any) -> None:
        with pytest.raises(FieldError, match=r"expected .*ra and dec"):
            SkyFields(center=center)

    @pytest.mark.parametrize(
        "keywords",
        [
            {"frame": "fk5"},
            {"frame": "fk5", "equinox": "J1975"},
            {"frame": "fk4"},
            {"frame": "supergalactic"},
            {"frame": "barycentricmeanecliptic"},
        ],
    )
    def test_skycoord_in_another_frame_is_converted_to_icrs(self, keywords: Any) -> None:
        from astropy.coordinates import SkyCoord

        coord = SkyCoord(83.633, 22.014, unit="deg", **keywords)
        center = SkyFields(center=coord).center
        assert center.frame == "icrs"
        assert center.skycoord.separation(coord.icrs).to_value("arcsec") < 1e-6

    @pytest.mark.parametrize("names", [("lon", "lat"), ("ra", "dec")])
    def test_position_in_fk5_agrees_with_astropy(self, names: tuple[str, str]) -> None:
        from astropy.coordinates import SkyCoord

        center = SkyFields(center={names[0]: "83.633 deg", names[1]: "22.014 deg", "frame": "fk5"})
        expected = SkyCoord(83.633, 22.014, unit="deg", frame="fk5")
        assert center.center.frame == "fk5"
        assert center.center.skycoord.separation(expected).to_value("arcsec") < 1e-6

    @given(
        lon=st.floats(0, 360),
        lat=st.floats(-90, 90),
        frame=st.sampled_from(FRAMES),
    )
    def test_position_is_read_back_unchanged(self, lon: float, lat: float, frame: str) -> None:
        instance = SkyFields(center={"lon": lon * u.deg, "lat": lat * u.deg, "frame": frame})
        loaded = SkyFields(**instance.to_plain(complete=True))
        assert loaded == instance
        assert loaded.center.lon.to_value("deg") == lon
        assert loaded.center.lat.to_value("deg") == lat

    @pytest.mark.parametrize(
        ("invalid_value", "message"),
        [
            (["83 deg"], "invalid value ['83 deg']; expected [right ascension, declination]"),
            (["1 deg", "2 deg", "3 deg"], "expected [right ascension, declination]"),
            ("83 deg, 22 deg",
             "invalid value '83 deg, 22 deg'; expected [right ascension, declination]"),
            (["1 deg", "95 deg"], "has the latitude 95.0 deg; expected -90 deg to 90 deg"),
            ([83, 22], "83 is not an angle"),
            (["1 TeV", "22 deg"], "'1 TeV' is not an angle"),
            (["nan deg", "22 deg"], "'nan deg' is not a single finite angle"),
            ([[1, 2] * u.deg, [1, 2] * u.deg], "is not a single finite angle"),
            (["Crab", "22 deg"], "'Crab' cannot be read as an angle"),
            ({"lon": "1 deg"}, "None is not an angle"),
            ({"lon": "1 deg", "lat": "2 deg", "fram": "icrs"}, "has the unknown key 'fram'"),
            *(
                ({"lon": "1 deg", "lat": "2 deg", "frame": frame},
                 f"is in the frame {frame!r}; expected one of icrs, fk5, galactic; convert")
                for frame in (*OTHER_FRAMES, "FK5", "ICRS", "J2000", "junk", "")
            ),
            ({"ra": "1 deg", "dec": "2 deg", "frame": "fk4"}, "is in the frame 'fk4'"),
            ({"ra": "1 deg", "dec": "2 deg", "frame": "galactic"}, "ra and dec in the frame"),
            ({"l": "1 deg", "b": "2 deg", "frame": "fk5"}, "l and b in the frame 'fk5'"),
            (None, "is not set; expected a position on the sky"),
        ],
    )  # fmt: skip
    def test_invalid_values_are_rejected(self, invalid_value: Any, message: str) -> None:
        with pytest.raises(FieldError, match=re.escape(message)):
            SkyFields(center=invalid_value)

    def test_position_is_read_only(self) -> None:
        instance = SkyFields(center=["1 deg", "2 deg"])
        with pytest.raises(ValueError, match="read-only"):
            instance.center.lon[...] = 5 * u.deg

    def test_position_can_be_pickled(self) -> None:
        instance = SkyFields(center=["1 deg", "2 deg"], exclude=[CIRCLE, "a.reg"])
        loaded = pickle.loads(pickle.dumps(instance))
        assert loaded == instance
        assert loaded.exclude.files == (Location("a.reg"),)


class TestRegions:
    def test_circle_is_built_from_a_string(self) -> None:
        (circle,) = SkyFields(exclude=CIRCLE).exclude.build()
        assert circle.center.ra.deg == pytest.approx(83.63)
        assert circle.center.dec.deg == pytest.approx(22.14)
        assert circle.radius.to_value("deg") == pytest.approx(0.2)

    def test_whitespace_in_region_strings_is_ignored(self) -> None:
        assert SkyFields(exclude=CIRCLE) == SkyFields(
            exclude=["icrs;  circle(83.63,  22.14, 0.2) "]
        )

    def test_region_objects_keep_their_position(self) -> None:
        from astropy.coordinates import SkyCoord
        from regions import CircleSkyRegion, RectangleSkyRegion, Regions

        center = SkyCoord(184.5, -5.8, unit="deg", frame="galactic")
        circle = CircleSkyRegion(center, 0.25 * u.deg)
        box = RectangleSkyRegion(SkyCoord(1, 2, unit="deg"), 3 * u.deg, 1 * u.deg, 30 * u.deg)
        for exclude in (
            SkyFields(exclude=[circle, box]),
            SkyFields(exclude=Regions([circle, box])),
        ):
            loaded = SkyFields(**exclude.to_plain())
            first, second = loaded.exclude.build()
            assert first.center.separation(center).deg < 1e-9
            assert first.radius == 0.25 * u.deg
            assert second.width == 3 * u.deg
            assert second.angle.to_value("deg") == pytest.approx(30)

    def test_region_with_a_label_and_colour_keeps_its_shape(self) -> None:
        from astropy.coordinates import SkyCoord
        from regions import CircleSkyRegion

        circle = CircleSkyRegion(
            SkyCoord(1, 2, unit="deg"),
            1 * u.deg,
            meta={"text": "Crab; near"},
            visual={"color": "red"},
        )
        (region,) = SkyFields(exclude=circle).exclude.build()
        assert region.radius == 1 * u.deg

    def test_region_file_is_read_by_build(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TOY_REGIONS", str(tmp_path))
        instance = SkyFields(exclude=["$TOY_REGIONS/two.reg", CIRCLE])
        with pytest.raises(FileNotFoundError):
            instance.exclude.build()
        (tmp_path / "two.reg").write_text("icrs\ncircle(1, 2, 0.5)\ncircle(3, 4, 0.5)\n")
        assert [round(region.center.ra.deg, 6) for region in instance.exclude.build()] == [
            1,
            3,
            83.63,
        ]
        assert instance.to_plain() == {"exclude": ["$TOY_REGIONS/two.reg", CIRCLE]}

    def test_mask_maps_and_regions_are_distinguished(self) -> None:
        exclude = SkyFields(exclude=["mask.fits.gz", "a.reg", CIRCLE, Path("b.fits")]).exclude
        assert exclude.masks == ("mask.fits.gz", "b.fits")
        assert exclude.files == ("mask.fits.gz", "a.reg", "b.fits")

    @pytest.mark.parametrize("invalid_value", ["the Crab", "", "   ", [5], 5, [None], {"a": 1}])
    def test_invalid_regions_are_rejected_on_construction(self, invalid_value: Any) -> None:
        with pytest.raises(FieldError, match=r"SkyFields\.exclude: .*expected a DS9 region"):
            SkyFields(exclude=invalid_value)

    @pytest.mark.parametrize(
        "invalid_value",
        ["icrs; circel(1, 2, 3)", "icrs; circle(1, 2", "circle(a, b, c)", "(", "icrs; ()"],
    )
    @pytest.mark.filterwarnings("ignore")
    def test_unparsable_regions_are_rejected_by_build(self, invalid_value: str) -> None:
        with pytest.raises(FieldError, match="region"):
            SkyFields(exclude=invalid_value).exclude.build()

    @pytest.mark.filterwarnings("ignore")
    def test_invalid_region_in_a_list_is_rejected(self) -> None:
        # the parser skips invalid regions with a warning, which would drop an exclusion
        exclude = SkyFields(exclude=f"{CIRCLE}; circel(1, 2, 3)").exclude
        with pytest.raises(FieldError):
            exclude.build()
