"""Rules on the header of events: whose run it is, where it points, how long it took."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from skyred.inspection.parts import RunHdu, as_number
from skyred.inspection.records import Finding

# index and header of the H.E.S.S. runs agree to 1.4e-5 deg (float32); half a PSF would matter
POINTING = 0.05  # deg
# index and header of the H.E.S.S. runs agree to 1e-7; a flux is wrong by as much as this
DURATION = 0.01
# livetime / ontime of all real runs is DEADC to 1e-7
DEADTIME = 0.02
# index and events of all real runs agree in number
COUNT = 0.01
SECONDS = 2.0
SECONDS_A_DAY = 86400.0


def check_obs_id(part: RunHdu, *, required: bool) -> Iterator[Finding]:
    """Compare the run id of a header with that of the index."""
    found = part.number("OBS_ID")
    if found is None and required:
        yield part.fault(f"its header has no OBS_ID; expected {part.obs_id}")
    elif found is not None and found != part.obs_id:
        yield part.fault(f"its header says OBS_ID {found:g}, the index says {part.obs_id}")


def check_pointing(events: RunHdu, row: Mapping[str, Any]) -> Iterator[Finding]:
    """Look at the pointing of a header, and compare it with that of the index."""
    if str(events.header.get("OBS_MODE", "")).upper() == "DRIFT":
        return  # it follows from altitude and azimuth
    pointing = _direction(events.header)
    if pointing is None:
        yield events.fault("its header has no pointing (RA_PNT, DEC_PNT) in range")
        return
    stated = _direction(row)
    if stated is not None and (apart := separation(*pointing, *stated)) > POINTING:
        yield events.fault(
            f"its pointing {_text(pointing)} is {apart:.3g} deg from that of the index "
            f"{_text(stated)}"
        )


def check_durations(events: RunHdu, row: Mapping[str, Any]) -> Iterator[Finding]:
    """Look at ONTIME, LIVETIME and DEADC, in the header and in the index."""
    ontime, livetime = events.number("ONTIME"), events.number("LIVETIME")
    for name, value in (("ONTIME", ontime), ("LIVETIME", livetime)):
        if name in events.header and not (value and value > 0):
            yield events.fault(f"its {name} is {events.header[name]!r}; expected seconds above 0")
    if "DEADC" not in events.header:
        yield events.fault("its header has no DEADC, the fraction of time that is live")
        return
    deadc = events.number("DEADC")
    if deadc is None or not 0 < deadc <= 1:
        yield events.fault(f"its DEADC is {events.header['DEADC']!r}; expected above 0 and up to 1")
    elif ontime and livetime and ontime > 0:
        yield from _deadtime(events, ontime, livetime, deadc)
    yield from _against_index(events, row)


def _deadtime(events: RunHdu, ontime: float, livetime: float, deadc: float) -> Iterator[Finding]:
    if livetime > ontime * (1 + DURATION):
        yield events.fault(f"its LIVETIME {livetime:g} s is above its ONTIME {ontime:g} s")
    elif abs(livetime / ontime - deadc) > DEADTIME:
        yield events.fault(
            f"its LIVETIME / ONTIME is {livetime / ontime:.4f}, its DEADC is {deadc:.4f}"
        )


def _against_index(events: RunHdu, row: Mapping[str, Any]) -> Iterator[Finding]:
    for name in ("ONTIME", "LIVETIME", "DEADC"):
        here, stated = events.number(name), as_number(row.get(name))
        if here and stated is not None and abs(here - stated) > DURATION * abs(here):
            yield events.fault(f"its {name} is {here:g}, the index says {stated:g}")
    reference = reference_time(row)
    if reference is None or reference != reference_time(events.header):
        return  # times of the index count from elsewhere
    for name in ("TSTART", "TSTOP"):
        here, stated = events.number(name), as_number(row.get(name))
        if here is not None and stated is not None and abs(here - stated) > SECONDS:
            yield events.fault(f"its {name} is {here:.1f} s, the index says {stated:.1f} s")


def check_count(events: RunHdu, row: Mapping[str, Any]) -> Iterator[Finding]:
    """Compare the number of events with that of the index."""
    stated = as_number(row.get("EVENT_COUNT"))
    if stated is not None and stated != len(events.table):
        said = f"has {len(events.table)} events, the index says {stated:g}"
        lost = abs(stated - len(events.table)) > COUNT * max(stated, 1)
        yield events.fault(said) if lost else events.note(said)


def separation(lon: float, lat: float, lon_0: float, lat_0: float) -> float:
    """Give the angle between two directions, all in degrees (haversine)."""
    a, b, a_0, b_0 = (math.radians(angle) for angle in (lon, lat, lon_0, lat_0))
    half = math.sin((b - b_0) / 2) ** 2 + math.cos(b) * math.cos(b_0) * (
        math.sin((a - a_0) / 2) ** 2
    )
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(half))))


def _direction(values: Mapping[str, Any]) -> tuple[float, float] | None:
    lon, lat = as_number(values.get("RA_PNT")), as_number(values.get("DEC_PNT"))
    if lon is None or lat is None or not (-360 <= lon <= 360 and -90 <= lat <= 90):
        return None
    return lon, lat


def reference_time(values: Mapping[str, Any]) -> float | None:
    """Give what times count from, in seconds (MJD); None if that is not said."""
    whole, rest = as_number(values.get("MJDREFI")), as_number(values.get("MJDREFF"))
    return None if whole is None else round((whole + (rest or 0.0)) * SECONDS_A_DAY, 3)


def _text(direction: tuple[float, float]) -> str:
    return f"({direction[0]:.3f}, {direction[1]:.3f}) deg"
