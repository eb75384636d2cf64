"""The estimator `light-curve`: the flux of a source by run, by night or in intervals of time."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import attrs
from astropy import units as u

from skyred.components.estimators.checks import (
    bin_problems,
    rising_problems,
    source_problems,
)
from skyred.components.estimators.flux_options import (
    energy_bins,
    error_width,
    limit_confidence,
    optional_columns,
    refit_others,
)
from skyred.components.estimators.flux_points import flux_options
from skyred.components.estimators.scripted import write_nights, write_steps
from skyred.components.estimators.times import livetime
from skyred.errors import Problem, SkyredWarning
from skyred.fields import Instant, chain, instant, option, quantity
from skyred.interfaces import Chain, Estimator, Fields, Stacker, component, value
from skyred.products.light_curve import LightCurveProduct
from skyred.scripting import literal

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.datasets import Datasets

    from skyred.interfaces.records import FitResult
    from skyred.likelihood.flux.light_curve import LightCurveData
    from skyred.scripting import Script


@value
class Interval(Fields):
    """An interval of time."""

    start: Instant = instant(doc="Its start.")
    stop: Instant = instant(doc="Its end.")

    def validate(self) -> Iterable[Problem]:
        """It must not end before it starts."""
        if not self.start.before(self.stop):
            yield Problem(("start",), f"{self.start} is not before {self.stop}", "swap them")


@component
class LightCurve(Estimator):
    """Light curve of a source: its flux by run, by night or in intervals of time."""

    kind = "light-curve"
    product = LightCurveProduct
    source: str = option(type=str, doc="Name of the source.")
    by: str = option(
        "run",
        choices=("run", "night", "interval"),
        doc="What a point is of: a run (stack: keep), a night, or the given intervals.",
    )
    intervals: tuple[Interval, ...] = chain(
        Interval, doc="The intervals, of by: interval; a run counts that lies in one fully."
    )
    width: u.Quantity | None = quantity(
        None,
        unit="d",
        min="1 s",
        doc="Width of equal intervals from the first start on, of by: interval.",
    )
    energy_edges: u.Quantity | None = energy_bins("one bin of the whole energy axis")
    columns: tuple[str, ...] = optional_columns()
    reoptimize: bool = refit_others()
    n_sigma: float = error_width()
    n_sigma_ul: float = limit_confidence()

    def validate(self) -> Iterable[Problem]:
        """Edges rise, and there are intervals where they are asked for."""
        yield from rising_problems(self.energy_edges)
        given = [] if self.width is None else ["width"]
        given += ["intervals"] if self.intervals else []
        if self.by != "interval":
            for name in given:
                yield Problem((name,), f"is given with by: {self.by}", "expected by: interval")
        elif len(given) != 1:
            found = "both intervals and width are given" if given else "there are no intervals"
            yield Problem(("intervals",), found, "give one of the two: intervals or width")
        for number, (one, other) in enumerate(pairwise(self.intervals)):
            if one.stop.scale != other.start.scale or one.stop.iso <= other.start.iso:
                continue
            text = f"starts at {other.start}, before the end of the one before it, {one.stop}"
            yield Problem(("intervals", number + 1), text, "expected one after the other")

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems of the source, the stacker, the energies and the intervals."""
        yield from source_problems(self.source, pipeline)
        if len(entries := list(pipeline.entries())) == 1:
            ((entry, data),) = entries
            stacker = getattr(data, "stack", None)
            if isinstance(stacker, Stacker) and stacker.one_dataset:
                yield Problem(
                    ("by",),
                    f"data.{entry} is stacked to one dataset, which would give one point only",
                    f"keep the runs apart (data.{entry}.stack: {{kind: keep}}), or group them",
                )
        yield from bin_problems(self.energy_edges, pipeline)
        yield from self._interval_problems()

    def _interval_problems(self) -> Iterable[Problem]:
        """Yield a problem if intervals do not rise; their time scales may differ."""
        from skyred.errors import FitError
        from skyred.likelihood.flux.intervals import given

        if self.intervals:
            try:
                given([(each.start.time, each.stop.time) for each in self.intervals])
            except FitError as error:
                yield Problem(("intervals",), str(error))

    def estimate(self, datasets: Datasets, fit: FitResult | None) -> LightCurveProduct:
        """Estimate by the flat likelihood, with the numbers of gammapy's `LightCurveEstimator`."""
        from skyred.likelihood import light_curve

        intervals: Any = self.by
        if self.by == "interval":
            intervals = [(each.start.time, each.stop.time) for each in self.intervals] or self.width
        found = light_curve(
            datasets,
            self.source,
            intervals,
            self.energy_edges,
            selection_optional=list(self.columns),
            reoptimize=self.reoptimize,
            n_sigma=self.n_sigma,
            n_sigma_ul=self.n_sigma_ul,
        )
        if self.by == "run" and len(found.reasons) < 2:
            warn_of_one_point(datasets)
        model = datasets.models.copy()[self.source]
        return LightCurveProduct(self.label, found.flux, details(found, datasets), model)

    def write_script(self, script: Script) -> None:
        """Run gammapy's estimator."""
        script.use("gammapy.estimators", "LightCurveEstimator")
        options = flux_options(self, script)
        if self.energy_edges is None:
            script.body.add('edges = datasets[0].counts.geom.axes["energy"].edges[[0, -1]]')
            options.append("energy_edges=edges")
        if self.by == "interval":
            options.append(f"time_intervals={self._intervals_code(script)}")
        elif self.by == "night":
            options.append(f"time_intervals={write_nights(script)}")
        script.body.add(
            f"estimator = LightCurveEstimator({', '.join(options)})",
            "light_curve = estimator.run(datasets)",
            'table = light_curve.to_table(format="lightcurve", sed_type="flux")',
            "print(table)",
            f'table.write(folder / "{self.label}.ecsv", overwrite=True)',
        )
        script.draw('light_curve.plot(ax=axes, sed_type="flux", axis_name="time")', self.label)

    def _intervals_code(self, script: Script) -> str:
        if self.width is not None:
            return write_steps(script, self.width)
        script.use("astropy.time", "Time")
        pairs = (
            f"Time([{literal(each.start.iso)}, {literal(each.stop.iso)}], "
            f"scale={literal(each.start.scale)})"
            for each in self.intervals
        )
        return script.constant(f"{self.label}_INTERVALS", f"[{', '.join(pairs)}]")


def warn_of_one_point(datasets: Datasets) -> None:
    """Say why a light curve by run has one point only."""
    why = f"its {len(datasets)} datasets are of the same time"
    if len(datasets) == 1:
        why = (
            f"{datasets[0].name} is the only dataset; if it is of several runs, keep them apart "
            "(stack: {kind: keep}) or group them"
        )
    warnings.warn(f"the light curve by run has one point: {why}", SkyredWarning, stacklevel=3)


def details(found: LightCurveData, datasets: Datasets) -> Table:
    """Give for each interval how many datasets lie in it, their livetime, and what is missing."""
    from astropy.table import Table

    spent = {dataset.name: livetime(dataset) for dataset in datasets}
    total = [u.Quantity([spent[n] for n in names] or [0] * u.s).sum() for names in found.datasets]
    table = Table(
        {
            "n_datasets": [len(names) for names in found.datasets],
            "livetime": u.Quantity(total).to("s"),
            "reason": list(found.reasons),
        }
    )
    for name, text in attrs.asdict(Descriptions()).items():
        table[name].description = text
    return table


@attrs.frozen
class Descriptions:
    """What the further columns are."""

    n_datasets: str = "datasets that lie in the interval"
    livetime: str = "their livetime"
    reason: str = "why there is no flux, or which datasets were left out"
