"""Input for component checks: from the author of the component, or simulated Crab runs."""

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
from skyred.run.worker.background_norm import apply_background_norm
from skyred.testing.copies import Snapshot
from skyred.testing.steps import step

if TYPE_CHECKING:
    from gammapy.data import Observation, ObservationTable
    from gammapy.datasets import Dataset, Datasets

    from skyred.interfaces.records import FitResult

NAME = "sample"


@attrs.frozen(kw_only=True, eq=False)
class Sample:
    """The input for the checks of a component, by default three short runs of a simulated Crab.

    Components receive copies, so that the sample is not changed.

    Parameters
    ----------
    observations : sequence of gammapy.data.Observation, optional
        At least two observations, for makers, geometries, stackers and selectors that cut runs.
    table : gammapy.data.ObservationTable, optional
        The observation table, for selectors, and for stackers that are prepared with it.
    geometry : Geometry, optional
        The geometry of the datasets of a maker or a stacker; by default, for a maker, the first of
        a map, an image and a spectrum that it accepts.
    after : sequence of Maker, optional
        The makers that precede the maker to be checked; only used together with `geometry`.
    datasets : gammapy.datasets.Datasets, optional
        The datasets for models, estimators and stackers, with fitted models for estimators.
    fit : FitResult, optional
        The result of the fit of `datasets`, for estimators.
    """

    observations: Sequence[Observation] | None = None
    table: ObservationTable | None = None
    geometry: Geometry | None = None
    after: Sequence[Maker] = ()
    datasets: Datasets | None = None
    fit: FitResult | None = None


@attrs.frozen
class MakerSetting:
    """The conditions for running a maker: a geometry and the preceding makers.

    Parameters
    ----------
    description : str
        The datasets that the maker receives.
    reduction : Reduction
        The reduction with the geometry and, if `is_filled`, the preceding makers.
    is_filled : bool
        Whether the preceding makers fill the dataset; if False, the maker receives an empty one.
    """

    description: str
    reduction: Reduction
    is_filled: bool


@attrs.frozen(eq=False, slots=False)
class Crab:
    """The simulated Crab, reduced and fitted with the installed default components.

    Parameters
    ----------
    plugins : Plugins
        The plugins that provide the components.
    """

    plugins: Plugins

    @cached_property
    def pipeline(self) -> Pipeline:
        """The pipeline of the reduction and the fit."""
        # not with Pipeline.from_yaml, which raises an error if an unrelated plugin is faulty
        document = read_document(Path(__file__).with_name("sample.yaml"))
        return load(Pipeline, document, self.plugins.catalog)

    @cached_property
    def _store(self) -> Any:
        (archive,) = self.pipeline.data["maps"].archive
        return self.plugins.open_archive(str(archive))

    @cached_property
    def _observations(self) -> Snapshot:
        import numpy as np

        with step("opening the runs of the sample"):
            runs = self._store.get_observations()
        copies = [run.copy(in_memory=True, obs_id=run.obs_id) for run in runs]
        for seed, run in enumerate(copies):  # for makers that need the phase
            table = run.events.table
            table["PHASE"] = np.random.default_rng(seed).random(len(table))
        return Snapshot(copies)

    def observations(self) -> list[Observation]:
        """Return new copies of the runs, in memory.

        Returns
        -------
        list of gammapy.data.Observation
            Three runs.
        """
        return list(self._observations.copy())

    def table(self) -> ObservationTable:
        """Return a new table of twelve runs: three runs, each at four times and positions.

        Returns
        -------
        gammapy.data.ObservationTable
            The table.
        """
        table: ObservationTable = self._table.copy()
        return table

    @cached_property
    def _table(self) -> Snapshot:
        from astropy.table import vstack

        tables = []
        for day in range(4):
            table = self._store.obs_table.copy()
            table["OBS_ID"] += 100 * day
            table["RA_PNT"] += day
            for column in ("TSTART", "TSTOP"):
                table[column] += 86400.0 * day
            tables.append(table)
        return Snapshot(vstack(tables, metadata_conflicts="silent"))

    def maker_settings(self) -> list[MakerSetting]:
        """Return the settings in which a maker is tried, the most common settings first.

        Returns
        -------
        list of MakerSetting
            The settings.
        """
        maps, image, spectra = (self.pipeline.data[name] for name in ("maps", "image", "spectra"))
        return [
            _setting("an empty map", maps, 0),
            _setting("a map after map, safe-mask", maps, 2),
            _setting("an image after map, safe-mask", image, 2),
            _setting("an empty spectrum", spectra, 0),
            _setting("a spectrum after spectrum, safe-mask", spectra, 2),
            _setting("a spectrum after spectrum, safe-mask, reflected-regions", spectra, 3),
        ]

    def reduction(self, name: str) -> Reduction:
        """Return the reduction of a data entry.

        Parameters
        ----------
        name : str
            The data entry: maps, image or spectra.

        Returns
        -------
        Reduction
            The reduction, with datasets named `NAME`.
        """
        reduction = self.pipeline.data[name].with_name(NAME)
        assert isinstance(reduction, Reduction)
        return reduction

    @cache  # noqa: B019 - a singleton with the lifetime of the process
    def _datasets_before(self, setting: MakerSetting) -> Snapshot:
        return Snapshot([run_preceding_makers(setting, run) for run in self.observations()])

    def datasets_before(self, setting: MakerSetting) -> list[Dataset]:
        """Return new copies of the datasets that a maker receives in a setting.

        Parameters
        ----------
        setting : MakerSetting
            The setting.

        Returns
        -------
        list of Dataset
            One dataset for each run.
        """
        return list(self._datasets_before(setting).copy())

    @cache  # noqa: B019 - as above
    def _reduced(self, name: str) -> Snapshot:
        reduction = self.reduction(name)
        runs = self.observations()
        return Snapshot([reduce_run(reduction, reduction.make, run) for run in runs])

    def reduced_datasets(self, name: str) -> list[Dataset]:
        """Return new copies of the reduced datasets.

        Parameters
        ----------
        name : str
            The data entry: maps, image or spectra.

        Returns
        -------
        list of Dataset
            One dataset for each run.
        """
        return list(self._reduced(name).copy())

    def stacked_datasets(self) -> Datasets:
        """Return a new copy of the stacked maps of all runs.

        Returns
        -------
        gammapy.datasets.Datasets
            A single dataset.
        """
        datasets: Datasets = self._stacked.copy()
        return datasets

    @cached_property
    def _stacked(self) -> Snapshot:
        reduction = self.reduction("maps")
        total = reduction.stack.zero(reduction.geometry)
        for dataset, run in zip(self.reduced_datasets("maps"), self.observations(), strict=True):
            total = reduction.stack.add(total, dataset, run)
        return Snapshot(reduction.stack.result(total))

    @cached_property
    def _fitted(self) -> Snapshot:
        from skyred.likelihood import objective_of
        from skyred.run.build_models import build_models

        datasets = self.stacked_datasets()
        with step("building the models of the sample"):
            datasets.models = build_models(self.pipeline.model, datasets)
        assert self.pipeline.fit is not None
        with step("fitting the sample"):
            objective = objective_of(datasets)
            result = self.pipeline.fit.fit(objective)
            objective.accept(result)
        return Snapshot((datasets, result))

    def fitted_datasets(self) -> tuple[Datasets, FitResult]:
        """Return new copies of the fitted dataset and the result of the fit.

        Returns
        -------
        datasets : gammapy.datasets.Datasets
            The stacked dataset, with fitted models of the source and the background.
        result : FitResult
            The result of the fit.
        """
        datasets, result = self._fitted.copy()
        return datasets, result


@cache
def crab() -> Crab:
    """Return the simulated Crab that all checks in this process share.

    Returns
    -------
    Crab
        The same object in each call.
    """
    return Crab(Plugins.load())


def reduce_run(reduction: Reduction, makers: Sequence[Maker], run: Observation) -> Dataset:
    """Return the reduced dataset of a run.

    Parameters
    ----------
    reduction : Reduction
        The reduction with the geometry.
    makers : sequence of Maker
        The makers.
    run : Observation
        The run.

    Returns
    -------
    Dataset
        The reduced dataset, with the background norm applied.
    """
    target = reduction.geometry.target()
    dataset = reduction.geometry.cutout(target, run, reduction)
    for maker in makers:
        with step(f"reducing run {run.obs_id} of the sample with the maker {maker.kind}"):
            dataset = maker.make(dataset, run)
    apply_background_norm(dataset)
    return dataset


def run_preceding_makers(setting: MakerSetting, run: Observation) -> Dataset:
    """Return the dataset of a run that a maker receives in a setting.

    Parameters
    ----------
    setting : MakerSetting
        The setting.
    run : Observation
        The run.

    Returns
    -------
    Dataset
        The output of the preceding makers, or an empty dataset if there are none.
    """
    geometry = setting.reduction.geometry
    dataset = geometry.cutout(geometry.target(), run, setting.reduction)
    for maker in setting.reduction.make if setting.is_filled else ():
        with step(f"reducing run {run.obs_id} with the preceding maker {maker.kind}"):
            dataset = maker.make(dataset, run)
    return dataset


def _setting(description: str, reduction: Reduction, n_makers: int) -> MakerSetting:
    # a reduction needs at least one maker; if `is_filled` is False, its makers are not run
    makers = reduction.make[:n_makers] or reduction.make
    return MakerSetting(
        description, reduction.with_name(NAME).evolve(make=makers), is_filled=n_makers > 0
    )
