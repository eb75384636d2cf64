"""Time intervals for light curves: by run, by night or of equal width, and their datasets.

Times are seconds since `REFERENCE` in TT. Their rounding errors are below 1e-6 s, gammapy's
tolerance for equal times.
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
DAY = 86400.0  # s
TIME_TOLERANCE = 1e-6  # s: gammapy's `atol`


def reference_time() -> Time:
    """Return the reference time.

    Returns
    -------
    Time
        The reference time, in TT.
    """
    from astropy.time import Time

    return Time(REFERENCE, scale="tt")


def to_seconds(time: Time, reference: Time) -> Array:
    """Return times as seconds since a reference time.

    Parameters
    ----------
    time : Time
        The times.
    reference : Time
        The reference time, in TT.

    Returns
    -------
    array
        Seconds, in the shape of the times.
    """
    tt = time.tt
    elapsed = (tt.jd1 - reference.jd1) * DAY + (tt.jd2 - reference.jd2) * DAY
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
        reference, times = reference_time(), []
        for dataset in datasets:
            gti = dataset.gti
            if gti is None or len(gti.table) == 0:
                raise FitError(
                    f"the dataset {dataset.name!r} has no good time intervals, so it cannot be "
                    "assigned to an interval of a light curve; set its gti"
                )
            start = to_seconds(gti.time_start, reference)
            stop = to_seconds(gti.time_stop, reference)
            times.append([start.min(), stop.max()])
        return cls(tuple(datasets.names), np.array(times))

    def datasets_within(self, interval: Array, atol: float = TIME_TOLERANCE) -> list[str]:
        """Return the datasets that are fully inside an interval, as `Datasets.select_time` does.

        Parameters
        ----------
        interval : array
            Start and stop in seconds, shape (2,).
        atol : float
            Time in seconds by which datasets may extend beyond the interval.

        Returns
        -------
        list of str
            Names of the datasets.
        """
        low, high = self.times.T
        is_within = (low >= interval[0] - atol) & (high <= interval[1] + atol)
        return [name for name, selected in zip(self.names, is_within, strict=True) if selected]

    def datasets_partly_within(self, interval: Array, atol: float = TIME_TOLERANCE) -> list[str]:
        """Return the datasets that are only partly inside an interval.

        Parameters
        ----------
        interval : array
            Start and stop in seconds, shape (2,).
        atol : float
            Time in seconds by which datasets may extend beyond the interval.

        Returns
        -------
        list of str
            Names of the datasets.
        """
        low, high = self.times.T
        overlaps = (low < interval[1] - TIME_TOLERANCE) & (high > interval[0] + TIME_TOLERANCE)
        within = set(self.datasets_within(interval, atol))
        candidates = zip(self.names, overlaps, strict=True)
        return [name for name, selected in candidates if selected and name not in within]

    def run_intervals(self) -> Array:
        """Return the time span of each dataset; datasets with the same span share one interval.

        Returns
        -------
        array
            Start and stop in seconds, shape (n, 2), increasing.

        Raises
        ------
        FitError
            If two datasets partially overlap in time.
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

        Nights are separated in the middle of the longest part of the day in which no dataset
        starts. The location of the telescopes is therefore not needed.

        Returns
        -------
        array
            Start and stop in seconds, shape (n, 2), increasing.
        """
        start = self.times[:, 0]
        time_of_day = np.sort(np.unique(start % DAY))
        gaps = np.diff(time_of_day, append=time_of_day[0] + DAY)
        night_boundary = time_of_day[gaps.argmax()] + gaps.max() / 2
        night = np.floor((start - night_boundary) / DAY)
        times_by_night = [self.times[night == number] for number in np.unique(night)]
        return np.array([[times[:, 0].min(), times[:, 1].max()] for times in times_by_night])

    def equal_intervals(self, width: float, start: float | None = None) -> Array:
        """Return the intervals of equal width that contain data.

        Parameters
        ----------
        width : float
            Width in seconds.
        start : float, optional
            Start of one of the intervals in seconds; by default the start of the first dataset.

        Returns
        -------
        array
            Start and stop in seconds, shape (n, 2), increasing.
        """
        if start is None:
            start = float(self.times[:, 0].min())
        low = np.floor((self.times[:, 0] - start + TIME_TOLERANCE) / width)
        high = np.ceil((self.times[:, 1] - start - TIME_TOLERANCE) / width)
        numbers = [np.arange(*ends) for ends in zip(low, np.maximum(high, low + 1), strict=True)]
        starts = start + width * np.unique(np.concatenate(numbers))
        return np.stack([starts, starts + width], axis=1)


def select_intervals(datasets: Datasets, intervals: Any, start: Time | None = None) -> Array:
    """Return the intervals of a light curve of datasets.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        The datasets.
    intervals : {"run", "night"}, Quantity or list of pairs of Time
        One interval per dataset or per night, the width of intervals of equal width, or the start
        and stop of each interval.
    start : Time, optional
        Start of one of the intervals of equal width; by default the start of the first dataset.

    Returns
    -------
    array
        Start and stop in seconds, shape (n, 2), increasing.

    Raises
    ------
    FitError
        If a dataset has no good time intervals, or the intervals are not valid.
    """
    spans = TimeSpans.from_datasets(datasets)
    if isinstance(intervals, str):
        if intervals not in ("run", "night"):
            raise FitError(
                f"unknown intervals {intervals!r}; expected 'run', 'night', a width, or pairs of "
                "times"
            )
        return spans.run_intervals() if intervals == "run" else spans.night_intervals()
    if hasattr(intervals, "to_value") and hasattr(intervals, "unit"):
        is_time = intervals.isscalar and intervals.unit.is_equivalent("s")
        if not (is_time and 0 < intervals.value < float("inf")):
            raise FitError(
                f"the width of the intervals is {intervals}; expected a positive duration"
            )
        start_s = None if start is None else float(to_seconds(start, reference_time()))
        return spans.equal_intervals(float(intervals.to_value("s")), start_s)
    if not len(intervals):
        raise FitError("intervals is empty; expected start and stop of at least one interval")
    return intervals_from_pairs(intervals)


def intervals_from_pairs(pairs: Sequence[tuple[Any, Any]]) -> Array:
    """Convert pairs of times to intervals in seconds, sorted by start.

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
        If an interval is empty or ends before it starts, or if two intervals overlap.
    """
    from astropy.time import Time

    reference = reference_time()
    ends = [to_seconds(Time([pair[side] for pair in pairs]), reference) for side in (0, 1)]
    times = np.stack(ends, axis=1)
    times = times[np.argsort(times[:, 0])]
    if problem := describe_invalid_interval(times):
        raise FitError(
            f"{problem}; expected intervals that end after they start and do not overlap"
        )
    return times


def describe_invalid_interval(times: Array) -> str:
    """Describe the first interval that is empty or reversed, or overlaps with the previous one.

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
            return (
                f"the interval from {_format_time(start)} to {_format_time(stop)} (UTC) is empty "
                "or ends before it starts"
            )
        if number and start < times[number - 1, 1] - TIME_TOLERANCE:
            return (
                f"the intervals that start at {_format_time(times[number - 1, 0])} and "
                f"{_format_time(start)} (UTC) overlap"
            )
    return ""


def _format_time(seconds: float) -> str:
    """Format seconds since `REFERENCE` as a UTC time."""
    from astropy import units as u

    return str((reference_time() + seconds * u.s).utc.isot)[:19]
