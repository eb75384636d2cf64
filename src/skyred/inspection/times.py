"""Checks of good time intervals, and of the times of events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.inspection.header import (
    DURATION_TOLERANCE,
    SECONDS_PER_DAY,
    TIME_TOLERANCE,
    reference_time,
    rounding_error,
)
from skyred.inspection.records import Finding
from skyred.inspection.run_hdu import RunHdu, as_number
from skyred.inspection.tables import Floats
from skyred.inspection.units import conversion_factor

if TYPE_CHECKING:
    from numpy.typing import NDArray

# consecutive intervals of real files agree to a microsecond
OVERLAP_TOLERANCE = 1e-3  # s
# H.E.S.S. has events up to 0.93 s after the end; a larger fraction indicates a shifted clock
OUTSIDE_FRACTION = 0.01
# one of the 105 H.E.S.S. runs ends 503 s after its last event, the others within a second
MAX_EVENT_GAP = 60.0  # s
COLUMNS = {"START": "s", "STOP": "s"}
REFERENCES = ("MJDREFI", "MJDREFF")
REFERENCE_TOLERANCE = 0.01  # s: headers have different numbers of digits
# times are in seconds in all runs of H.E.S.S. DL3 DR1; an observation is shorter than two days
MAX_DAYS = 2.0


def check_gti(gti: RunHdu) -> Iterator[Finding]:
    """Check that good time intervals are finite, have positive lengths, and do not overlap.

    Parameters
    ----------
    gti : RunHdu
        The good time intervals of a run.

    Yields
    ------
    Finding
        A fault for each invalid column; otherwise a note for each assumed unit, and a fault for the
        first violation.
    """
    faults = list(gti.check_columns(COLUMNS))
    yield from faults
    if faults:
        return
    yield from gti.list_assumed_units(COLUMNS)
    start, stop = intervals(gti)
    if len(start) == 0:
        yield gti.report("gti", "the table has no rows; expected at least one good time interval")
    elif not (np.isfinite(start).all() and np.isfinite(stop).all()):
        yield gti.report("gti", "some times are not finite")
    elif (stop <= start).any():
        row = int(np.argmax(stop <= start))
        yield gti.report(
            "gti",
            f"a row has START {start[row]:.3f} s and STOP {stop[row]:.3f} s; "
            "expected START before STOP",
        )
    elif (overlap := _overlap(start, stop)) > OVERLAP_TOLERANCE:
        yield gti.report(
            "gti-overlap", f"its rows overlap by {overlap:.3f} s, which would be used twice"
        )


def check_references(events: RunHdu, gti: RunHdu) -> Iterator[Finding]:
    """Compare the time references of the events and the good time intervals.

    Parameters
    ----------
    events, gti : RunHdu
        The events and the good time intervals of a run.

    Yields
    ------
    Finding
        A fault if a reference is missing, or if the references or time systems differ.
    """
    for hdu in (events, gti):
        missing = [key for key in REFERENCES if hdu.number(key) is None]
        if missing:
            yield hdu.report(
                "time-reference", f"its header has no time reference ({', '.join(missing)})"
            )
    reference, gti_reference = (reference_time(hdu.header) for hdu in (events, gti))
    if (
        reference is not None
        and gti_reference is not None
        and abs(reference - gti_reference) > REFERENCE_TOLERANCE
    ):
        yield gti.report(
            "time-reference",
            f"its time reference (MJDREFI, MJDREFF) differs from that of the events by "
            f"{gti_reference - reference:g} s",
        )
    names = (str(hdu.header.get("TIMESYS", "")) for hdu in (events, gti))
    system, gti_system = (name.strip().upper() for name in names)
    if system and gti_system and system != gti_system:
        yield gti.report(
            "time-reference", f"its TIMESYS is {gti_system!r}, but that of the events is {system!r}"
        )


def check_time_unit(hdu: RunHdu) -> Iterator[Finding]:
    """Check the unit of the times in a header.

    Parameters
    ----------
    hdu : RunHdu
        The events or the good time intervals of a run.

    Yields
    ------
    Finding
        A fault if the unit is unknown, or inconsistent with the times.
    """
    unit = str(hdu.header.get("TIMEUNIT", "s")).strip()
    begin, end = hdu.number("TSTART"), hdu.number("TSTOP")
    scale = conversion_factor(unit, "s")
    if scale is None:
        yield hdu.report(
            "time-unit", f"its TIMEUNIT is {unit!r}; expected a unit of time such as 's'"
        )
    elif (
        scale != 1
        and begin is not None
        and end is not None
        and (end - begin) * scale > MAX_DAYS * SECONDS_PER_DAY
    ):
        yield hdu.report(
            "time-unit",
            f"its TIMEUNIT is {unit!r}, but TSTART and TSTOP differ by {end - begin:.6g}; they "
            "are probably in seconds",
        )


def check_gti_against_header(
    events: RunHdu, gti: RunHdu, row: Mapping[str, Any]
) -> Iterator[Finding]:
    """Compare good time intervals with the times in the header of the events.

    Parameters
    ----------
    events : RunHdu
        The events of a run.
    gti : RunHdu
        The good time intervals of the run, which pass `check_gti`.
    row : mapping of str to object
        The row of the observation index, used if the header has no ONTIME.

    Yields
    ------
    Finding
        A finding for each violation.
    """
    start, stop = intervals(gti)
    ontime = _ontime(events, row)
    total = float((stop - start).sum())
    if ontime and abs(total - ontime) > max(TIME_TOLERANCE, DURATION_TOLERANCE * ontime):
        yield gti.report(
            "gti-against-ontime", f"its rows add up to {total:.1f} s, but ONTIME is {ontime:g} s"
        )
    begin, end = events.time("TSTART"), events.time("TSTOP")
    if begin is None or end is None:
        yield events.report("time-range", "its header has no TSTART or TSTOP")
    elif end <= begin:
        yield events.report(
            "time-range", f"its TSTOP {end:.1f} s is not after its TSTART {begin:.1f} s"
        )
    elif start.min() < begin - TIME_TOLERANCE - rounding_error(
        begin
    ) or stop.max() > end + TIME_TOLERANCE + rounding_error(end):
        yield gti.report(
            "gti-outside-run",
            f"its times {start.min():.1f} to {stop.max():.1f} s are not within the observation, "
            f"{begin:.1f} to {end:.1f} s",
        )


def check_times(events: RunHdu, gti: RunHdu) -> Iterator[Finding]:
    """Compare the times of events with the observation and the good time intervals.

    Good time intervals may be cut, for example because of clouds, while the events stay in the
    file. The reduction leaves these events out. Events outside the observation indicate a shifted
    clock.

    Parameters
    ----------
    events : RunHdu
        The events of a run, with the required columns.
    gti : RunHdu
        The good time intervals of the run, which pass `check_gti`.

    Yields
    ------
    Finding
        A fault if more than 1 % of the events are outside the observation; otherwise a note if
        events are outside the good time intervals. A note if the good time begins or ends with a
        long gap without events.
    """
    times = events.values("TIME", "s")
    times = times[np.isfinite(times)]
    start, stop = intervals(gti)
    begin, end = (events.time(key) for key in ("TSTART", "TSTOP"))
    first = start.min() if begin is None else min(begin, start.min())
    last = stop.max() if end is None else max(end, stop.max())
    is_beyond = (times < first - TIME_TOLERANCE) | (times > last + TIME_TOLERANCE)
    is_outside = find_outside(times, start, stop, (first, last))
    if is_beyond.sum() > OUTSIDE_FRACTION * len(times):
        yield events.report(
            "events-outside-gti",
            f"{is_beyond.sum()} of {len(times)} events have a TIME outside the good time intervals "
            f"and outside the observation, {first:.1f} to {last:.1f} s",
        )
    elif n_outside := int(is_outside.sum()):
        yield events.report(
            "few-events-outside-gti",
            "events outside the good time intervals are left out "
            f"({n_outside} of {len(times)} events)",
        )
    if not is_outside.all():
        yield from _check_event_gap(events, times[~is_outside], start.min(), stop.max())


def find_outside(
    times: Floats, start: Floats, stop: Floats, observation: tuple[float, float]
) -> NDArray[np.bool_]:
    """Return whether each event is outside the good time intervals.

    If the good time starts or ends with the observation, a tolerance of 2 s at this time allows for
    rounded times. Real files have events up to 0.93 s after the end, which gammapy counts.

    Parameters
    ----------
    times : array
        The times of the events in s, shape (events,).
    start, stop : array
        The limits of the intervals in s, shape (intervals,); starts are included, stops are not.
    observation : tuple of float
        Start and stop of the observation in s.

    Returns
    -------
    array of bool
        Whether each event is outside, shape (events,); False for times that are not finite.
    """
    is_first = (start == start.min()) & (np.abs(start - observation[0]) <= TIME_TOLERANCE)
    is_last = (stop == stop.max()) & (np.abs(stop - observation[1]) <= TIME_TOLERANCE)
    low = np.where(is_first, start - TIME_TOLERANCE, start)
    high = np.where(is_last, stop + TIME_TOLERANCE, stop)
    is_inside = np.zeros(len(times), dtype=bool)
    for limits in zip(low, high, strict=True):
        is_inside |= (times >= limits[0]) & (times < limits[1])
    return np.isfinite(times) & ~is_inside


def _ontime(events: RunHdu, row: Mapping[str, Any]) -> float | None:
    """Return ONTIME, or LIVETIME / DEADC, in s, from the header if possible, or from the index."""
    for values in (events.header, row):
        ontime, livetime, deadc = (
            as_number(values.get(key)) for key in ("ONTIME", "LIVETIME", "DEADC")
        )
        if ontime:
            return ontime
        if livetime and deadc:
            return livetime / deadc
    return None


def intervals(gti: RunHdu) -> tuple[Floats, Floats]:
    """Return the good time intervals, sorted by their start.

    Parameters
    ----------
    gti : RunHdu
        The good time intervals of a run.

    Returns
    -------
    start, stop : array
        The limits of the intervals in s, shape (intervals,).
    """
    start, stop = gti.values("START", "s"), gti.values("STOP", "s")
    order = np.argsort(start)
    return start[order], stop[order]


def _overlap(start: Floats, stop: Floats) -> float:
    return max(0.0, *(np.maximum.accumulate(stop)[:-1] - start[1:])) if len(start) > 1 else 0.0


def _check_event_gap(events: RunHdu, times: Floats, first: float, last: float) -> Iterator[Finding]:
    gap = max(times.min() - first, last - times.max())
    if gap > MAX_EVENT_GAP:
        yield events.report(
            "event-gap",
            f"there are no events in the first or last {gap:.0f} s of the good time intervals",
        )
