"""Places on the sky: positions and regions, held as small values that need no astropy.coordinates.

Importing `SkyCoord` takes a second and `regions` another, so both are built on demand: reading a
configuration imports neither.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
from astropy import units as u

from skyred.errors import FieldError
from skyred.fields.canonical import exact_key, quantity_key
from skyred.fields.options import Location
from skyred.fields.quantities import plain as plain_quantity
from skyred.fields.spec import REQUIRED, FieldSpec, declare

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from regions import Region

FRAMES = ("icrs", "galactic")
_EXPECTED = "expected [longitude, latitude] such as [83.633 deg, 22.014 deg], or lon, lat and frame"


@attrs.frozen
class Position:
    """A position on the sky: longitude and latitude (angles) in a frame, icrs or galactic."""

    lon: u.Quantity = attrs.field(eq=quantity_key)
    lat: u.Quantity = attrs.field(eq=quantity_key)
    frame: str = "icrs"

    @property
    def skycoord(self) -> SkyCoord:
        """The position as astropy's `SkyCoord`."""
        from astropy.coordinates import SkyCoord

        return SkyCoord(self.lon, self.lat, frame=self.frame)

    def __str__(self) -> str:
        return f"{self.lon}, {self.lat} ({self.frame})"


def position(default: Any = REQUIRED, *, doc: str) -> Any:
    """Declare a position, held as a `Position`.

    It is given as ``[lon, lat]`` (icrs), as a mapping of `lon`, `lat` and `frame`, or in Python as
    a `SkyCoord` too.
    """
    spec = FieldSpec(
        type_name="a position on the sky",
        doc=doc,
        parse=_parse_position,
        key=_position_key,
        plain=_plain_position,
        unit="deg",
    )
    return declare(spec, default)


def _parse_position(value: Any) -> Position:
    if isinstance(value, Position):
        return value
    if hasattr(value, "represent_as"):
        return _from_skycoord(value)
    frame: Any = "icrs"
    if isinstance(value, Mapping):
        if unknown := set(value) - {"lon", "lat", "frame"}:
            raise FieldError(f"has no part {sorted(unknown)[0]!r}", _EXPECTED)
        frame = value.get("frame", "icrs")
        value = [value.get("lon"), value.get("lat")]
    if frame not in FRAMES:
        raise FieldError(f"is in the frame {frame!r}", f"expected one of {', '.join(FRAMES)}")
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise FieldError(f"is {value!r}", _EXPECTED)
    lon, lat = (_angle(part) for part in value)
    if abs(lat.to_value("deg")) > 90:
        raise FieldError(f"has the latitude {lat}", "expected -90 deg to 90 deg")
    return Position(lon, lat, frame)


def _from_skycoord(coord: SkyCoord) -> Position:
    frame = coord if coord.name in FRAMES else coord.icrs
    spherical = frame.spherical
    return Position(_angle(spherical.lon), _angle(spherical.lat), frame.name)


def _angle(value: Any) -> u.Quantity:
    try:
        angle = u.Quantity(value, dtype=float)
    except (TypeError, ValueError):
        raise FieldError(f"{value!r} cannot be read as an angle", _EXPECTED) from None
    if not angle.unit.is_equivalent("deg"):
        raise FieldError(f"{value!r} is no angle", _EXPECTED)
    if not (
        angle.isscalar and angle.value - angle.value == 0
    ):  # inf and nan differ from themselves
        raise FieldError(f"{str(value)!r} is not one finite angle", _EXPECTED)
    angle.setflags(write=False)
    return angle


def _position_key(value: Position) -> Hashable:
    return (quantity_key(value.lon), quantity_key(value.lat), value.frame)


def _plain_position(value: Position) -> Any:
    pair = [plain_quantity(value.lon), plain_quantity(value.lat)]
    if value.frame == "icrs":
        return pair
    return {"lon": pair[0], "lat": pair[1], "frame": value.frame}


@attrs.frozen
class Regions:
    """Regions of the sky, as they were written: DS9 texts, or files that hold regions or masks.

    Parameters
    ----------
    sources : tuple of str
        Region texts such as ``icrs; circle(83.63, 22.14, 0.2)``, and `Location` of ``.reg`` files
        or of FITS mask maps.
    """

    sources: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Location, ...]:
        """The files among them."""
        return tuple(source for source in self.sources if isinstance(source, Location))

    @property
    def masks(self) -> tuple[Location, ...]:
        """The files that hold mask maps (FITS)."""
        return tuple(name for name in self.files if not name.lower().endswith(".reg"))

    def build(self) -> list[Region]:
        """Give the regions of all texts and region files; raises `FieldError` if one holds none."""
        return [region for source in self.sources for region in _build(source, self.masks)]

    def __bool__(self) -> bool:
        return bool(self.sources)


def _build(source: str, masks: tuple[Location, ...]) -> list[Region]:
    from regions import Regions as RegionList

    if source in masks:
        return []
    text = source
    if isinstance(source, Location):
        text = source.path().read_text(encoding="utf-8")
    try:
        with warnings.catch_warnings():
            # the parser skips what it does not know, with a warning: an exclusion would be lost
            warnings.simplefilter("error")
            found = list(RegionList.parse(text, format="ds9"))
    except Exception as error:  # the parser raises whatever its parts raise
        raise FieldError(f"{str(source)!r} is no DS9 region: {error}", _REGION) from None
    if not found:
        raise FieldError(f"{str(source)!r} holds no region at all", _REGION)
    return found


_REGION = "expected a DS9 region such as 'icrs; circle(83.63, 22.14, 0.2)', or a .reg or FITS file"
_FILES = (".reg", ".fits", ".fits.gz", ".fit")


def regions(default: Any = (), *, doc: str) -> Any:
    """Declare regions, held as `Regions`: DS9 texts, ``.reg`` files, mask maps, region objects."""
    spec = FieldSpec(
        type_name="regions of the sky",
        doc=doc,
        parse=_parse_regions,
        key=lambda value: exact_key(value.sources),
        plain=lambda value: [str(source) for source in value.sources],
    )
    return declare(spec, default)


def _parse_regions(value: Any) -> Regions:
    if isinstance(value, Regions):
        return value
    items = [value] if isinstance(value, (str, Location)) or hasattr(value, "serialize") else value
    try:
        return Regions(tuple(_source(item) for item in items))
    except TypeError:
        raise FieldError(f"is {value!r}", _REGION) from None


def _source(item: Any) -> str:
    if hasattr(item, "serialize"):  # a region object of the regions package
        lines = str(item.serialize(format="ds9", precision=12)).split("\n")
        return "; ".join(line for line in lines if line and not line.startswith(("#", "global")))
    if isinstance(item, Location) or hasattr(item, "__fspath__"):
        return Location(item)
    if not isinstance(item, str) or not item.strip():
        raise FieldError(f"{item!r} is no region", _REGION)
    text = " ".join(item.split())
    if text.lower().endswith(_FILES):
        return Location(text)
    if "(" not in text:
        raise FieldError(f"{text!r} is neither a region nor a region file", _REGION)
    return text
