"""Rules on good time intervals, and on the times of events in them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from skyred.inspection.header import DURATION, SECONDS, reference_time
from skyred.inspection.parts import RunHdu
from skyred.inspection.records import Finding
from skyred.inspection.tables import Floats

# rows of real files meet to the microsecond
OVERLAP = 1e-3  # s
# H.E.S.S. stamps up to 0.93 s after the end; a few events more do no harm, a shifted clock does
OUTSIDE = 0.01
# of the 105 H.E.S.S. runs one ends 503 s after its last event, the others within a second
SILENT = 60.0  # s
REFERENCES = ("MJDREFI", "MJDREFF")
SAME_REFERENCE = 0.01  # s: headers write it with different numbers of digits
# headers of all real runs count in seconds; an observation takes less than two days
TIME_UNITS = ("s", "d")
LONGEST = 2.0  # d


def check_gti(gti: RunHdu) -> Iterator[Finding]:
    """Look at the good time intervals for themselves."""
    wrong = list(gti.needs({"START": "s", "STOP": "s"}))
    yield from wrong
    if wrong:
        return
    start, stop = intervals(gti)
    if len(start) == 0:
        yield gti.fault("has no rows: there is no good time")
    elif not (np.isfinite(start).all() and np.isfinite(stop).all()):
        yield gti.fault("has times that are not finite")
    elif (stop <= start).any():
        row = int(np.argmax(stop <= start))
        yield gti.fault(f"row {row} has no length: START {start[row]:.3f}, STOP {stop[row]:.3f} s")
    elif (shared := _overlap(start, stop)) > OVERLAP:
        yield gti.fault(f"its rows overlap by {shared:.3f} s, which would count twice")


def check_references(events: RunHdu, gti: RunHdu) -> Iterator[Finding]:
    """Look at what the times of events and of intervals count from."""
    for part in (events, gti):
        missing = [key for key in REFERENCES if part.number(key) is None]
        if missing:
            yield part.fault(f"its header lacks the time reference {', '.join(missing)}")
    here, there = (reference_time(part.header) for part in (events, gti))
    if here is not None and there is not None and abs(here - there) > SAME_REFERENCE:
        yield gti.fault(
            f"its time reference (MJDREFI, MJDREFF) is {there - here:g} s off that of the events"
        )
    names = (str(part.header.get("TIMESYS", "")) for part in (events, gti))
    system, other = (name.strip().upper() for name in names)
    if system and other and system != other:
        yield gti.fault(f"its TIMESYS is {other!r}, that of the events is {system!r}")


def check_time_unit(part: RunHdu) -> Iterator[Finding]:
    """Look at the unit in which the times of a header count."""
    unit = str(part.header.get("TIMEUNIT", "s")).strip()
    begin, end = part.number("TSTART"), part.number("TSTOP")
    if unit not in TIME_UNITS:
        yield part.fault(f"its TIMEUNIT is {unit!r}; expected one of {', '.join(TIME_UNITS)}")
    elif unit == "d" and begin is not None and end is not None and end - begin > LONGEST:
        yield part.fault(
            f"its TIMEUNIT is 'd', but TSTART and TSTOP are {end - begin:.6g} apart: seconds?"
        )


def check_gti_of_events(events: RunHdu, gti: RunHdu) -> Iterator[Finding]:
    """Compare sound intervals with what the header of the events says of its times."""
    start, stop = intervals(gti)
    ontime = events.number("ONTIME")
    total = float((stop - start).sum())
    if ontime and abs(total - ontime) > max(SECONDS, DURATION * ontime):
        yield gti.fault(f"its rows add up to {total:.1f} s, the ONTIME of the events is {ontime:g}")
    begin, end = events.number("TSTART"), events.number("TSTOP")
    if begin is None or end is None:
        yield events.fault("its header lacks TSTART or TSTOP")
    elif end <= begin:
        yield events.fault(f"its TSTOP {end:.1f} s is not after its TSTART {begin:.1f} s")
    elif start.min() < begin - SECONDS or stop.max() > end + SECONDS:
        yield gti.fault(
            f"its times {start.min():.1f} to {stop.max():.1f} s leave the observation, "
            f"{begin:.1f} to {end:.1f} s"
        )


def check_times(events: RunHdu, gti: RunHdu) -> Iterator[Finding]:
    """Compare the times of events with sound intervals."""
    times = events.values("TIME", "s")
    times = times[np.isfinite(times)]
    start, stop = intervals(gti)
    first, last = start.min(), stop.max()
    outside = (times < first - SECONDS) | (times > last + SECONDS)
    number, share = int(outside.sum()), float(outside.mean()) if len(times) else 0.0
    if share > OUTSIDE:
        yield events.fault(
            f"{number} of {len(times)} events have a TIME outside the good time intervals, "
            f"{first:.1f} to {last:.1f} s"
        )
    elif number:
        yield events.note(f"has events outside the good time intervals ({number})")
    if not outside.all():
        yield from _silence(events, times[~outside], first, last)


def intervals(gti: RunHdu) -> tuple[Floats, Floats]:
    """Give starts and stops in seconds, by start."""
    start, stop = gti.values("START", "s"), gti.values("STOP", "s")
    order = np.argsort(start)
    return start[order], stop[order]


def _overlap(start: Floats, stop: Floats) -> float:
    return max(0.0, *(np.maximum.accumulate(stop)[:-1] - start[1:])) if len(start) > 1 else 0.0


def _silence(events: RunHdu, times: Floats, first: float, last: float) -> Iterator[Finding]:
    quiet = max(times.min() - first, last - times.max())
    if quiet > SILENT:
        yield events.note(
            f"has no events at the beginning or the end of its good time ({quiet:.0f} s)"
        )
