"""A subclass of gammapy's `DatasetsMaker` that supports skyred's makers."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
from gammapy import makers

from skyred.errors import SkipObservation
from skyred.interfaces import Maker, largest_offset, modifying_makers
from skyred.interfaces.modified_observations import observations_are_modified
from skyred.interfaces.observation_rows import RowRecorder, recorded_by
from skyred.interfaces.observation_tables import ObservationTables
from skyred.interfaces.records import Outcome
from skyred.run.worker.component_calls import call_guarded, modify_observation, require_dataset
from skyred.run.worker.observation_guard import ObservationGuard, protect_observation

if TYPE_CHECKING:
    from astropy.coordinates import Angle
    from astropy.table import Table
    from gammapy.data import Observation, Observations
    from gammapy.datasets import Dataset, Datasets

log = logging.getLogger(__name__)


class DatasetsMaker(makers.DatasetsMaker):  # type: ignore[misc]
    """Subclass of gammapy's `DatasetsMaker` that supports all features of skyred's makers.

    skyred's makers also work in gammapy's own class. This subclass prepares them with all
    observations (`Maker.prepare`), reduces the observations that they return
    (`Maker.modify_observation`), leaves out runs that they skip, and derives the width of the
    cutouts from `Maker.largest_offset` as well as from gammapy's safe mask. A maker, also one of
    gammapy, that changes an observation in place raises an error.

    Parameters
    ----------
    makers : list of maker
        Makers of skyred and gammapy.
    stack_datasets : bool
        Whether to stack the datasets of the observations onto the reference dataset.
    n_jobs : int, optional
        The number of processes; by default gammapy's default.
    cutout_mode : {"trim", "partial", "strict"}
        The treatment of cutouts that are not entirely inside the reference dataset.
    cutout_width : Quantity, optional
        The width of the cutouts; by default twice `offset_max`, or no cutouts if that is None.
    parallel_backend : {"multiprocessing", "ray"}, optional
        The backend for several processes.

    Attributes
    ----------
    skipped : list of Outcome
        The runs that were left out in the last call of `run`, with the reasons.
    observation_tables : dict of str to Table
        The rows that makers recorded in the last call of `run`, with the name of the reference
        dataset in the column `entry`.

    Examples
    --------
    >>> from gammapy.makers import MapDatasetMaker
    >>> maker = DatasetsMaker([MapDatasetMaker(), ZenithVeto()])  # doctest: +SKIP
    >>> datasets = maker.run(target, observations)  # doctest: +SKIP
    """

    makers: list[Any]
    skipped: list[Outcome]
    observation_tables: dict[str, Table]
    _outcomes: list[Outcome]

    @property
    def offset_max(self) -> Angle | None:
        """Maximum offset of events, the smallest limit of all makers; None if there is no limit."""
        skyred_offset = largest_offset([maker for maker in self.makers if isinstance(maker, Maker)])
        offsets = [offset for offset in (super().offset_max, skyred_offset) if offset is not None]
        return min(offsets, default=None)

    def make_dataset(self, dataset: Dataset, observation: Observation) -> Dataset | Outcome | None:
        """Create the dataset of one observation.

        Parameters
        ----------
        dataset : Dataset
            The reference dataset.
        observation : Observation
            The observation.

        Returns
        -------
        Dataset or Outcome or None
            The dataset; an outcome with the reason if a maker skips the observation; None if the
            observation does not overlap with the reference dataset.

        Raises
        ------
        ComponentError
            If a maker changes the observation, or returns something else than a dataset.
        """
        recorder = RowRecorder()
        obs_id = int(observation.obs_id)
        try:
            with recorded_by(recorder), observations_are_modified():
                guard = _modify(observation, self.makers)
                guarded = copy.copy(self)
                guarded.makers = [_GuardedMaker(maker, guard) for maker in self.makers]
                reduced_dataset: Dataset | None = makers.DatasetsMaker.make_dataset(
                    guarded, dataset, guard.observation
                )
        except SkipObservation as skip:
            reason = getattr(skip.__cause__, "reason", skip.reason)
            rows = tuple(recorder.rows)
            return Outcome(dataset.name, obs_id, "skipped", reason=reason, rows=rows)
        if reduced_dataset is not None and recorder.rows:
            # an attribute, because gammapy's processes return only the dataset
            outcome = Outcome(dataset.name, obs_id, "reduced", rows=tuple(recorder.rows))
            reduced_dataset._outcome = outcome
        return reduced_dataset

    def callback(self, dataset: Dataset | Outcome | None) -> None:
        """Stack or store the dataset of an observation, or record that it was skipped.

        Parameters
        ----------
        dataset : Dataset or Outcome or None
            The return value of `make_dataset`.
        """
        if (outcome := getattr(dataset, "_outcome", None)) is not None:
            self._outcomes.append(outcome)
            del dataset._outcome  # type: ignore[union-attr]
        if isinstance(dataset, Outcome):
            self._outcomes.append(dataset)
            log.warning("run %d is skipped: %s", dataset.obs_id, dataset.reason)
            self.skipped.append(dataset)
        else:
            super().callback(dataset)

    def run(
        self,
        dataset: Dataset,
        observations: Observations,
        datasets: Iterable[Dataset] | None = None,
    ) -> Datasets:
        """Prepare the makers with the observations, and reduce the observations as gammapy does.

        Parameters
        ----------
        dataset : MapDataset or SpectrumDataset
            The reference dataset; it is filled if datasets are stacked.
        observations : Observations
            The observations to reduce.
        datasets : Datasets, optional
            The datasets to start from, one for each observation; by default cutouts of `dataset`.

        Returns
        -------
        Datasets
            The stacked dataset, or one dataset for each observation that was not left out.
        """
        self.skipped, self._outcomes, self.observation_tables = [], [], {}
        with self._prepare_makers(observations):
            reduced: Datasets = super().run(dataset, observations, datasets)
        self.observation_tables = self._create_tables(observations)
        return reduced

    def _create_tables(self, observations: Observations) -> dict[str, Table]:
        """Return the recorded rows in the order of the observations, not of completion."""
        order = {int(observation.obs_id): index for index, observation in enumerate(observations)}
        tables = ObservationTables()
        for outcome in sorted(self._outcomes, key=lambda outcome: order[outcome.obs_id]):
            tables.add(outcome)
        return tables.tables()

    @contextmanager
    def _prepare_makers(self, observations: Observations) -> Iterator[None]:
        """Replace the makers with prepared makers inside the context."""
        original_makers = self.makers
        prepared_makers = list(original_makers)
        modifiers: list[Maker] = []
        for is_modifying in (True, False):  # the others receive modified observations
            for index, maker in enumerate(original_makers):
                if not isinstance(maker, Maker) or bool(modifying_makers([maker])) != is_modifying:
                    continue
                runs = _modify_all(observations, modifiers) if modifiers else observations
                prepared_makers[index] = maker.prepare(runs)
                modifiers += [prepared_makers[index]] if is_modifying else []
        self.makers = prepared_makers
        try:
            yield
        finally:
            self.makers = original_makers


@attrs.frozen(eq=False)
class _GuardedMaker:
    """A maker that must leave an observation unchanged.

    Parameters
    ----------
    maker : Maker or gammapy.makers.Maker
        The maker.
    guard : ObservationGuard
        The observation.
    """

    maker: Any
    guard: ObservationGuard

    @property
    def tag(self) -> str:
        """The name of the maker in log messages of gammapy."""
        return str(self.maker.tag)

    def run(self, dataset: Dataset, observation: Observation) -> Dataset:
        """Run the maker, and check the observation and the type of the returned dataset."""
        source = _describe(self.maker)
        run = partial(self.maker.run, dataset=dataset)
        dataset = call_guarded(lambda protected: run(observation=protected), self.guard, source)
        require_dataset(dataset, source)
        return dataset


def _describe(maker: Any) -> str:
    return f"maker {maker.kind if isinstance(maker, Maker) else type(maker).__name__}"


def _modify(observation: Observation, makers: Iterable[Any]) -> ObservationGuard:
    """Return the observation that makers use, modified by those that do so."""
    guard = ObservationGuard.create(protect_observation(observation))
    for maker in modifying_makers(maker for maker in makers if isinstance(maker, Maker)):
        modified = modify_observation(maker, guard, _describe(maker))
        guard = ObservationGuard.create(protect_observation(modified))
    return guard


def _modify_all(observations: Observations, makers: Iterable[Maker]) -> Observations:
    """Return modified observations, without those that a maker skips."""
    modified = []
    for observation in observations:
        with suppress(SkipObservation):
            modified.append(_modify(observation, makers).observation)
    return type(observations)(modified)
