"""Intervals of time: those of datasets, of runs, nights and equal steps, and who lies in them.

Times are seconds since `REFERENCE` in TT: as exact as the 1e-6 s within which gammapy takes times
to be the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np

from skyred.errors import FitError

if TYPE_CHECKING:
    from astropy.time import Time
    from gammapy.datasets import Datasets
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

REFERENCE = "2000-01-01T00:00:00"
DAY = 86400.0
SAME = 1e-6  # gammapy's `atol`


def reference() -> Time:
    """Give the reference time."""
    from astropy.time import Time

    return Time(REFERENCE, scale="tt")


def seconds(time: Time, zero: Time) -> Array:
    """Give times as seconds since another."""
    there = time.tt
    elapsed = (there.jd1 - zero.jd1) * DAY + (there.jd2 - zero.jd2) * DAY
    return np.asarray(elapsed, dtype=float)


@attrs.frozen(eq=False)
class Spans:
    """From when to when each dataset was taken.

    Parameters
    ----------
    names : sequence of str
        The datasets.
    times : array
        First start and last stop of the good time intervals, shape (datasets, 2).
    """

    names: Sequence[str]
    times: Array

    @classmethod
    def of(cls, datasets: Datasets) -> Self:
        """Take those of datasets; raises `FitError` for one without good time intervals."""
        zero, times = reference(), []
        for dataset in datasets:
            gti = dataset.gti
            if gti is None or len(gti.table) == 0:
                raise FitError(
                    f"the dataset {dataset.name!r} has no good time intervals, so it lies nowhere "
                    "in a light curve; set its gti"
                )
            start, stop = seconds(gti.time_start, zero), seconds(gti.time_stop, zero)
            times.append([start.min(), stop.max()])
        return cls(tuple(datasets.names), np.array(times))

    def within(self, interval: Array) -> list[str]:
        """Name the datasets that lie in an interval fully, as gammapy takes them."""
        low, high = self.times.T
        inside = (low >= interval[0] - SAME) & (high <= interval[1] + SAME)
        return [name for name, chosen in zip(self.names, inside, strict=True) if chosen]

    def across(self, interval: Array) -> list[str]:
        """Name the datasets that lie across a border of an interval."""
        low, high = self.times.T
        touching = (low < interval[1] - SAME) & (high > interval[0] + SAME)
        inside = set(self.within(interval))
        found = zip(self.names, touching, strict=True)
        return [name for name, chosen in found if chosen and name not in inside]

    # -- intervals that follow from them --------------------------------------------------------

    def runs(self) -> Array:
        """Give the span of each dataset; those of the same time share one.

        Raises
        ------
        FitError
            If two overlap in part.
        """
        order = np.lexsort((self.times[:, 1], self.times[:, 0]))
        found: list[int] = []
        for place in order:
            if found and np.allclose(self.times[place], self.times[found[-1]], rtol=0, atol=SAME):
                continue
            if found and self.times[place, 0] < self.times[found[-1], 1] - SAME:
                raise FitError(
                    f"the datasets {self.names[found[-1]]} and {self.names[place]} overlap in "
                    "time, so a light curve by run is none; take nights or intervals of time"
                )
            found.append(int(place))
        return self.times[found]

    def nights(self) -> Array:
        """Give an interval for each night: from its first start to its last stop.

        A night ends in the middle of the widest part of the day in which no dataset begins, so
        that it need not be known where the telescopes are.
        """
        start = self.times[:, 0]
        clock = np.sort(np.unique(start % DAY))
        gaps = np.diff(clock, append=clock[0] + DAY)
        noon = clock[gaps.argmax()] + gaps.max() / 2
        night = np.floor((start - noon) / DAY)
        chosen = [self.times[night == each] for each in np.unique(night)]
        return np.array([[times[:, 0].min(), times[:, 1].max()] for times in chosen])

    def steps(self, width: float) -> Array:
        """Give equal intervals from the first start on; only those that touch a dataset."""
        first = self.times[:, 0].min()
        low = np.floor((self.times[:, 0] - first + SAME) / width)
        high = np.ceil((self.times[:, 1] - first - SAME) / width)
        numbers = [np.arange(*ends) for ends in zip(low, np.maximum(high, low + 1), strict=True)]
        start = first + width * np.unique(np.concatenate(numbers))
        return np.stack([start, start + width], axis=1)


def given(intervals: Sequence[tuple[Any, Any]]) -> Array:
    """Take intervals as pairs of `Time`, in their order.

    Raises
    ------
    FitError
        If one ends before it starts, or two overlap.
    """
    from astropy.time import Time

    zero = reference()
    ends = [seconds(Time([pair[side] for pair in intervals]), zero) for side in (0, 1)]
    times = np.stack(ends, axis=1)
    times = times[np.argsort(times[:, 0])]
    if problem := overlap(times):
        raise FitError(f"a light curve needs intervals one after the other: {problem}")
    return times


def overlap(times: Array) -> str:
    """Say which of some intervals, by their start, overlap or end too early; "" if none."""
    for number, (start, stop) in enumerate(times):
        if stop <= start:
            return f"interval {number + 1} ends before it starts"
        if number and start < times[number - 1, 1] - SAME:
            return f"intervals {number} and {number + 1} overlap"
    return ""
