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

FRAMES = ("icrs", "galactic")
_EXPECTED = "expected [longitude, latitude] such as [83.633 deg, 22.014 deg], or lon, lat and frame"


@attrs.frozen
class Position:
    """A position on the sky.

    Parameters
    ----------
    lon, lat : Quantity
        Longitude and latitude, angles.
    frame : {"icrs", "galactic"}
        The frame.
    """

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
    """Declare a position, stored as a `Position`.

    Values are ``[lon, lat]`` (icrs), a mapping with `lon`, `lat` and `frame`, or in Python also a
    `SkyCoord`.

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
    frame: Any = "icrs"
    if isinstance(value, Mapping):
        if unknown := set(value) - {"lon", "lat", "frame"}:
            raise FieldError(f"has the unknown key {min(unknown)!r}", _EXPECTED)
        frame = value.get("frame", "icrs")
        value = [value.get("lon"), value.get("lat")]
    if frame not in FRAMES:
        raise FieldError(
            f"is in the frame {format_value(frame)}", f"expected one of {', '.join(FRAMES)}"
        )
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise FieldError(f"is {format_value(value)}", _EXPECTED)
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
    if value.frame == "icrs":
        return pair
    return {"lon": pair[0], "lat": pair[1], "frame": value.frame}
