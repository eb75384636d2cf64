"""Light curves: the norm of a source in each time interval, with datasets compiled once."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import attrs
import numpy as np
from astropy import units as u
from gammapy.datasets import Datasets
from gammapy.estimators import FluxPoints
from gammapy.maps import MapAxis, TimeMapAxis

from skyred.errors import ModelError
from skyred.likelihood.flux.columns import FluxColumns, Row
from skyred.likelihood.flux.flux_points import Bin, CompiledFluxPointsEstimator
from skyred.likelihood.flux.intervals import TIME_TOLERANCE, TimeSpans, reference_time
from skyred.likelihood.flux.second_axis import (
    FluxPointsBuilder,
    aligned_axes,
    missing_reasons,
    rounded_energy_axis,
)
from skyred.likelihood.flux.summed_datasets import STACKED, stack_datasets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

NO_SOURCE = "the source applies to none of the datasets in the interval"


@attrs.frozen(eq=False)
class LightCurveData:
    """A light curve.

    Parameters
    ----------
    flux : gammapy.estimators.FluxPoints
        The fluxes, with axes energy and time; NaN where there is no norm.
    datasets : tuple of tuple of str
        Names of the datasets in each interval.
    reasons : tuple of str
        For each interval, the reason for missing norms, and the datasets that extend beyond the
        interval and are excluded; "" if there are neither.
    """

    flux: FluxPoints
    datasets: tuple[tuple[str, ...], ...]
    reasons: tuple[str, ...]


@attrs.define(eq=False)
class CompiledLightCurveEstimator:
    """Estimator of light curves, equivalent to gammapy's `LightCurveEstimator`.

    gammapy slices and evaluates the datasets again for each interval. Here all datasets are
    compiled once, and the statistic of an interval is the sum of the terms of its datasets. For an
    interval without datasets, which gammapy omits, the fluxes are NaN, and the reason is in
    `LightCurveData.reasons`.

    Parameters
    ----------
    points_estimator : CompiledFluxPointsEstimator
        Estimator that fits the norms, with its options.
    stack : bool
        Whether the datasets in each interval are stacked before the fit.
    atol : float
        Time in seconds by which datasets may extend beyond their interval.
    """

    points_estimator: CompiledFluxPointsEstimator
    stack: bool = False
    atol: float = TIME_TOLERANCE

    def run(self, datasets: Datasets, intervals: Array) -> LightCurveData:
        """Estimate the light curve; datasets and models are left unchanged.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            Datasets with models assigned.
        intervals : array
            Start and stop in seconds, as in `TimeSpans`, shape (n, 2), increasing.

        Returns
        -------
        LightCurveData
            The light curve.

        Raises
        ------
        ModelError
            If no dataset lies fully in any of the intervals.
        FitError
            If the energy axes of the datasets are not sections of one axis, or a dataset has no
            good time intervals.
            If parameters share one value without being linked, and gammapy's estimator has to be
            used, which would separate their values.
        """
        axes = aligned_axes(datasets)
        spans = TimeSpans.from_datasets(datasets)
        names_by_interval = [spans.datasets_within(interval, self.atol) for interval in intervals]
        if not any(names_by_interval):
            raise ModelError(_no_dataset_message(datasets, len(names_by_interval)))
        self.points_estimator.prepare(datasets)
        edges = self.points_estimator.energy_edges
        rows = self._fit_intervals(datasets, names_by_interval)
        used_names = {
            name for names in names_by_interval if self._has_source(names) for name in names
        }
        reasons = []
        for interval_rows, names, interval in zip(rows, names_by_interval, intervals, strict=True):
            missing = (
                missing_reasons(interval_rows, edges) if self._has_source(names) else NO_SOURCE
            )
            partly_within = spans.datasets_partly_within(interval, self.atol)
            reasons.append(_describe_gaps(missing, names, partly_within))
        return LightCurveData(
            self._build_flux_points(datasets, axes, rows, intervals, used_names),
            tuple(tuple(names) for names in names_by_interval),
            tuple(reasons),
        )

    def _fit_intervals(
        self, datasets: Datasets, names_by_interval: list[list[str]]
    ) -> list[list[Row]]:
        """Return the rows of each interval, one for each energy bin."""
        energy_ranges = list(pairwise(self.points_estimator.energy_edges))
        columns = FluxColumns.from_estimator(self.points_estimator)
        bins = [
            Bin(names, *energy_range)
            for names in names_by_interval
            if self._has_source(names)
            for energy_range in energy_ranges
        ]
        fits = (
            self._fit_stacked(datasets, bins)
            if self.stack
            else (self.points_estimator.fit_norms(datasets, bins))
        )
        rows = iter(fits)
        return [
            [
                next(rows) if self._has_source(names) else columns.missing_row()
                for _ in energy_ranges
            ]
            for names in names_by_interval
        ]

    def _fit_stacked(self, datasets: Datasets, bins: list[Bin]) -> list[Row]:
        """Return the rows of bins, whose datasets are stacked."""
        options = self.points_estimator.check, self.points_estimator.options
        estimator = CompiledFluxPointsEstimator(options[0], **options[1])
        stacked: dict[tuple[str, ...], Datasets] = {}  # only those of the current interval
        rows = []
        for fitted_bin in bins:
            names = tuple(fitted_bin.datasets)
            if names not in stacked:
                stacked = {names: stack_datasets(datasets, names)}
                estimator.prepare(stacked[names])
            energies = fitted_bin.energy_min, fitted_bin.energy_max
            rows.append(estimator.fit_norm(stacked[names], *energies))
        return rows

    def _has_source(self, names: list[str]) -> bool:
        allowed = self.points_estimator.model.datasets_names
        return bool(names) and (allowed is None or bool(set(names) & set(allowed)))

    def _build_flux_points(
        self,
        datasets: Datasets,
        axes: list[MapAxis],
        rows: list[list[Row]],
        intervals: Array,
        names: set[str],
    ) -> FluxPoints:
        start, stop = intervals.T * u.s
        time = TimeMapAxis(edges_min=start, edges_max=stop, reference_time=reference_time())
        energy = rounded_energy_axis(axes, self.points_estimator.energy_edges)
        dataset_names = [STACKED] if self.stack else datasets.names
        builder = FluxPointsBuilder(
            time, energy, dataset_names, FluxColumns.from_estimator(self.points_estimator)
        )
        used = [dataset for dataset in datasets if dataset.name in names]
        gti = Datasets(used).gti
        return builder.build(rows, self.points_estimator.reference_spectrum(), gti)


def _no_dataset_message(datasets: Datasets, n_intervals: int) -> str:
    gti = datasets.gti
    first, last = gti.time_start.min().utc.isot[:16], gti.time_stop.max().utc.isot[:16]
    return (
        f"none of the {len(datasets)} datasets is fully inside one of the {n_intervals} intervals "
        f"of the light curve: the data are from {first} to {last} (UTC); correct the intervals, "
        "stack fewer observations per dataset, or split the observations (selector time-window)"
    )


def _describe_gaps(missing: str, names: list[str], partly_within: list[str]) -> str:
    """Describe the missing norms and the excluded datasets of one interval."""
    verb = "extends" if len(partly_within) == 1 else "extend"
    excluded = f"{', '.join(partly_within)} {verb} beyond the interval"
    if not names:
        return (
            f"only partly covered: {excluded}"
            if partly_within
            else "no dataset lies in the interval"
        )
    reasons = [missing, f"excluded: {excluded}" if partly_within else ""]
    return "; ".join(reason for reason in reasons if reason)
