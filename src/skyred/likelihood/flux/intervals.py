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
TIME_TOLERANCE = 1e-6  # gammapy's `atol`


def reference_time() -> Time:
    """Return the reference time.

    Returns
    -------
    Time
        The reference time, in TT.
    """
    from astropy.time import Time

    return Time(REFERENCE, scale="tt")


def to_seconds(time: Time, zero: Time) -> Array:
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
class TimeSpans:
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
    def from_datasets(cls, datasets: Datasets) -> Self:
        """Return the time spans of datasets.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets.

        Returns
        -------
        TimeSpans
            Their time spans.

        Raises
        ------
        FitError
            If a dataset has no good time intervals.
        """
        zero, times = reference_time(), []
        for dataset in datasets:
            gti = dataset.gti
            if gti is None or len(gti.table) == 0:
                raise FitError(
                    f"the dataset {dataset.name!r} has no good time intervals, so it cannot be "
                    "assigned to an interval of a light curve; set its gti"
                )
            start, stop = to_seconds(gti.time_start, zero), to_seconds(gti.time_stop, zero)
            times.append([start.min(), stop.max()])
        return cls(tuple(datasets.names), np.array(times))

    def datasets_within(self, interval: Array) -> list[str]:
        """Return the datasets that lie fully in an interval, as selected by gammapy.

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
        is_within = (low >= interval[0] - TIME_TOLERANCE) & (high <= interval[1] + TIME_TOLERANCE)
        return [name for name, selected in zip(self.names, is_within, strict=True) if selected]

    def datasets_across(self, interval: Array) -> list[str]:
        """Return the datasets that lie partly in an interval.

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
        touches = (low < interval[1] - TIME_TOLERANCE) & (high > interval[0] + TIME_TOLERANCE)
        within = set(self.datasets_within(interval))
        candidates = zip(self.names, touches, strict=True)
        return [name for name, selected in candidates if selected and name not in within]

    # -- intervals computed from them -----------------------------------------------------------

    def run_intervals(self) -> Array:
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
                self.times[index], self.times[indices[-1]], rtol=0, atol=TIME_TOLERANCE
            ):
                continue
            if indices and self.times[index, 0] < self.times[indices[-1], 1] - TIME_TOLERANCE:
                raise FitError(
                    f"the datasets {self.names[indices[-1]]} and {self.names[index]} overlap in "
                    "time, so a light curve by run is not possible; use nights or time intervals"
                )
            indices.append(int(index))
        return self.times[indices]

    def night_intervals(self) -> Array:
        """Return the interval of each night, from its first start to its last stop.

        A night ends in the middle of the longest part of the day in which no dataset starts, so
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

    def equal_intervals(self, width: float, first: float | None = None) -> Array:
        """Return the intervals of equal width that contain data.

        Parameters
        ----------
        width : float
            Width in seconds.
        first : float, optional
            Start of one of the intervals in seconds; by default the first start of the datasets.

        Returns
        -------
        array
            Start and stop in seconds, shape (n, 2), increasing.
        """
        if first is None:
            first = float(self.times[:, 0].min())
        low = np.floor((self.times[:, 0] - first + TIME_TOLERANCE) / width)
        high = np.ceil((self.times[:, 1] - first - TIME_TOLERANCE) / width)
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
        If an interval does not end after it starts, or two overlap.
    """
    from astropy.time import Time

    zero = reference_time()
    ends = [to_seconds(Time([pair[side] for pair in pairs]), zero) for side in (0, 1)]
    times = np.stack(ends, axis=1)
    times = times[np.argsort(times[:, 0])]
    if problem := describe_overlap(times):
        raise FitError(
            f"{problem}; expected intervals that end after they start and do not overlap"
        )
    return times


def describe_overlap(times: Array) -> str:
    """Describe the first interval that overlaps with the previous one or ends too early.

    Parameters
    ----------
    times : array
        Start and stop of the intervals in seconds, sorted by start, shape (n, 2).

    Returns
    -------
    str
        The description; "" if there is no such interval.
    """
    for number, (start, stop) in enumerate(times):
        if stop <= start:
            return f"interval {number + 1} does not end after it starts"
        if number and start < times[number - 1, 1] - TIME_TOLERANCE:
            return f"intervals {number} and {number + 1} overlap"
    return ""
