"""Requirements for selectors that cut the good time of runs into non-overlapping parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.interfaces import cutting_selectors
from skyred.run.worker.good_time import GTI_TOLERANCE
from skyred.testing.case import ComponentCase
from skyred.testing.compare import contents, differences
from skyred.testing.requirement import NotChecked, require, requirement
from skyred.testing.steps import step

if TYPE_CHECKING:
    from gammapy.data import GTI
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_PARTS = (
    "Return the parts from gti.select_time for windows that do not overlap, and leave out empty "
    "ones."
)


@requirement(
    "cuts good time into non-empty parts within it",
    "selector",
    fix=_PARTS,
    old_names=("cuts good time to parts of it",),
)
def cuts_to_parts(case: ComponentCase) -> None:
    """Check that parts are GTIs with rows, without overlap, inside the good time of the run.

    Parameters
    ----------
    case : ComponentCase
        The selector to be checked.
    """
    for gti in _iter_good_times(case):
        start, stop = _intervals(gti, gti)
        for part in _cut(case, gti):
            low, high = _intervals(part, gti)
            require(len(low), "it returns an empty part; leave out empty parts")
            require((high > low).all(), "it returns an interval that does not end after its start")
            require(
                (low[1:] >= high[:-1] - GTI_TOLERANCE).all(),
                f"it returns a part whose intervals overlap: {_describe(low, high)}",
            )
            is_inside = (low[:, None] >= start - GTI_TOLERANCE) & (
                high[:, None] <= stop + GTI_TOLERANCE
            )
            require(
                is_inside.any(axis=1).all(),
                f"it returns good time outside that of the run: {_describe(low, high)} for "
                f"{_describe(start, stop)}",
            )


@requirement(
    "cuts good time into non-overlapping parts in chronological order",
    "selector",
    fix=_PARTS + " Events in two parts would be counted twice.",
    old_names=("cuts good time to parts in order of time, without overlap",),
)
def cuts_without_overlap(case: ComponentCase) -> None:
    """Check that the intervals of all parts of a run follow each other.

    Parameters
    ----------
    case : ComponentCase
        The selector to be checked.
    """
    for gti in _iter_good_times(case):
        intervals = [_intervals(part, gti) for part in _cut(case, gti)]
        for (low, high), (next_low, next_high) in pairwise(intervals):
            require(
                next_low.min(initial=np.inf) >= high.max(initial=-np.inf) - GTI_TOLERANCE,
                f"after a part {_describe(low, high)} it returns {_describe(next_low, next_high)}",
            )


@requirement(
    "cuts runs without changing their good time",
    "selector",
    fix="Work on gti.copy(), or use gti.select_time, which returns a new object.",
)
def leaves_good_time_unchanged(case: ComponentCase) -> None:
    """Check that the times, units and metadata of the good time intervals stay the same.

    Parameters
    ----------
    case : ComponentCase
        The selector to be checked.
    """
    for gti in _iter_good_times(case):
        before = contents(gti.copy())
        _cut(case, gti)
        changes = differences(before, contents(gti))
        require(not changes, "; ".join(changes[:3]))


@requirement(
    "cuts runs into the same parts each time",
    "selector",
    fix="Use neither random numbers without a seed nor the current time, and keep no state between "
    "calls: runs are cut by several workers, in any order.",
    old_names=("cuts runs to the same parts each time",),
)
def returns_reproducible_parts(case: ComponentCase) -> None:
    """Check that the parts of the first run are the same after all other runs were cut.

    Parameters
    ----------
    case : ComponentCase
        The selector to be checked.
    """
    good_times = list(_iter_good_times(case))
    before = [contents(part) for part in _cut(case, good_times[0].copy())]
    for gti in good_times[1:]:
        _cut(case, gti)
    after = [contents(part) for part in _cut(case, good_times[0])]
    require(len(before) == len(after), f"first {len(before)} parts, then {len(after)}")
    for first, second in zip(before, after, strict=True):
        changes = differences(first, second)
        require(not changes, "; ".join(changes[:3]))


def _iter_good_times(case: ComponentCase) -> Iterator[GTI]:
    """Yield the good time intervals of each run, without and with an additional gap.

    Raises
    ------
    NotChecked
        If the selector does not cut runs, or selects no good time of any run.
    """
    if not cutting_selectors([case.component]):
        raise NotChecked("it selects whole runs")
    selects_good_time = False
    for observation in case.observations():
        for gti in (observation.gti, _with_gap(observation.gti)):
            selects_good_time |= bool(_cut(case, gti.copy()))
            yield gti.copy()
    if not selects_good_time:
        raise NotChecked("it selects no good time of the sample; pass runs that it cuts")


def _with_gap(gti: GTI) -> GTI:
    """Return good time intervals without the middle tenth of the first interval."""
    from gammapy.data import GTI

    start, stop = gti.time_start[0], gti.time_stop[0]
    ends = start + (stop - start) * np.array([0.45, 0.55])
    pairs = [(start, ends[0]), (ends[1], stop), *gti.time_intervals[1:]]
    return GTI.from_time_intervals(pairs, reference_time=gti.time_ref)


def _cut(case: ComponentCase, gti: GTI) -> Sequence[GTI]:
    from gammapy.data import GTI

    with step("cutting good time"):
        parts = case.component.cut_gti(gti)
    names = [type(part).__name__ for part in parts if not isinstance(part, GTI)]
    require(not names, f"it returns a part of type {', '.join(names)}; expected gammapy's GTI")
    return tuple(parts)


def _intervals(gti: Any, run: GTI) -> tuple[Array, Array]:
    """Return the intervals in seconds since the start of the run, sorted."""
    zero = run.time_start.min()
    if len(gti.table) == 0:
        return np.empty(0), np.empty(0)
    start, stop = ((time - zero).to_value("s") for time in (gti.time_start, gti.time_stop))
    order = np.argsort(start)
    return start[order], stop[order]


def _describe(low: Array, high: Array) -> str:
    return ", ".join(f"{start:.1f} to {stop:.1f} s" for start, stop in zip(low, high, strict=True))
