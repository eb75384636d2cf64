"""Time intervals as options, for selectors and estimators."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from skyred.errors import Problem
from skyred.fields import Instant, instant
from skyred.interfaces import Fields, value


@value
class Interval(Fields):
    """Time interval."""

    start: Instant = instant(doc="Start of the interval.")
    stop: Instant = instant(doc="End of the interval.")

    def validate(self) -> Iterable[Problem]:
        """Check that the interval starts before it ends.

        Yields
        ------
        Problem
            An interval that does not start before it ends.
        """
        if not self.start.is_before(self.stop):
            yield Problem(
                ("start",), f"{self.start} is not before {self.stop}", "expected start before stop"
            )


def interval_problems(option: str, intervals: Sequence[Interval]) -> Iterable[Problem]:
    """Yield problems with the order of intervals.

    Intervals in different time scales are not compared.

    Parameters
    ----------
    option : str
        The option that contains the intervals.
    intervals : sequence of Interval
        The intervals.

    Yields
    ------
    Problem
        An interval that starts before the end of the previous interval.
    """
    for index, (previous, interval) in enumerate(pairwise(intervals), start=1):
        if previous.stop.scale != interval.start.scale or previous.stop.iso <= interval.start.iso:
            continue
        end = f"the end of the previous interval, {previous.stop}"
        message = f"starts at {interval.start}, before {end}"
        yield Problem((option, index), message, "expected intervals in order, without overlap")
