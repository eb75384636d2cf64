"""The code that selects the good time of a run, cut to time windows."""

from __future__ import annotations

from skyred.inspection.header import TIME_TOLERANCE
from skyred.run.worker.good_time import SAME_TIME
from skyred.scripting import Script


def write_good_time(script: Script) -> None:
    """Write code that selects the events in the good time of a run, cut to the time windows.

    The reduction leaves out events outside the good time intervals, because these contribute no
    livetime. gammapy counts such events.

    Parameters
    ----------
    script : Script
        The script.
    """
    _write_function(script, has_windows=bool(script.cuts))
    if not script.cuts:
        script.loop.add("observation = select_good_time(observation)")
        return
    windows = ", ".join(f"Time([{start}, {stop}])" for start, stop in script.cuts)
    constant = script.constant(f"{script.entry}_WINDOWS", f"[{windows}]")
    script.loop.add(f"observation = cut_to_windows(observation, {constant})")
    with script.loop.inside("if observation is None:  # no good time is left"):
        script.loop.add("continue")


def _write_function(script: Script, *, has_windows: bool) -> None:
    script.use("numpy as np")
    script.use("astropy", "units as u")
    script.shared(
        "is_within(times, start, stop)",
        "Return whether times are within one of the intervals.",
        "return ((times[:, None] >= start) & (times[:, None] < stop)).any(axis=1)",
    )
    seconds = '[(time - zero).to_value("s") for time in times]'
    script.shared(
        "get_seconds(times, zero)", "Return times in seconds since another.", f"return {seconds}"
    )
    intervals = "get_seconds([gti.time_start, gti.time_stop, events.time], zero)"
    script.shared(
        "select_good_time(observation)",
        "Return a run without the events outside its good time intervals.",
        "gti, events = observation.gti, observation.events",
        "zero, meta = gti.time_start.min(), events.table.meta",
        f"start, stop, times = {intervals}",
        "begin, end = start.min(), stop.max()",
        'if {"TSTART", "TSTOP"} <= set(meta):',
        '    unit = u.Unit(meta.get("TIMEUNIT", "s").strip())',
        '    ends = events.time_ref + [meta["TSTART"], meta["TSTOP"]] * unit',
        "    begin, end = get_seconds(ends, zero)",
        "# times are rounded: count events just before and after the run",
        f"is_first = (start == start.min()) & (abs(start - begin) <= {TIME_TOLERANCE})",
        f"is_last = (stop == stop.max()) & (abs(stop - end) <= {TIME_TOLERANCE})",
        f"start[is_first] -= {TIME_TOLERANCE}",
        f"stop[is_last] += {TIME_TOLERANCE}",
        "events = events.select_row_subset(is_within(times, start, stop))",
        "return observation.copy(in_memory=True, events=events)",
    )
    if not has_windows:
        return
    script.use("astropy.time", "Time")
    script.shared(
        "cut_to_windows(observation, windows)",
        "Return a run, cut to the good time inside all windows; None if there is none.",
        "observation = select_good_time(observation)",
        "gti, events = observation.gti, observation.events",
        "zero = gti.time_start.min()",
        f"first, last, times = {intervals}",
        "for window in windows:",
        "    gti = gti.select_time(window.copy())",
        "    if len(gti.table) == 0:",
        "        return None",
        '    length = (gti.time_stop - gti.time_start).to_value("s")',
        f"    gti.table = gti.table[length > {SAME_TIME}]",
        "if len(gti.table) == 0:",
        "    return None",
        "start, stop = get_seconds([gti.time_start, gti.time_stop], zero)",
        "# count the events just before and after the run",
        f"start[abs(start - first.min()) < {SAME_TIME}] = -np.inf",
        f"stop[abs(stop - last.max()) < {SAME_TIME}] = np.inf",
        "events = events.select_row_subset(is_within(times, start, stop))",
        "return observation.copy(in_memory=True, events=events, gti=gti)",
    )
