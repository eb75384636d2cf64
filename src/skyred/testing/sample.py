"""What components are tried on: an author's own input, or short runs of a simulated Crab."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from skyred.config import load, read_document
from skyred.interfaces import Geometry, Maker, Reduction
from skyred.pipeline import Pipeline
from skyred.plugins import Plugins
from skyred.run.worker.observation import apply_background_norm
from skyred.testing.copies import Kept

if TYPE_CHECKING:
    from gammapy.data import Observation, ObservationTable
    from gammapy.datasets import Dataset, Datasets

    from skyred.interfaces.records import FitResult

NAME = "sample"


@attrs.frozen(kw_only=True, eq=False)
class Sample:
    """What a component is tried on; what is left out is of three short runs of a simulated Crab.

    Nothing of it is changed: components get copies.

    Parameters
    ----------
    observations : sequence of gammapy.data.Observation, optional
        At least two, for makers, geometries and stackers.
    table : gammapy.data.ObservationTable, optional
        For selectors, and for stackers that learn from it.
    geometry : Geometry, optional
        Where a maker's datasets lie; by default a map, an image or a spectrum, whichever it
        takes.
    after : sequence of Maker, optional
        The makers before a maker that is checked, with `geometry`.
    datasets : gammapy.datasets.Datasets, optional
        For models, estimators and stackers; those for estimators have (fitted) models.
    fit : FitResult, optional
        The fit that an estimator is given with `datasets`.
    """

    observations: Sequence[Observation] | None = None
    table: ObservationTable | None = None
    geometry: Geometry | None = None
    after: Sequence[Maker] = ()
    datasets: Datasets | None = None
    fit: FitResult | None = None


@attrs.frozen
class Place:
    """Where a maker may stand: a reduction, and the makers before it.

    Parameters
    ----------
    words : str
        What it is given there.
    reduction : Reduction
        Its geometry; its makers are those before.
    filled : bool
        Whether those before have filled the dataset.
    """

    words: str
    reduction: Reduction
    filled: bool


@attrs.frozen(eq=False, slots=False)
class Crab:
    """The simulated Crab, reduced and fitted by the installed defaults.

    Parameters
    ----------
    plugins : Plugins
        Where its components come from.
    """

    plugins: Plugins

    @cached_property
    def pipeline(self) -> Pipeline:
        """How it is reduced and fitted."""
        # not by Pipeline.from_yaml: a faulty plugin of others is not what is checked
        text = read_document(Path(__file__).with_name("sample.yaml"))
        return load(Pipeline, text, self.plugins.catalog)

    @cached_property
    def _store(self) -> Any:
        (archive,) = self.pipeline.data["maps"].archive
        return self.plugins.open_archive(str(archive))

    @cached_property
    def _observations(self) -> Kept:
        import numpy as np

        held = self._store.get_observations()
        copies = [each.copy(in_memory=True, obs_id=each.obs_id) for each in held]
        for number, each in enumerate(copies):  # for makers that judge by phase
            table = each.events.table
            table["PHASE"] = np.random.default_rng(number).random(len(table))
        return Kept(copies)

    def observations(self) -> list[Observation]:
        """Give the runs, in memory; new ones each time."""
        return list(self._observations.copy())

    def table(self) -> ObservationTable:
        """Give a table of twelve runs: the three, and the same later and elsewhere; a new one."""
        table: ObservationTable = self._table.copy()
        return table

    @cached_property
    def _table(self) -> Kept:
        from astropy.table import vstack

        parts = []
        for number in range(4):
            part = self._store.obs_table.copy()
            part["OBS_ID"] += 100 * number
            part["RA_PNT"] += number
            for column in ("TSTART", "TSTOP"):
                part[column] += 86400.0 * number
            parts.append(part)
        return Kept(vstack(parts, metadata_conflicts="silent"))

    def places(self) -> list[Place]:
        """Give where a maker may stand, likely ones first."""
        maps, image, spectra = (self.pipeline.data[name] for name in ("maps", "image", "spectra"))
        return [
            _place("an empty map", maps, 0),
            _place("a map after map, safe-mask", maps, 2),
            _place("an image after map, safe-mask", image, 2),
            _place("an empty spectrum", spectra, 0),
            _place("a spectrum after spectrum, safe-mask", spectra, 2),
            _place("a spectrum after spectrum, safe-mask, reflected-regions", spectra, 3),
        ]

    def reduction(self, name: str) -> Reduction:
        """Give the chain of a data entry."""
        held = self.pipeline.data[name].with_name(NAME)
        assert isinstance(held, Reduction)
        return held

    @cache  # noqa: B019 - there is one, and it lives as long as the process
    def _before(self, place: Place) -> Kept:
        return Kept([made_before(place, run) for run in self.observations()])

    def before(self, place: Place) -> list[Dataset]:
        """Give what the makers before make of each run; new ones each time."""
        return list(self._before(place).copy())

    @cache  # noqa: B019 - as above
    def _reduced(self, name: str) -> Kept:
        reduction = self.reduction(name)
        runs = self.observations()
        return Kept([make_run(reduction, reduction.make, run) for run in runs])

    def reduced(self, name: str) -> list[Dataset]:
        """Give the reduced dataset of each run; new ones each time."""
        return list(self._reduced(name).copy())

    def stacked(self) -> Datasets:
        """Give the maps of all runs as one dataset; a new one each time."""
        datasets: Datasets = self._stacked.copy()
        return datasets

    @cached_property
    def _stacked(self) -> Kept:
        reduction = self.reduction("maps")
        total = reduction.stack.zero(reduction.geometry)
        for dataset, run in zip(self.reduced("maps"), self.observations(), strict=True):
            total = reduction.stack.add(total, dataset, run)
        return Kept(reduction.stack.result(total))

    @cached_property
    def _fitted(self) -> Kept:
        from skyred.likelihood import objective_of
        from skyred.run.build_models import build_models

        datasets = self.stacked()
        datasets.models = build_models(self.pipeline.model, datasets)
        assert self.pipeline.fit is not None
        objective = objective_of(datasets)
        result = self.pipeline.fit.fit(objective)
        objective.accept(result)
        return Kept((datasets, result))

    def fitted(self) -> tuple[Datasets, FitResult]:
        """Give the stacked dataset with fitted models (crab, and its background), and the fit."""
        datasets, result = self._fitted.copy()
        return datasets, result


@cache
def crab() -> Crab:
    """Give the simulated Crab; it is made once in a process, part by part when it is needed."""
    return Crab(Plugins.load())


def make_run(reduction: Reduction, makers: Sequence[Maker], run: Observation) -> Dataset:
    """Make the dataset of one run."""
    target = reduction.geometry.target()
    dataset = reduction.geometry.cutout(target, run, reduction)
    for maker in makers:
        dataset = maker.make(dataset, run)
    apply_background_norm(dataset)
    return dataset


def made_before(place: Place, run: Observation) -> Dataset:
    """Make of a run what a maker is given at a place."""
    geometry = place.reduction.geometry
    dataset = geometry.cutout(geometry.target(), run, place.reduction)
    for maker in place.reduction.make if place.filled else ():
        dataset = maker.make(dataset, run)
    return dataset


def _place(words: str, reduction: Reduction, makers: int) -> Place:
    before = reduction.with_name(NAME).evolve(make=reduction.make[:makers] or reduction.make)
    return Place(words, before, filled=makers > 0)
