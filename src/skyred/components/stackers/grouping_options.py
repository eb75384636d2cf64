"""The options of the stacker `group`: their problems, and the grouping that they define."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from skyred.components.stackers.groupings import (
    Grouping,
    Night,
    Telescopes,
    TimeEdges,
    TimeSteps,
    ZenithBins,
)
from skyred.errors import Problem
from skyred.fields import Instant

if TYPE_CHECKING:
    from astropy import units as u

    from skyred.components.stackers.group import GroupRuns

OPTIONS_BY_GROUPING: Mapping[str, tuple[str, ...]] = {
    "night": (),
    "time": ("times", "width", "start"),
    "zenith": ("edges",),
    "telescope": (),
    "column": ("column", "edges"),
}
EPOCH = Instant("2000-01-01T00:00:00.000000")


def create_grouping(stacker: GroupRuns) -> Grouping:
    """Create the grouping of a stacker from its options.

    Parameters
    ----------
    stacker : GroupRuns
        The stacker.

    Returns
    -------
    Grouping
        The grouping.

    Raises
    ------
    TypeError
        If the stacker groups by a column, which needs the observation table.
    """
    if stacker.by == "time":
        if stacker.times is not None:
            return TimeEdges(stacker.times)
        return TimeSteps(stacker.width, stacker.start or EPOCH)
    if stacker.by == "zenith":
        return ZenithBins(stacker.edges)
    if stacker.by == "column":
        raise TypeError("to group by a column, prepare the stacker with the observation table")
    return Night() if stacker.by == "night" else Telescopes()


def option_problems(stacker: GroupRuns) -> Iterator[Problem]:
    """Yield problems with the options of a stacker.

    Parameters
    ----------
    stacker : GroupRuns
        The stacker.

    Yields
    ------
    Problem
        An option that is missing, invalid, or has no effect with this grouping.
    """
    for name in ("column", "edges", "times", "width", "start"):
        if getattr(stacker, name) is not None and name not in OPTIONS_BY_GROUPING[stacker.by]:
            groupings = " or ".join(
                grouping for grouping, names in OPTIONS_BY_GROUPING.items() if name in names
            )
            message = f"has no effect with by: {stacker.by}"
            yield Problem((name,), message, f"remove it, or group by: {groupings}")
    yield from _missing_options(stacker)
    if stacker.edges is not None:
        yield from _edge_problems(stacker.by, stacker.edges)
    if stacker.times is not None:
        yield from _time_problems(stacker.times)


def _missing_options(stacker: GroupRuns) -> Iterator[Problem]:
    """Yield problems with missing options, and with options that exclude each other."""
    if stacker.by == "column" and stacker.column is None:
        yield Problem((), "missing key 'column'", "expected a column such as TARGET_NAME")
    if stacker.by == "zenith" and stacker.edges is None:
        yield Problem((), "missing key 'edges'", "expected edges such as [0 deg, 30 deg, 60 deg]")
    if stacker.by == "time" and (stacker.times is None) == (stacker.width is None):
        yield Problem((), "needs either times or width", "set exactly one of them")
    if stacker.start is not None and stacker.times is not None:
        yield Problem(("start",), "cannot be combined with times", "use it with width")


def _edge_problems(by: str, edges: u.Quantity) -> Iterator[Problem]:
    """Yield problems with the edges of bins."""
    if by == "zenith" and not edges.unit.is_equivalent("deg"):
        yield Problem(("edges",), f"{edges} are not angles", "expected angles such as 30 deg")
    if len(edges) < 2 or np.any(np.diff(edges.value) <= 0):
        expected = "expected two or more increasing values"
        yield Problem(("edges",), f"{edges} must increase", expected)


def _time_problems(times: tuple[Instant, ...]) -> Iterator[Problem]:
    """Yield problems with the edges of bins in time."""
    pairs = list(pairwise(times))
    if not pairs or any(not start.is_before(stop) for start, stop in pairs):
        yield Problem(("times",), "must increase", "expected two or more times in increasing order")
    if len({time.scale for time in times}) > 1:
        yield Problem(("times",), "differ in time scale", "use one time scale for all")
