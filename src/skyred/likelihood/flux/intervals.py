"""Time intervals of datasets, runs and nights, intervals of equal width, and their datasets.

Times are seconds since `REFERENCE` in TT. This is as exact as the 1e-6 s within which gammapy
regards times as equal.
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
    """Return the reference time.

    Returns
    -------
    Time
        The reference time, in TT.
    """
    from astropy.time import Time

    return Time(REFERENCE, scale="tt")


def seconds(time: Time, zero: Time) -> Array:
    """Return times as seconds since another time.

    Parameters
    ----------
    time : Time
        The times.
    zero : Time
        The time to count from, in TT.

    Returns
    -------
    array
        Seconds, of the shape of the times.
    """
    tt = time.tt
    elapsed = (tt.jd1 - zero.jd1) * DAY + (tt.jd2 - zero.jd2) * DAY
    return np.asarray(elapsed, dtype=float)


@attrs.frozen(eq=False)
class Spans:
    """Time spans of datasets.

    Parameters
    ----------
    names : sequence of str
        The names of the datasets.
    times : array
        First start and last stop of the good time intervals in seconds, shape (datasets, 2).
    """

    names: Sequence[str]
    times: Array

    @classmethod
    def of(cls, datasets: Datasets) -> Self:
        """Return the time spans of datasets.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets.

        Returns
        -------
        Spans
            Their time spans.

        Raises
        ------
        FitError
            If a dataset has no good time intervals.
        """
        zero, times = reference(), []
        for dataset in datasets:
            gti = dataset.gti
            if gti is None or len(gti.table) == 0:
                raise FitError(
                    f"the dataset {dataset.name!r} has no good time intervals, so it belongs to no "
                    "interval of a light curve; set its gti"
                )
            start, stop = seconds(gti.time_start, zero), seconds(gti.time_stop, zero)
            times.append([start.min(), stop.max()])
        return cls(tuple(datasets.names), np.array(times))

    def within(self, interval: Array) -> list[str]:
        """Return the datasets that lie in an interval fully, as selected by gammapy.

        Parameters
        ----------
        interval : array
            Start and stop in seconds, shape (2,).

        Returns
        -------
        list of str
            Names of the datasets.
        """
        low, high = self.times.T
        is_within = (low >= interval[0] - SAME) & (high <= interval[1] + SAME)
        return [name for name, selected in zip(self.names, is_within, strict=True) if selected]

    def across(self, interval: Array) -> list[str]:
        """Return the datasets that lie across a border of an interval.

        Parameters
        ----------
        interval : array
            Start and stop in seconds, shape (2,).

        Returns
        -------
        list of str
            Names of the datasets.
        """
        low, high = self.times.T
        touches = (low < interval[1] - SAME) & (high > interval[0] + SAME)
        within = set(self.within(interval))
        candidates = zip(self.names, touches, strict=True)
        return [name for name, selected in candidates if selected and name not in within]

    # -- intervals computed from them -----------------------------------------------------------

    def runs(self) -> Array:
        """Return the span of each dataset; datasets of the same time share one.

        Returns
        -------
        array
            Start and stop in seconds, shape (n, 2), increasing.

        Raises
        ------
        FitError
            If two datasets overlap in part.
        """
        order = np.lexsort((self.times[:, 1], self.times[:, 0]))
        indices: list[int] = []
        for index in order:
            if indices and np.allclose(
                self.times[index], self.times[indices[-1]], rtol=0, atol=SAME
            ):
                continue
            if indices and self.times[index, 0] < self.times[indices[-1], 1] - SAME:
                raise FitError(
                    f"the datasets {self.names[indices[-1]]} and {self.names[index]} overlap in "
                    "time, so there is no light curve by run; use nights or intervals of time"
                )
            indices.append(int(index))
        return self.times[indices]

    def nights(self) -> Array:
        """Return the interval of each night, from its first start to its last stop.

        A night ends in the middle of the widest part of the day in which no dataset begins, so
        the location of the telescopes is not needed.

        Returns
        -------
        array
            Start and stop in seconds, shape (n, 2), increasing.
        """
        start = self.times[:, 0]
        clock = np.sort(np.unique(start % DAY))
        gaps = np.diff(clock, append=clock[0] + DAY)
        noon = clock[gaps.argmax()] + gaps.max() / 2
        night = np.floor((start - noon) / DAY)
        times_by_night = [self.times[night == number] for number in np.unique(night)]
        return np.array([[times[:, 0].min(), times[:, 1].max()] for times in times_by_night])

    def steps(self, width: float) -> Array:
        """Return the intervals of equal width from the first start on that touch a dataset.

        Parameters
        ----------
        width : float
            Width in seconds.

        Returns
        -------
        array
            Start and stop in seconds, shape (n, 2), increasing.
        """
        first = self.times[:, 0].min()
        low = np.floor((self.times[:, 0] - first + SAME) / width)
        high = np.ceil((self.times[:, 1] - first - SAME) / width)
        numbers = [np.arange(*ends) for ends in zip(low, np.maximum(high, low + 1), strict=True)]
        start = first + width * np.unique(np.concatenate(numbers))
        return np.stack([start, start + width], axis=1)


def intervals_from_pairs(pairs: Sequence[tuple[Any, Any]]) -> Array:
    """Convert pairs of times to intervals in seconds, sorted by their start.

    Parameters
    ----------
    pairs : sequence of (Time, Time)
        Start and stop of the intervals.

    Returns
    -------
    array
        Start and stop in seconds, shape (n, 2), increasing.

    Raises
    ------
    FitError
        If an interval ends before it starts, or two overlap.
    """
    from astropy.time import Time

    zero = reference()
    ends = [seconds(Time([pair[side] for pair in pairs]), zero) for side in (0, 1)]
    times = np.stack(ends, axis=1)
    times = times[np.argsort(times[:, 0])]
    if problem := overlap(times):
        raise FitError(f"a light curve needs intervals one after the other: {problem}")
    return times


def overlap(times: Array) -> str:
    """Describe the first interval that overlaps with the previous one or ends too early.

    Parameters
    ----------
    times : array
        Start and stop of the intervals in seconds, sorted by start, shape (n, 2).

    Returns
    -------
    str
        The problem; "" if there is none.
    """
    for number, (start, stop) in enumerate(times):
        if stop <= start:
            return f"interval {number + 1} ends before it starts"
        if number and start < times[number - 1, 1] - SAME:
            return f"intervals {number} and {number + 1} overlap"
    return ""
