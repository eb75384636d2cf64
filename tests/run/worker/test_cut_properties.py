"""Runs cut into time windows: adjacent windows share no event and lose none, as in gammapy."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from astropy.time import Time
from gammapy.data import GTI, EventList, Observation
from hypothesis import given, settings, strategies as st

from component_checks import problems_of
from skyred.components.intervals import Interval
from skyred.components.time_window import TimeWindow
from skyred.run.worker.good_time import cut_observation, drop_events_outside

ZERO = Time("2020-03-01T22:00:00", scale="tt")
LENGTH = 1680  # s
SCALES = ("utc", "tt", "tai")
# in whole microseconds, the precision of stored options; windows may begin before the run, and
# end after it
OFFSETS = st.integers(-400_000_000, (LENGTH + 400) * 1_000_000).map(lambda number: number / 1e6)
TIMES = st.lists(st.floats(-1.9, LENGTH + 1.9), max_size=40)


def create_run(times: list[float], gaps: list[tuple[float, float]] = ()) -> Observation:  # type: ignore[assignment]
    """Return a run with events at these times in seconds, and good time with gaps."""
    table = Table({"EVENT_ID": np.arange(len(times)), "TIME": ZERO + np.array(times, float) * u.s})
    for name in ("RA", "DEC"):
        table[name] = np.zeros(len(times)) * u.deg
    table["ENERGY"] = np.ones(len(times)) * u.TeV
    table.meta = {
        "MJDREFI": int(ZERO.mjd), "MJDREFF": float(ZERO.mjd % 1), "TIMESYS": "tt",
        "TIMEUNIT": "s", "TSTART": 0.0, "TSTOP": float(LENGTH),
    }  # fmt: skip
    edges = np.array([0, *np.ravel(gaps), LENGTH]).reshape(-1, 2).T * u.s
    gti = GTI.create(edges[0], edges[1], reference_time=ZERO)
    return Observation(obs_id=1, events=EventList(table), gti=gti)


def instant(seconds: float, scale: str = "utc") -> Time:
    return getattr(ZERO + seconds * u.s, scale)


def identifiers(observations: Any) -> list[int]:
    return [int(i) for part in observations for i in part.events.table["EVENT_ID"]]


@pytest.mark.slow
@given(
    TIMES,
    st.lists(st.tuples(OFFSETS, st.sampled_from(SCALES)), min_size=1, max_size=6),
    st.sampled_from([[], [(400.0, 500.0)], [(0.5, 1.0), (1000.25, 1300.0)]]),
)
def test_adjacent_windows_share_no_event_and_lose_none(
    times: list[float], edges: list[tuple[float, str]], gaps: list[tuple[float, float]]
) -> None:
    run, _ = drop_events_outside(create_run(times, gaps))
    offsets = sorted({-500.0, *(offset for offset, _ in edges), LENGTH + 500.0})
    scales = [scale for _, scale in edges] + ["tt", "utc"]
    ends = [instant(offset, scale) for offset, scale in zip(offsets, scales, strict=False)]
    windows = TimeWindow(windows=[Interval(start=a, stop=b) for a, b in pairwise(ends)])
    assert problems_of(windows) == []
    parts = cut_observation(run, [windows])
    assert sorted(identifiers(parts)) == sorted(identifiers([run]))
    total = sum(part.gti.time_sum.to_value("s") for part in parts)
    assert total == pytest.approx(run.gti.time_sum.to_value("s"), abs=1e-5)


@pytest.mark.slow
@settings(max_examples=30)
@given(TIMES, st.integers(-5000, LENGTH), st.integers(53, 600))  # at most 32 parts
def test_parts_of_equal_width_share_no_event_and_lose_none(
    times: list[float], start: int, width: int
) -> None:
    run, _ = drop_events_outside(create_run(times))
    parts = cut_observation(run, [TimeWindow(start=instant(start), width=width * u.s)])
    if start > 0:
        parts += cut_observation(run, [TimeWindow(stop=instant(start))])
    assert sorted(identifiers(parts)) == sorted(identifiers([run]))


@given(TIMES, OFFSETS, OFFSETS, st.sampled_from(SCALES))
def test_window_agrees_with_gammapy(
    times: list[float], start: float, stop: float, scale: str
) -> None:
    # no events before and after the run: skyred keeps all of them in a window that includes the
    # start or end of the run, but gammapy keeps only those in the window
    run = create_run([time for time in times if 0 <= time < LENGTH])
    low, high = sorted([start, stop])
    if high - low < 1e-3:
        return
    limits = Time([instant(low, scale), instant(high, scale)])
    parts = cut_observation(run, [TimeWindow(start=limits[0], stop=limits[1])])
    expected = run.select_time(limits)
    if min(high, LENGTH) - max(low, 0) < 1e-5:
        assert len(parts) <= 1
        return
    (part,) = parts
    assert identifiers([part]) == identifiers([expected])
    assert part.gti.time_sum.to_value("s") == pytest.approx(
        expected.gti.time_sum.to_value("s"), abs=1e-6
    )


@given(TIMES, st.lists(st.tuples(OFFSETS, OFFSETS), min_size=2, max_size=3))
def test_windows_applied_one_after_another_keep_their_intersection(
    times: list[float], windows: list[tuple[float, float]]
) -> None:
    run = create_run([time for time in times if 0 <= time < LENGTH])
    windows = [(low, high) for low, high in map(sorted, windows) if high - low > 1e-3]
    selectors = [TimeWindow(start=instant(low), stop=instant(high)) for low, high in windows]
    low = max([0.0, *(low for low, _ in windows)])
    high = min([LENGTH, *(high for _, high in windows)])
    parts = cut_observation(run, selectors)
    seconds = (run.events.time - ZERO).to_value("s")
    if high - low > 1e-5:
        expected = run.events.table["EVENT_ID"][(seconds >= low) & (seconds < high)]
        assert identifiers(parts) == expected.tolist()
        assert sum(part.gti.time_sum.to_value("s") for part in parts) == pytest.approx(
            high - low, abs=1e-5
        )


def test_windows_outside_the_good_time_leave_nothing() -> None:
    run = create_run([1.0, 2.0])
    for start, stop in ((-100, 0), (LENGTH, LENGTH + 100), (LENGTH + 1, LENGTH + 2)):
        assert cut_observation(run, [TimeWindow(start=instant(start), stop=instant(stop))]) == ()
    run = create_run([1.0, 2.0], [(100.0, 200.0)])  # with a gap
    assert cut_observation(run, [TimeWindow(start=instant(100), stop=instant(200))]) == ()


def test_run_without_good_time_has_no_part() -> None:
    run = create_run([1.0])
    run._gti.table = run._gti.table[:0]
    assert cut_observation(run, [TimeWindow(start=ZERO)]) == ()
    with pytest.raises(ValueError, match="no good time intervals that time-window could restrict"):
        cut_observation(Observation(obs_id=1, events=run.events), [TimeWindow(start=ZERO)])


@pytest.mark.parametrize(
    "start",
    [
        "2020-03-01T22:00:00 tt",
        Time(ZERO.mjd, format="mjd", scale="tt"),
        Time(ZERO.tai.jd1, ZERO.tai.jd2, format="jd", scale="tai"),
        Time(ZERO.utc.unix, format="unix"),
    ],
)
def test_times_of_all_formats_are_the_same_instant(start: Any) -> None:
    window = TimeWindow(start=start)
    assert abs((window.start.time - ZERO).to_value("s")) < 2e-6
