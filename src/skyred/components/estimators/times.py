"""Livetime of datasets, and times of runs that were cut into several datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from astropy import units as u

if TYPE_CHECKING:
    from astropy.time import Time
    from gammapy.datasets import Dataset, Datasets


def livetime(dataset: Dataset) -> u.Quantity:
    """Return the livetime of a dataset.

    If the livetime is unknown, the sum of the good time intervals is returned.

    Parameters
    ----------
    dataset : gammapy.datasets.Dataset
        The dataset.

    Returns
    -------
    astropy.units.Quantity
        The livetime, a scalar.
    """
    exposure = getattr(dataset, "exposure", None)
    meta_value = None if exposure is None else (exposure.meta or {}).get("livetime")
    return u.Quantity(meta_value) if meta_value is not None else dataset.gti.time_sum


def times_of_cut_runs(datasets: Datasets) -> list[tuple[Time, Time]]:
    """Return the time interval of each run, if some runs were cut into several datasets.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        The datasets.

    Returns
    -------
    list of tuple of Time
        First start and last stop of the datasets of each run, in chronological order; empty if no
        run was cut, or if a dataset does not belong to exactly one known run.
    """
    gtis_by_run: dict[tuple[str, ...], list[Any]] = {}
    for dataset in datasets:
        table = getattr(dataset, "meta_table", None)
        if table is None or len(table) != 1 or "OBS_ID" not in table.colnames or not dataset.gti:
            return []
        names = [name for name in ("TELESCOP", "OBS_ID") if name in table.colnames]
        run = tuple(str(table[name][0]) for name in names)
        gtis_by_run.setdefault(run, []).append(dataset.gti)
    times_by_run = [
        [(gti.time_start.min(), gti.time_stop.max()) for gti in gtis]
        for gtis in gtis_by_run.values()
    ]
    if all(len({start.tt.mjd for start, _ in times}) == 1 for times in times_by_run):
        return []
    intervals = [
        (min(start for start, _ in times), max(stop for _, stop in times)) for times in times_by_run
    ]
    return sorted(intervals, key=lambda interval: float(interval[0].tt.mjd))
