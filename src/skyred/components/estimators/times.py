"""Livetime of datasets, and times of the runs that were cut into several datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from astropy import units as u

if TYPE_CHECKING:
    from astropy.time import Time
    from gammapy.datasets import Dataset, Datasets


def livetime(dataset: Dataset) -> u.Quantity:
    """Return the livetime of a dataset, or the sum of its good time intervals if it is unknown.

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
    value = None if exposure is None else (exposure.meta or {}).get("livetime")
    return u.Quantity(value) if value is not None else dataset.gti.time_sum


def times_of_cut_runs(datasets: Datasets) -> list[tuple[Time, Time]]:
    """Return the time intervals of runs if some of them have several datasets.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        The datasets.

    Returns
    -------
    list of tuple of Time
        First start and last stop of the datasets of each run, in order of time; empty if no run was
        cut, or a dataset contains several runs.
    """
    members: dict[tuple[str, ...], list[Any]] = {}
    for dataset in datasets:
        table = getattr(dataset, "meta_table", None)
        if table is None or len(table) != 1 or "OBS_ID" not in table.colnames or not dataset.gti:
            return []
        names = [name for name in ("TELESCOP", "OBS_ID") if name in table.colnames]
        members.setdefault(tuple(str(table[name][0]) for name in names), []).append(dataset.gti)
    spans = [
        [(gti.time_start.min(), gti.time_stop.max()) for gti in gtis] for gtis in members.values()
    ]
    if all(len({start.tt.mjd for start, _ in times}) == 1 for times in spans):
        return []
    runs = [(min(start for start, _ in times), max(stop for _, stop in times)) for times in spans]
    return sorted(runs, key=lambda run: float(run[0].tt.mjd))
