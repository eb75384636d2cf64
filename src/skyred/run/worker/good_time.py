"""Good time of an observation: events outside it are left out."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.inspection.times import find_outside

if TYPE_CHECKING:
    from astropy.time import Time
    from gammapy.data import Observation
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def drop_events_outside(observation: Observation) -> tuple[Observation, int]:
    """Leave out the events outside the good time intervals, which have no livetime.

    Parameters
    ----------
    observation : Observation
        The observation; it is not changed.

    Returns
    -------
    observation : Observation
        The same observation if all events are inside, otherwise a copy.
    number : int
        The number of events that were left out.
    """
    events, gti = observation.events, observation.gti
    if events is None or gti is None or len(gti.table) == 0:
        return observation, 0
    zero = gti.time_start.min()
    start, stop = _seconds(gti.time_start, zero), _seconds(gti.time_stop, zero)
    times = _seconds(events.time, zero)
    is_outside = find_outside(times, start, stop, _span(events, zero, start, stop))
    if not is_outside.any():
        return observation, 0
    return _copy_with(observation, ~is_outside), int(is_outside.sum())


def _copy_with(observation: Observation, selected: NDArray[np.bool_]) -> Any:
    copied = copy.copy(observation)
    copied._events = observation.events.select_row_subset(selected)
    return copied


def _span(events: Any, zero: Time, start: Array, stop: Array) -> tuple[float, float]:
    """Return start and stop of the observation in its header, else those of its good time."""
    from astropy import units as u

    meta = events.table.meta
    try:
        begin, end = (float(meta[key]) for key in ("TSTART", "TSTOP"))
        unit = u.Unit(str(meta.get("TIMEUNIT", "s")).strip())
        limits = events.time_ref + u.Quantity([begin, end], unit)
    except (KeyError, TypeError, ValueError):
        return float(start.min()), float(stop.max())
    low, high = _seconds(limits, zero)
    return float(low), float(high)


def _seconds(times: Time, zero: Time) -> Array:
    return np.asarray((times - zero).to_value("s"), dtype=float)
