"""Good time of observations: removal of events outside it, and its restriction by selectors."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.inspection.times import find_outside, intervals
from skyred.run.worker.component_calls import RuleError

if TYPE_CHECKING:
    from astropy.time import Time
    from gammapy.data import GTI, Observation
    from numpy.typing import NDArray

    from skyred.inspection.run_hdu import RunHdu
    from skyred.interfaces import Selector

    Array = NDArray[np.float64]


GTI_TOLERANCE = 1e-6  # s, as in gammapy
ROUNDING = 2e-3  # s, of an interval whose times were rounded to milliseconds, as in ISO format


def drop_events_outside(observation: Observation) -> tuple[Observation, int]:
    """Remove events outside the good time intervals, because the livetime does not cover them.

    Where the good time begins or ends with the observation, events up to 2 s outside are kept.

    Parameters
    ----------
    observation : Observation
        The observation; it is not changed.

    Returns
    -------
    observation : Observation
        The same observation if no event is removed, otherwise a copy.
    n_removed : int
        The number of removed events.
    """
    # an observation that was created in Python may have neither
    events, gti = (getattr(observation, name, None) for name in ("events", "gti"))
    if events is None or "TIME" not in events.table.colnames or gti is None or not len(gti.table):
        return observation, 0
    reference = gti.time_start.min()
    start, stop = _seconds(gti.time_start, reference), _seconds(gti.time_stop, reference)
    times = _seconds(events.time, reference)
    is_outside = find_outside(times, start, stop, _span(events, reference, start, stop))
    if not is_outside.any():
        return observation, 0
    return _copy_with(observation, ~is_outside), int(is_outside.sum())


def is_all_in_good_time(hdus: Mapping[str, RunHdu]) -> bool:
    """Return whether the inspection shows that `drop_events_outside` would leave out no event.

    Parameters
    ----------
    hdus : mapping of str to RunHdu
        The inspected HDUs by type.

    Returns
    -------
    bool
        False also if the times cannot be compared without astropy.
    """
    events, gti = hdus.get("events"), hdus.get("gti")
    if events is None or gti is None:
        return False
    keys = ("MJDREFI", "MJDREFF", "TIMESYS", "TIMEUNIT")
    if any(events.header.get(key) != gti.header.get(key) for key in keys):
        return False
    try:
        start, stop = intervals(gti)
        times = events.values("TIME", "s")
        tstart, tstop = events.time("TSTART"), events.time("TSTOP")
        if tstart is None or tstop is None or not len(start) or not np.isfinite(times).all():
            return False
        return not find_outside(times, start, stop, (tstart, tstop)).any()
    except (KeyError, ValueError, TypeError):  # an invalid table
        return False


def cut_observation(
    observation: Observation,
    selectors: Iterable[Selector],
    calling: Callable[[Selector], AbstractContextManager[str]] | None = None,
) -> tuple[Observation, ...]:
    """Split an observation into the parts of its good time that selectors keep.

    Parameters
    ----------
    observation : Observation
        The observation, without events outside its good time; it is not changed.
    selectors : iterable of Selector
        The selectors that restrict the good time, in order.
    calling : callable, optional
        Returns the context in which a selector is called; it yields the selector with its plugin.

    Returns
    -------
    tuple of Observation
        The parts, in order; none if no good time is left.

    Raises
    ------
    ValueError
        If the observation has no good time intervals at all.
    RuleError
        If a selector returns more good time than there is.
    """
    selectors = tuple(selectors)
    if not selectors:
        return (observation,)
    gti = observation.gti
    if gti is None:
        kinds = ", ".join(selector.kind for selector in selectors)
        raise ValueError(
            f"the observation has no good time intervals that {kinds} could restrict; set its gti"
        )
    parts: list[GTI] = [gti] if len(gti.table) else []
    for selector in selectors:
        seconds = _sum_seconds(parts)
        with calling(selector) if calling else nullcontext(f"selector {selector.kind}") as source:
            parts = [new_part for part in parts for new_part in selector.cut_gti(part)]
            n_intervals = sum(len(part.table) for part in parts)
            if _sum_seconds(parts) > seconds * (1 + 1e-6) + ROUNDING * n_intervals:
                raise RuleError(
                    f"the {source} returned more good time ({_sum_seconds(parts):.10g} s) than the "
                    f"observation {observation.obs_id} has ({seconds:.10g} s); the parts that "
                    "cut_gti returns must be within its good time, and not overlap"
                )
    return tuple(
        _select_part(observation, part)
        for part in parts
        if len(part.table) and part.time_sum.to_value("s") > GTI_TOLERANCE
    )


def _sum_seconds(parts: Iterable[GTI]) -> float:
    return sum(float(part.time_sum.to_value("s")) for part in parts)


def describe_time(observation: Observation) -> str:
    """Return the start and stop of an observation (UTC).

    Parameters
    ----------
    observation : Observation
        The observation.

    Returns
    -------
    str
        The times, to the second.
    """
    start, stop = (
        observation.gti.time_start.min().utc.isot,
        observation.gti.time_stop.max().utc.isot,
    )
    return f"{start[:19]} to {stop[:19]}"


def _select_part(observation: Observation, part: GTI) -> Observation:
    """Return a copy of an observation with a part of its good time, and the events in it."""
    gti = observation.gti
    reference = gti.time_start.min()
    ends = [_seconds(time, reference) for time in (gti.time_start.min(), gti.time_stop.max())]
    start, stop = _seconds(part.time_start, reference), _seconds(part.time_stop, reference)
    # events just before and after the observation are kept, as in `drop_events_outside`
    low = np.where(np.abs(start - ends[0]) < GTI_TOLERANCE, -np.inf, start)
    high = np.where(np.abs(stop - ends[1]) < GTI_TOLERANCE, np.inf, stop)
    times = _seconds(observation.events.time, reference)
    is_inside = np.zeros(len(times), dtype=bool)
    for limits in zip(low, high, strict=True):
        is_inside |= (times >= limits[0]) & (times < limits[1])
    copied = _copy_with(observation, is_inside)
    copied._gti = part
    return copied


def _copy_with(observation: Observation, selected: NDArray[np.bool_]) -> Any:
    copied = copy.copy(observation)
    copied._events = observation.events.select_row_subset(selected)
    return copied


def _span(events: Any, reference: Time, start: Array, stop: Array) -> tuple[float, float]:
    """Return start and stop in seconds from the events header, by default from the good time."""
    from astropy import units as u

    meta = events.table.meta
    try:
        begin, end = (float(meta[key]) for key in ("TSTART", "TSTOP"))
        unit = u.Unit(str(meta.get("TIMEUNIT", "s")).strip())
        limits = events.time_ref + u.Quantity([begin, end], unit)
    except (KeyError, TypeError, ValueError):
        return float(start.min()), float(stop.max())
    low, high = _seconds(limits, reference)
    return float(low), float(high)


def _seconds(times: Time, reference: Time) -> Array:
    return np.asarray((times - reference).to_value("s"), dtype=float)
