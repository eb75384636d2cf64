"""Estimator `light-curve`: the flux of a source by run, by night or in time intervals."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from astropy import units as u

from skyred.components.estimators.checks import (
    bin_problems,
    order_problems,
    source_problems,
)
from skyred.components.estimators.flux_options import (
    columns_option,
    energy_edges_option,
    n_sigma_option,
    n_sigma_sensitivity_option,
    n_sigma_ul_option,
    norm_option,
    reoptimize_option,
    shared_settings,
    sum_over_energy_groups_option,
)
from skyred.components.estimators.flux_points import flux_arguments
from skyred.components.estimators.norm_range import NormRange
from skyred.components.estimators.scripted import (
    non_default_arguments,
    write_nights,
    write_runs,
    write_time_bins,
)
from skyred.components.estimators.times import livetime, times_of_cut_runs
from skyred.components.intervals import Interval, interval_problems
from skyred.errors import Problem, SkyredWarning
from skyred.fields import Instant, instant, nested_list, option, quantity
from skyred.interfaces import SERIAL_TASKS, Chain, Estimator, Stacker, Tasks, component
from skyred.products.light_curve import LightCurveProduct

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.datasets import Datasets

    from skyred.interfaces.records import FitResult
    from skyred.likelihood.flux.light_curve import LightCurveData
    from skyred.scripting import Script

DESCRIPTIONS = {
    "n_datasets": "number of datasets in the interval",
    "livetime": "total livetime of the datasets in the interval",
    "reason": "reason for a missing flux, or datasets that were left out",
}


@component
class LightCurve(Estimator):
    """Light curve of a source: its flux by run, by night or in intervals of time."""

    kind = "light-curve"
    product = LightCurveProduct
    source: str = option(type=str, doc="Name of the source.")
    by: str = option(
        "run",
        choices=("run", "night", "interval"),
        doc="Time bins of the points: runs (stack: keep), nights, or intervals. With by: run, the "
        "parts of a run that was cut are fitted together.",
    )
    intervals: tuple[Interval, ...] = nested_list(
        Interval, doc="Intervals, for by: interval; only runs fully inside an interval are used."
    )
    width: u.Quantity | None = quantity(
        None,
        unit="d",
        min="1 s",
        doc="Width of equal intervals, for by: interval. For intervals shorter than a run, cut the "
        "runs into parts (selector time-window).",
    )
    start: Instant | None = instant(
        None, doc="Start of any one of the equal intervals; by default that of the first dataset."
    )
    energy_edges: u.Quantity | None = energy_edges_option("one bin of the whole energy axis")
    columns: tuple[str, ...] = columns_option()
    reoptimize: bool = reoptimize_option()
    n_sigma: float = n_sigma_option()
    n_sigma_ul: float = n_sigma_ul_option()
    n_sigma_sensitivity: float = n_sigma_sensitivity_option()
    norm: NormRange | None = norm_option()
    sum_over_energy_groups: bool = sum_over_energy_groups_option()
    stack_over_time_interval: bool = option(
        False, doc="Whether the datasets in each interval are stacked before the fit."
    )
    atol: u.Quantity = quantity(
        "1e-6 s",
        min="0 s",
        doc="Time by which datasets may extend beyond an interval that they belong to.",
    )

    def validate(self) -> Iterable[Problem]:
        """Check the energy edges, and that intervals are set if they are required.

        Yields
        ------
        Problem
            Invalid energy edges, or intervals that are missing, invalid or have no effect.
        """
        yield from order_problems(self.energy_edges)
        interval_options = [] if self.width is None else ["width"]
        interval_options += ["intervals"] if self.intervals else []
        if self.start is not None and self.width is None:
            yield Problem(("start",), "has no effect without width", "set by: interval and width")
        if self.by != "interval":
            for name in interval_options:
                yield Problem((name,), f"has no effect with by: {self.by}", "set by: interval")
        elif len(interval_options) != 1:
            message = (
                "both intervals and width are set"
                if interval_options
                else "neither intervals nor width is set"
            )
            yield Problem(("intervals",), message, "set exactly one of them")
        yield from interval_problems("intervals", self.intervals)
        if self.stack_over_time_interval and self.reoptimize:
            yield Problem(
                ("stack_over_time_interval",),
                "cannot be combined with reoptimize",
                "remove one of them: the backgrounds of stacked datasets are not fitted again",
            )

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems with the source, the stacker, the energies and the intervals.

        Parameters
        ----------
        pipeline : Chain
            The pipeline, with its data entries and models.

        Yields
        ------
        Problem
            A problem, with the option and the reason.
        """
        yield from source_problems(self.source, pipeline)
        if len(self.intervals) != 1 and len(entries := list(pipeline.entries())) == 1:
            ((entry_name, entry),) = entries
            stacker = getattr(entry, "stack", None)
            if isinstance(stacker, Stacker) and stacker.one_dataset:
                yield Problem(
                    ("by",),
                    f"data.{entry_name} is stacked into one dataset, so there is only one point",
                    f"keep the runs separate (data.{entry_name}.stack: {{kind: keep}}), or group "
                    "them",
                )
        yield from bin_problems(self.energy_edges, pipeline)
        yield from self._interval_problems()

    def _interval_problems(self) -> Iterable[Problem]:
        """Yield a problem if intervals, possibly in different time scales, are empty or overlap."""
        from skyred.errors import FitError
        from skyred.likelihood.flux.intervals import intervals_from_pairs

        if self.intervals:
            try:
                intervals_from_pairs(
                    [(interval.start.time, interval.stop.time) for interval in self.intervals]
                )
            except FitError as error:
                yield Problem(("intervals",), str(error))

    def estimate(
        self, datasets: Datasets, fit: FitResult | None, tasks: Tasks = SERIAL_TASKS
    ) -> LightCurveProduct:
        """Estimate the light curve with the compiled likelihood.

        The results agree with those of gammapy's `LightCurveEstimator`.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets, with their fitted models.
        fit : FitResult or None
            Result of the fit, None if nothing was fitted; not used.
        tasks : Tasks
            Runs the fits of bins, if each of them takes long.

        Returns
        -------
        LightCurveProduct
            The light curve and the model of the source.
        """
        from skyred.likelihood import light_curve

        time_bins: Any = self.by
        if self.by == "run":
            time_bins = times_of_cut_runs(datasets) or "run"
        elif self.by == "interval":
            time_bins = [
                (interval.start.time, interval.stop.time) for interval in self.intervals
            ] or self.width
        light_curve_data = light_curve(
            datasets,
            self.source,
            time_bins,
            self.energy_edges,
            start=None if self.start is None else self.start.time,
            reoptimize=self.reoptimize,
            sum_over_energy_groups=self.sum_over_energy_groups,
            stack_over_time_interval=self.stack_over_time_interval,
            atol=self.atol,
            **shared_settings(self),
            tasks=tasks,
        )
        if self.by == "run" and len(light_curve_data.reasons) < 2:
            warn_about_one_point(datasets)
        model = datasets.models.copy()[self.source]
        return LightCurveProduct(
            self.label, light_curve_data.flux, details_table(light_curve_data, datasets), model
        )

    def write_script(self, script: Script) -> None:
        """Write a call to gammapy's `LightCurveEstimator`.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        script.use("gammapy.estimators", "LightCurveEstimator")
        arguments = flux_arguments(self, script)
        if self.energy_edges is None:
            script.body.add('edges = datasets[0].counts.geom.axes["energy"].edges[[0, -1]]')
            arguments.append("energy_edges=edges")
        if self.by == "interval":
            arguments.append(f"time_intervals={self._write_intervals(script)}")
        elif self.by == "night":
            arguments.append(f"time_intervals={write_nights(script)}")
        else:
            arguments.append(f"time_intervals={write_runs(script)}")
        arguments += non_default_arguments(self, "stack_over_time_interval")
        if not self._is_default("atol", self.atol):
            arguments.append(f"atol={script.quantity(self.atol)}")
        script.body.add(
            f"estimator = LightCurveEstimator({', '.join(arguments)})",
            "light_curve = estimator.run(datasets)",
            'table = light_curve.to_table(format="lightcurve", sed_type="flux")',
            "print(table)",
            f'table.write(folder / "{self.label}.ecsv", overwrite=True)',
        )
        script.draw('light_curve.plot(ax=axes, sed_type="flux", axis_name="time")', self.label)

    def _write_intervals(self, script: Script) -> str:
        """Write the intervals, and return the name of the variable that contains them."""
        if self.width is not None:
            return write_time_bins(script, self.width, self.start)
        pairs = (
            f"Time([{script.time(interval.start)}, {script.time(interval.stop)}])"
            for interval in self.intervals
        )
        return script.constant(f"{self.label}_INTERVALS", f"[{', '.join(pairs)}]")


def warn_about_one_point(datasets: Datasets) -> None:
    """Warn that a light curve by run has only one point, with the reason.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        The datasets of the light curve.
    """
    reason = f"its {len(datasets)} datasets cover the same time"
    if len(datasets) == 1:
        reason = (
            f"{datasets[0].name} is the only dataset; if it contains several runs, "
            "keep them separate (stack: {kind: keep}) or group them"
        )
    warnings.warn(f"the light curve by run has one point: {reason}", SkyredWarning, stacklevel=3)


def details_table(light_curve_data: LightCurveData, datasets: Datasets) -> Table:
    """Create a table of the datasets of each interval, and of reasons for missing fluxes.

    Parameters
    ----------
    light_curve_data : LightCurveData
        The light curve.
    datasets : gammapy.datasets.Datasets
        The datasets.

    Returns
    -------
    astropy.table.Table
        Columns ``n_datasets``, ``livetime`` in s and ``reason``, one row per interval.
    """
    from astropy.table import Table

    livetimes = {dataset.name: livetime(dataset) for dataset in datasets}
    total_livetimes = [
        u.Quantity([livetimes[dataset_name] for dataset_name in names] or [0] * u.s).sum()
        for names in light_curve_data.datasets
    ]
    table = Table(
        {
            "n_datasets": [len(names) for names in light_curve_data.datasets],
            "livetime": u.Quantity(total_livetimes).to("s"),
            "reason": list(light_curve_data.reasons),
        }
    )
    for name, description in DESCRIPTIONS.items():
        table[name].description = description
    return table
