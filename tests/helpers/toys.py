"""Toy components, an archive and a watcher: a complete pipeline on simple counts.

A toy run has ``1 / OBS_ID`` counts in each of two bins: the last bits of their sum depend on
the order of the runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from skyred import (
    Estimator,
    FitResult,
    Fitter,
    Maker,
    Model,
    Pipeline,
    Product,
    Reduction,
    Selector,
    SkipObservation,
    Stacker,
    component,
    hookimpl,
    option,
    quantity,
)
from skyred.interfaces import Geometry
from skyred.interfaces.records import Owner
from skyred.plugins import Plugins


@component
class ToySelector(Selector):
    """Select runs with an odd id."""

    kind = "toy-odd"

    def select(self, table: Any) -> Any:
        return table[np.asarray(table["OBS_ID"]) % 2 == 1]


@component
class DuplicatingSelector(Selector):
    """Select every run twice: once in reverse order, and once in the original order."""

    kind = "toy-duplicating"

    def select(self, table: Any) -> Any:
        return table[[*range(len(table))[::-1], *range(len(table))]]


@component
class ToyGeometry(Geometry):
    """A spectrum in a region, by default with two energy bins."""

    kind = "toy-region"
    bins: int = option(2, min=1, doc="Number of energy bins.")

    def target(self, name: str | None = None) -> Any:
        from gammapy.datasets import SpectrumDataset
        from gammapy.maps import MapAxis, RegionGeom, RegionNDMap

        edges = np.geomspace(1, 10, self.bins + 1)
        reco = RegionGeom.create(
            "icrs;circle(0, 0, 1)", axes=[MapAxis.from_energy_edges(edges, unit="TeV")]
        )
        true = RegionGeom.create(
            "icrs;circle(0, 0, 1)",
            axes=[MapAxis.from_energy_edges(edges, unit="TeV", name="energy_true")],
        )
        return SpectrumDataset(
            counts=RegionNDMap.from_geom(reco),
            exposure=RegionNDMap.from_geom(true, unit="cm2 s"),
            background=RegionNDMap.from_geom(reco),
            mask_safe=RegionNDMap.from_geom(reco, data=True, dtype=bool),
            name=name or self.name,
        )

    def cutout(self, target: Any, observation: Any, reduction: Reduction) -> Any:
        return target.copy(name=f"{target.name}-{observation.obs_id}")


@component
class ToyMaker(Maker):
    """Set the counts of a run; skip some runs, and fail for others."""

    kind = "toy-fill"
    scale = quantity("700 GeV", doc="An energy, for its digest only.")
    threshold = quantity("0.02 deg", min="0 deg", max="1 deg", doc="An angle, for its digest only.")
    skip: tuple[int, ...] = option((), type=int, many=True, doc="Runs to skip.")
    fail: tuple[int, ...] = option((), type=int, many=True, doc="Runs that raise an error.")

    def make(self, dataset: Any, observation: Any) -> Any:
        obs_id = int(observation.obs_id)
        if obs_id in self.skip:
            raise SkipObservation(f"run {obs_id} is too cloudy")
        if obs_id in self.fail:
            raise RuntimeError(f"run {obs_id} is broken")
        dataset.counts.data += 1 / obs_id
        dataset.exposure.data += 1.0
        return dataset


@component
class ToySum(Stacker):
    """Add counts and exposures."""

    kind = "toy-sum"

    def zero(self, geometry: Geometry) -> Any:
        return [geometry.name]

    def add(self, total: Any, dataset: Any, observation: Any) -> Any:
        return self.merge(total, [total[0], dataset.copy(name=total[0])])

    def merge(self, left: Any, right: Any) -> Any:
        if len(right) == 1 or len(left) == 1:
            return left if len(right) == 1 else right
        left[1].counts.data += right[1].counts.data
        left[1].exposure.data += right[1].exposure.data
        return left

    def result(self, total: Any) -> Any:
        from gammapy.datasets import Datasets

        return Datasets(total[1:])


@component
class ToyModel(Model):
    """A source with a flat spectrum."""

    kind = "toy-flat"
    name: str = option("toy", doc="Name of the source.")

    def source_names(self) -> Iterable[str]:
        return [self.name]

    def build(self, datasets: Any) -> Any:
        from gammapy.modeling.models import ConstantSpectralModel, Models, SkyModel

        return Models([SkyModel(ConstantSpectralModel(const="1 cm-2 s-1 TeV-1"), name=self.name)])


@component
class ToyFitter(Fitter):
    """Fit with numerical Newton steps, which are halved until the statistic falls."""

    kind = "toy-newton"
    fails: bool = option(False, doc="Whether to report that the fit failed.")

    def fit(self, objective: Any) -> FitResult:
        f, values = objective.total, objective.start
        for _ in range(20):
            gradient, hessian = self._derivatives(f, values)
            step = -np.linalg.solve(hessian, gradient)
            while f(values + step) > f(values) and np.abs(step).max() > 1e-6:
                step /= 2
            values = values + step
        _, hessian = self._derivatives(f, values)
        covariance = 2 * np.linalg.inv(hessian)
        return FitResult(
            names=objective.names,
            units=objective.units,
            values=values,
            errors=np.sqrt(np.abs(np.diag(covariance))),
            covariance=covariance,
            stat=f(values),
            success=not self.fails,
            message="too many iterations" if self.fails else "",
        )

    @staticmethod
    def _derivatives(f: Any, x: Any) -> tuple[Any, Any]:
        h = 1e-3
        steps = np.eye(len(x)) * h
        gradient = [(f(x + a) - f(x - a)) / (2 * h) for a in steps]
        hessian = [
            [(f(x + a + b) - f(x + a) - f(x + b) + f(x)) / h**2 for b in steps] for a in steps
        ]
        return np.array(gradient), np.array(hessian)


@attrs.define(eq=False)
class ToyProduct(Product):
    """The sum of counts."""

    counts: float

    def write(self, folder: Path) -> list[Path]:
        path = folder / f"{self.name}.txt"
        path.write_text(repr(self.counts), encoding="utf-8")
        return [path]

    @classmethod
    def read(cls, folder: Path, name: str, models: Any) -> ToyProduct:
        return cls(name, float((folder / f"{name}.txt").read_text(encoding="utf-8")))

    def table(self) -> Any:
        from astropy.table import Table

        return Table({"counts": [self.counts]})

    def plot(self, ax: Any = None) -> Any:
        raise NotImplementedError

    def plot_functions(self) -> dict[str, Any]:
        return {}


@component
class ToyEstimator(Estimator):
    """Estimate the sum of all counts."""

    kind = "toy-total"
    product = ToyProduct
    fails: bool = option(False, doc="Whether to raise an error.")

    def estimate(self, datasets: Any, fit: FitResult | None) -> Product:
        if self.fails:
            raise RuntimeError("the estimator failed")
        return ToyProduct(self.label, float(sum(dataset.counts.data.sum() for dataset in datasets)))


COMPONENTS = (
    ToySelector, DuplicatingSelector, ToyGeometry, ToyMaker, ToySum, ToyModel, ToyFitter,
    ToyEstimator,
)  # fmt: skip


@attrs.define
class ToyStore:
    """An archive of runs 1 to `runs`, with the interface of gammapy's DataStore.

    Run 13 cannot be opened.
    """

    runs: int

    @property
    def obs_table(self) -> Any:
        from gammapy.data import ObservationTable

        return ObservationTable({"OBS_ID": np.arange(1, self.runs + 1)})

    @property
    def hdu_table(self) -> Any:
        from astropy.table import Table

        return Table({"OBS_ID": np.array([], dtype=int)})

    def obs(self, obs_id: int, required_irf: Any) -> Any:
        from gammapy.data import Observation

        if obs_id == 13:
            raise ValueError("run 13 has no effective area")
        return Observation(obs_id=int(obs_id))


@hookimpl
def skyred_components() -> Iterable[Any]:
    """Provide the toy components."""
    return COMPONENTS


@hookimpl
def skyred_archive(location: Any) -> Any:
    """Open ``toy:N``, an archive of N runs."""
    scheme, _, runs = str(location).partition(":")
    return ToyStore(int(runs)) if scheme == "toy" else None


@attrs.define
class Recorder:
    """A watcher that records the calls of its hooks, with their arguments.

    Parameters
    ----------
    calls : list
        Name and arguments of each call.
    raises_in : str
        Name of a hook that raises an error.
    """

    calls: list[tuple[str, dict[str, Any]]] = attrs.field(factory=list)
    raises_in: str = ""

    def _record(self, hook: str, **arguments: Any) -> None:
        self.calls.append((hook, arguments))
        if hook == self.raises_in:
            raise RuntimeError("the watcher is broken")

    @hookimpl
    def skyred_run_started(self, run: Any) -> None:
        self._record("run_started", run=run)

    @hookimpl
    def skyred_step_started(self, run: Any, step: str) -> None:
        self._record("step_started", run=run, step=step)

    @hookimpl
    def skyred_observation_reduced(self, run: Any, outcome: Any) -> None:
        self._record("observation_reduced", run=run, outcome=outcome)

    @hookimpl
    def skyred_task_finished(self, run: Any, estimate: str, finished: int, total: int) -> None:
        self._record("task_finished", estimate=estimate, finished=finished, total=total)

    @hookimpl
    def skyred_step_finished(self, run: Any, step: str, record: Any) -> None:
        self._record("step_finished", run=run, step=step, record=record)

    @hookimpl
    def skyred_run_finished(self, run: Any, report: Any) -> None:
        self._record("run_finished", run=run, report=report)


def toy_plugins(*watchers: tuple[str, Any]) -> Plugins:
    """Return plugins with the toys, the engines, Minuit, provenance and other watchers."""
    import toys  # this module, as a plugin
    from skyred.components import engines
    from skyred.components.fitters import minuit
    from skyred.components.watchers import provenance

    plugins = Plugins.load(points=[])
    for distribution, name, plugin in (
        ("skyred", "engines", engines),
        ("skyred", "minuit", minuit),
        ("skyred", "provenance", provenance.Provenance()),
        ("toys", "toys", toys),
        *(("toys", *watcher) for watcher in watchers),
    ):
        plugins.register(plugin, Owner(distribution, "1.0", name))
    plugins.raise_if_faulty()
    return plugins


def toy_pipeline(
    runs: int = 5, *, fit: Any = None, model: bool = True, estimate: Any = (), **changes: Any
) -> Pipeline:
    """Return a pipeline of toys.

    Parameters
    ----------
    runs : int
        Number of runs in the archive.
    fit : Fitter, optional
        Fitter.
    model : bool
        Whether to add a source.
    estimate : sequence of Estimator
        Estimators.
    **changes
        Options of the reduction, which is called "toy".
    """
    options: dict[str, Any] = {
        "archive": f"toy:{runs}",
        "geometry": ToyGeometry(),
        "make": [ToyMaker()],
        "stack": ToySum(chunk=2),
        **changes,
    }
    return Pipeline(
        data={"toy": Reduction(**options)},
        model=[ToyModel()] if model else [],
        fit=fit,
        estimate=estimate,
    )
