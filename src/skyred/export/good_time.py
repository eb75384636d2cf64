"""The code that selects the good time of a run, cut to time windows."""

from __future__ import annotations

from skyred.inspection.header import TIME_TOLERANCE
from skyred.run.worker.good_time import GTI_TOLERANCE
from skyred.scripting import Script


def write_good_time(script: Script) -> None:
    """Write code that selects the events in the good time of a run, cut to the time windows.

    skyred leaves out events outside the good time intervals, because the livetime does not include
    that time. gammapy counts such events.

    Parameters
    ----------
    script : Script
        The script.
    """
    select = _write_selection(script)
    if not script.cuts:
        script.loop.add(f"observation = {select}(observation)")
        return
    cut = _write_cut(script, select)
    windows = ", ".join(f"Time([{start}, {stop}])" for start, stop in script.cuts)
    constant = script.constant(f"{script.entry}_WINDOWS", f"[{windows}]")
    script.loop.add(f"observation = {cut}(observation, {constant})")
    with script.loop.inside("if observation is None:  # no good time is left"):
        script.loop.add("continue")


def _write_is_within(script: Script) -> str:
    """Write the function that selects times, and return its name."""
    return script.shared(
        "is_within(times, start, stop)",
        "Return whether times are within one of the intervals.",
        "return ((times[:, None] >= start) & (times[:, None] < stop)).any(axis=1)",
    )


def _write_seconds(script: Script) -> str:
    """Write the function that converts times to seconds, and return its name."""
    return script.shared(
        "get_seconds(times, zero)",
        "Return times in seconds since a reference time.",
        'return [(time - zero).to_value("s") for time in times]',
    )


def _write_selection(script: Script) -> str:
    """Write the function that leaves out events outside the good time, and return its name."""
    script.use("numpy as np")
    script.use("astropy", "units as u")
    is_within, seconds = _write_is_within(script), _write_seconds(script)
    return script.shared(
        "select_good_time(observation)",
        "Return a run without the events outside its good time intervals.",
        "gti, events = observation.gti, observation.events",
        "if len(gti.table) == 0:",
        "    return observation",
        "zero, meta = gti.time_start.min(), events.table.meta",
        f"start, stop, times = {seconds}([gti.time_start, gti.time_stop, events.time], zero)",
        "begin, end = start.min(), stop.max()",
        'if {"TSTART", "TSTOP"} <= set(meta):',
        '    unit = u.Unit(meta.get("TIMEUNIT", "s").strip())',
        '    ends = events.time_ref + [meta["TSTART"], meta["TSTOP"]] * unit',
        f"    begin, end = {seconds}(ends, zero)",
        "# times are rounded: count events just before and after the run",
        f"is_first = (start == start.min()) & (abs(start - begin) <= {TIME_TOLERANCE})",
        f"is_last = (stop == stop.max()) & (abs(stop - end) <= {TIME_TOLERANCE})",
        f"start[is_first] -= {TIME_TOLERANCE}",
        f"stop[is_last] += {TIME_TOLERANCE}",
        "# events without a time are kept",
        f"selected = {is_within}(times, start, stop) | ~np.isfinite(times)",
        "return observation.copy(in_memory=True, events=events.select_row_subset(selected))",
    )


def _write_cut(script: Script, select: str) -> str:
    """Write the function that cuts a run to windows, and return its name."""
    script.use("astropy.time", "Time")
    is_within, seconds = _write_is_within(script), _write_seconds(script)
    return script.shared(
        "cut_to_windows(observation, windows)",
        "Return a run, cut to its good time inside all windows; None if none is left.",
        f"observation = {select}(observation)",
        "gti, events = observation.gti, observation.events",
        "if len(gti.table) == 0:",
        "    return None",
        "zero = gti.time_start.min()",
        f"first, last, times = {seconds}([gti.time_start, gti.time_stop, events.time], zero)",
        "for window in windows:",
        "    gti = gti.select_time(window.copy())",
        "    if len(gti.table) == 0:",
        "        return None",
        '    length = (gti.time_stop - gti.time_start).to_value("s")',
        f"    gti.table = gti.table[length > {GTI_TOLERANCE}]",
        "if len(gti.table) == 0:",
        "    return None",
        f"start, stop = {seconds}([gti.time_start, gti.time_stop], zero)",
        "# count the events just before and after the run",
        f"start[abs(start - first.min()) < {GTI_TOLERANCE}] = -np.inf",
        f"stop[abs(stop - last.max()) < {GTI_TOLERANCE}] = np.inf",
        f"events = events.select_row_subset({is_within}(times, start, stop))",
        "return observation.copy(in_memory=True, events=events, gti=gti)",
    )
