"""Fields for positions on the sky.

Importing `SkyCoord` takes a second, so it is imported on demand, not when a configuration is read.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
from astropy import units as u

from skyred.errors import FieldError, format_value
from skyred.fields.canonical import quantity_key
from skyred.fields.quantities import plain as plain_quantity
from skyred.fields.spec import REQUIRED, FieldSpec, declare

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

FRAMES = ("icrs", "fk5", "galactic")
# the allowed frames for each pair of coordinates; the first is the default
KEYS = {("lon", "lat"): FRAMES, ("ra", "dec"): ("icrs", "fk5"), ("l", "b"): ("galactic",)}
_EXPECTED = (
    "expected [right ascension, declination] such as [83.633 deg, 22.014 deg], or a mapping with "
    "ra and dec, with l and b, or with lon, lat and frame"
)


@attrs.frozen
class Position:
    """A position on the sky.

    Parameters
    ----------
    lon, lat : Quantity
        Longitude and latitude, angles.
    frame : {"icrs", "fk5", "galactic"}
        The frame; fk5 has the equinox J2000.
    has_frame : bool
        Whether the frame was specified, or implied by ra and dec or l and b; otherwise it is icrs.
    """

    lon: u.Quantity = attrs.field(eq=quantity_key)
    lat: u.Quantity = attrs.field(eq=quantity_key)
    frame: str = "icrs"
    has_frame: bool = attrs.field(default=True, eq=False, repr=False)

    @property
    def skycoord(self) -> SkyCoord:
        """The position as astropy's `SkyCoord`."""
        from astropy.coordinates import SkyCoord

        return SkyCoord(self.lon, self.lat, frame=self.frame)

    def __str__(self) -> str:
        return f"{self.lon}, {self.lat} ({self.frame})"


def position(default: Any = REQUIRED, *, doc: str) -> Any:
    """Declare a position, stored as a `Position`.

    Values are ``[ra, dec]``, a mapping with `ra` and `dec`, with `l` and `b`, or with `lon`, `lat`
    and `frame`, or, in Python, a `SkyCoord`. Frames are icrs, fk5 (J2000) and galactic; the default
    is galactic for `l` and `b`, and icrs otherwise.

    Parameters
    ----------
    default : sequence or mapping or SkyCoord
        The default; by default the option is required. None makes it optional.
    doc : str
        The description, one sentence.

    Returns
    -------
    attrs field
        The field, to be assigned in the body of the class.
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
    frame: Any = None
    if isinstance(value, Mapping):
        value, frame = _read_mapping(value)
    has_frame, frame = frame is not None, "icrs" if frame is None else frame
    if frame not in FRAMES:
        raise FieldError(
            f"is in the frame {format_value(frame)}",
            f"expected one of {', '.join(FRAMES)}; convert the position with astropy's SkyCoord",
        )
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise FieldError(f"invalid value {format_value(value)}", _EXPECTED)
    lon, lat = (_angle(part) for part in value)
    if abs(lat.to_value("deg")) > 90:
        raise FieldError(f"has the latitude {lat}", "expected -90 deg to 90 deg")
    return Position(lon, lat, frame, has_frame)


def _read_mapping(value: Mapping[str, Any]) -> tuple[list[Any], Any]:
    """Return the two angles and the frame of a mapping; the frame is None if there is none."""
    pairs = [pair for pair in KEYS if set(pair) & set(value)]
    pair = pairs[0] if pairs else ("lon", "lat")
    if unknown := set(value) - {*pair, "frame"}:
        raise FieldError(f"has the unknown key {min(unknown)!r}", _EXPECTED)
    frame, frames = value.get("frame"), KEYS[pair]
    if frame in FRAMES and frame not in frames:
        raise FieldError(f"has {' and '.join(pair)} in the frame {frame!r}", _EXPECTED)
    if frame is None and pair != ("lon", "lat"):
        frame = frames[0]
    return [value.get(name) for name in pair], frame


def _from_skycoord(coord: SkyCoord) -> Position:
    # an fk5 coordinate may have an equinox other than J2000
    frame = coord if coord.name in ("icrs", "galactic") else coord.icrs
    spherical = frame.spherical
    return Position(_angle(spherical.lon), _angle(spherical.lat), frame.name)


def _angle(value: Any) -> u.Quantity:
    try:
        angle = u.Quantity(value, dtype=float)
    except (TypeError, ValueError):
        raise FieldError(f"{format_value(value)} cannot be read as an angle", _EXPECTED) from None
    if not angle.unit.is_equivalent("deg"):
        raise FieldError(f"{format_value(value)} is not an angle", _EXPECTED)
    if not (angle.isscalar and angle.value - angle.value == 0):  # not inf or nan
        raise FieldError(f"{str(value)!r} is not a single finite angle", _EXPECTED)
    angle.setflags(write=False)
    return angle


def _position_key(value: Position) -> Hashable:
    return (quantity_key(value.lon), quantity_key(value.lat), value.frame)


def _plain_position(value: Position) -> Any:
    pair = [plain_quantity(value.lon), plain_quantity(value.lat)]
    if not value.has_frame:
        return pair
    return {"lon": pair[0], "lat": pair[1], "frame": value.frame}
