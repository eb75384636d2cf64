"""Quantities, positions, regions and times as in a configuration of skyred."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from astropy import units as u

from skyred.fields.quantities import plain as plain_quantity

if TYPE_CHECKING:
    from astropy.time import Time


def plain_position(lon: u.Quantity, lat: u.Quantity, frame: str | None) -> Any:
    """Return a position as in a configuration.

    Parameters
    ----------
    lon, lat : astropy.units.Quantity
        Longitude and latitude.
    frame : {"icrs", "galactic"} or None
        The frame, by default icrs.

    Returns
    -------
    list or dict
        ``[ra, dec]``, or a mapping with `l` and `b`.
    """
    pair = [plain_quantity(lon), plain_quantity(lat)]
    return dict(zip(("l", "b"), pair, strict=True)) if frame == "galactic" else pair


def circle_region(
    lon: u.Quantity, lat: u.Quantity, radius: u.Quantity | None, frame: str | None
) -> str:
    """Return a circle, or a point without a radius, as a DS9 region.

    Parameters
    ----------
    lon, lat : astropy.units.Quantity
        Longitude and latitude of the centre.
    radius : astropy.units.Quantity or None
        The radius.
    frame : {"icrs", "galactic"} or None
        The frame, by default icrs.

    Returns
    -------
    str
        The region, with angles in degrees.
    """
    shape = "point" if radius is None else "circle"
    angles = [angle for angle in (lon, lat, radius) if angle is not None]
    numbers = ", ".join(repr(float(angle.to_value("deg"))) for angle in angles)
    return f"{frame or 'icrs'}; {shape}({numbers})"


def plain_time(time: Time) -> str:
    """Return a time in ISO format, with the scale if it is not UTC.

    Parameters
    ----------
    time : astropy.time.Time
        A scalar.

    Returns
    -------
    str
        The time, to microseconds.
    """
    scale = time.scale if time.scale in ("utc", "tt", "tai") else "tt"
    time = getattr(time, scale).copy(format="isot")
    time.precision = 6
    iso = str(time.value).removesuffix(".000000")
    return iso if scale == "utc" else f"{iso} {scale}"


def plain_energy_axis(low: u.Quantity, high: u.Quantity, n_bins: int) -> dict[str, Any]:
    """Return an energy axis with bins of equal width in log(energy).

    Parameters
    ----------
    low, high : astropy.units.Quantity
        Lowest and highest energy.
    n_bins : int
        Number of bins.

    Returns
    -------
    dict
        The keys `min`, `max` and `bins`.
    """
    return {"min": plain_quantity(low), "max": plain_quantity(high), "bins": int(n_bins)}
