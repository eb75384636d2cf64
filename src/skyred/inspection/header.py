"""Checks of the run identifier, the pointing and the durations in the header of the events."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from skyred.inspection.records import Finding
from skyred.inspection.run_hdu import RunHdu, as_identifier, as_number

# index and header of the H.E.S.S. runs agree to 1.4e-5 deg (float32); the limit is about half the
# width of the PSF
POINTING_TOLERANCE = 0.05  # deg
# index and header of the H.E.S.S. runs agree to 1e-7; a wrong livetime changes a flux by the same
# fraction
DURATION_TOLERANCE = 0.01
# LIVETIME / ONTIME equals DEADC to 1e-7 in all runs of H.E.S.S. DL3 DR1
DEADTIME_TOLERANCE = 0.02
# in H.E.S.S. DL3 DR1 and CTA 1DC, the numbers of events in index and event list are equal
COUNT_TOLERANCE = 0.01
TIME_TOLERANCE = 2.0  # s
# the indexes of MAGIC 2013, VERITAS and CTA 1DC have float32 times, with errors of 5 to 9 s
_FLOAT32_SIGNIFICAND_BITS = 24
SECONDS_PER_DAY = 86400.0


def check_obs_id(hdu: RunHdu, *, required: bool) -> Iterator[Finding]:
    """Compare the run identifier in a header with that in the index.

    Parameters
    ----------
    hdu : RunHdu
        The HDU.
    required : bool
        Whether a missing OBS_ID is a fault.

    Yields
    ------
    Finding
        A fault if the identifiers differ, or a required OBS_ID is missing.
    """
    obs_id = as_identifier(hdu.header.get("OBS_ID"))
    if obs_id is None and required:
        yield hdu.report("obs-id", f"its header has no OBS_ID; expected {hdu.obs_id}")
    elif obs_id is not None and obs_id != hdu.obs_id:
        yield hdu.report("obs-id", f"its OBS_ID is {obs_id}, but {hdu.obs_id} in the index")


def check_location(events: RunHdu) -> Iterator[Finding]:
    """Check that the header has the location of the observatory.

    Parameters
    ----------
    events : RunHdu
        The events of a run.

    Yields
    ------
    Finding
        A fault if a card is missing or not a number.
    """
    cards = [("GEOLON",), ("GEOLAT",), ("ALTITUDE", "GEOALT")]
    missing = [
        " or ".join(names) for names in cards if all(events.number(name) is None for name in names)
    ]
    if missing:
        yield events.report(
            "location", f"its header has no observatory location ({', '.join(missing)})"
        )


def check_pointing(events: RunHdu, row: Mapping[str, Any]) -> Iterator[Finding]:
    """Check the pointing in a header, and compare it with that in the index; not for drift scans.

    Parameters
    ----------
    events : RunHdu
        The events of a run.
    row : mapping of str to object
        The row of the observation index, with angles in deg.

    Yields
    ------
    Finding
        A fault if the pointing is missing, or differs from the index.
    """
    if str(events.header.get("OBS_MODE", "")).upper() == "DRIFT":
        return  # the pointing is fixed in altitude and azimuth
    pointing = _direction(events.header)
    if pointing is None:
        yield events.report("pointing", "its header has no valid pointing (RA_PNT, DEC_PNT)")
        return
    expected = _direction(row)
    if expected is not None and (distance := separation(*pointing, *expected)) > POINTING_TOLERANCE:
        yield events.report(
            "pointing",
            f"its pointing {_format_direction(pointing)} is {distance:.3g} deg from that of the "
            f"index {_format_direction(expected)}",
        )


def check_durations(events: RunHdu, row: Mapping[str, Any]) -> Iterator[Finding]:
    """Check ONTIME, LIVETIME and DEADC; compare them, TSTART and TSTOP with those of the index.

    The index is not compared if DEADC is missing.

    Parameters
    ----------
    events : RunHdu
        The events of a run.
    row : mapping of str to object
        The row of the observation index, with durations in s.

    Yields
    ------
    Finding
        A finding for each violation.
    """
    ontime, livetime = events.number("ONTIME"), events.number("LIVETIME")
    for name, value in (("ONTIME", ontime), ("LIVETIME", livetime)):
        if name in events.header and not (value and value > 0):
            yield events.report(
                "durations", f"its {name} is {events.header[name]!r}; expected more than 0 seconds"
            )
    if missing := [name for name in ("ONTIME", "LIVETIME") if name not in events.header]:
        yield events.report(
            "durations-missing",
            f"its header has no {' and no '.join(missing)}, so DEADC cannot be checked",
        )
    if "DEADC" not in events.header:
        yield events.report("deadc", "its header has no DEADC, the ratio of livetime to ontime")
        return
    deadc = events.number("DEADC")
    if deadc is None or not 0 < deadc <= 1:
        yield events.report(
            "deadc", f"its DEADC is {events.header['DEADC']!r}; expected more than 0 and at most 1"
        )
    elif ontime and livetime and ontime > 0:
        yield from _check_deadtime(events, ontime, livetime, deadc)
    yield from _check_against_index(events, row)


def _check_deadtime(
    events: RunHdu, ontime: float, livetime: float, deadc: float
) -> Iterator[Finding]:
    if livetime > ontime * (1 + DURATION_TOLERANCE):
        yield events.report(
            "deadtime", f"its LIVETIME {livetime:g} s is above its ONTIME {ontime:g} s"
        )
    elif abs(livetime / ontime - deadc) > DEADTIME_TOLERANCE:
        yield events.report(
            "deadtime",
            f"its LIVETIME / ONTIME is {livetime / ontime:.4f}, but its DEADC is {deadc:.4f}",
        )


def _check_against_index(events: RunHdu, row: Mapping[str, Any]) -> Iterator[Finding]:
    for name in ("ONTIME", "LIVETIME", "DEADC"):
        value, expected = events.number(name), as_number(row.get(name))
        if (
            value
            and expected is not None
            and abs(value - expected) > DURATION_TOLERANCE * abs(value)
        ):
            yield events.report(
                "header-against-index", f"its {name} is {value:g}, but {expected:g} in the index"
            )
    reference = reference_time(row)
    if reference is None or reference != reference_time(events.header):
        return  # the times of the index have a different reference
    for name in ("TSTART", "TSTOP"):
        value, expected = events.time(name), as_number(row.get(name))
        if (
            value is not None
            and expected is not None
            and abs(value - expected) > TIME_TOLERANCE + rounding_error(expected)
        ):
            yield events.report(
                "header-against-index",
                f"its {name} is {value:.1f} s, but {expected:.1f} s in the index",
            )


def rounding_error(value: float) -> float:
    """Return the largest error of a number if it was rounded to float32.

    Parameters
    ----------
    value : float
        The number as it is stored.

    Returns
    -------
    float
        Half the distance between adjacent float32 numbers; 0 if the number has more digits than
        float32.
    """
    mantissa, exponent = math.frexp(value)
    is_float32 = (mantissa * 2**_FLOAT32_SIGNIFICAND_BITS).is_integer()
    return math.ldexp(0.5, exponent - _FLOAT32_SIGNIFICAND_BITS) if is_float32 else 0.0


def check_count(events: RunHdu, row: Mapping[str, Any]) -> Iterator[Finding]:
    """Compare the number of events with that in the index.

    Parameters
    ----------
    events : RunHdu
        The events of a run.
    row : mapping of str to object
        The row of the observation index.

    Yields
    ------
    Finding
        A warning if the numbers differ by up to 1 %, otherwise a fault.
    """
    expected = as_number(row.get("EVENT_COUNT"))
    if expected is not None and expected != len(events.table):
        message = f"there are {len(events.table)} events, but {expected:.0f} in the index"
        is_large = abs(expected - len(events.table)) > COUNT_TOLERANCE * max(expected, 1)
        yield (
            events.report("event-count", message)
            if is_large
            else events.report("event-count-small", message)
        )


def separation(lon: float, lat: float, lon_0: float, lat_0: float) -> float:
    """Return the angular separation of two directions, by the haversine formula.

    Parameters
    ----------
    lon, lat : float
        The first direction, in deg.
    lon_0, lat_0 : float
        The second direction, in deg.

    Returns
    -------
    float
        The separation in deg.
    """
    lon, lat, lon_0, lat_0 = (math.radians(angle) for angle in (lon, lat, lon_0, lat_0))
    haversine = math.sin((lat - lat_0) / 2) ** 2 + math.cos(lat) * math.cos(lat_0) * (
        math.sin((lon - lon_0) / 2) ** 2
    )
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(haversine))))


def _direction(values: Mapping[str, Any]) -> tuple[float, float] | None:
    lon, lat = as_number(values.get("RA_PNT")), as_number(values.get("DEC_PNT"))
    if lon is None or lat is None or not (-360 <= lon <= 360 and -90 <= lat <= 90):
        return None
    return lon, lat


def reference_time(values: Mapping[str, Any]) -> float | None:
    """Return the reference time of a header or an index, MJDREFI + MJDREFF.

    Parameters
    ----------
    values : mapping of str to object
        The cards of the header, or the row of the index.

    Returns
    -------
    float or None
        The reference MJD, converted to s; None if MJDREFI is missing or not a number.
    """
    days, fraction = as_number(values.get("MJDREFI")), as_number(values.get("MJDREFF"))
    return None if days is None else round((days + (fraction or 0.0)) * SECONDS_PER_DAY, 3)


def _format_direction(direction: tuple[float, float]) -> str:
    return f"({direction[0]:.3f}, {direction[1]:.3f}) deg"
