"""gammapy's `DatasetsMaker`, for chains with skyred's makers."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gammapy import makers

from skyred.errors import SkipObservation
from skyred.interfaces import Maker, largest_offset
from skyred.interfaces.records import Outcome

if TYPE_CHECKING:
    from astropy.coordinates import Angle
    from gammapy.data import Observation, Observations
    from gammapy.datasets import Dataset, Datasets

log = logging.getLogger(__name__)


class DatasetsMaker(makers.DatasetsMaker):  # type: ignore[misc]
    """gammapy's `DatasetsMaker`, which knows what skyred's makers can do.

    skyred's makers work in gammapy's own too. This one also lets them learn from all observations
    first (`Maker.prepare`), leaves out the runs that one of them skips, and takes the width of the
    cutouts from `Maker.largest_offset` as from gammapy's safe mask. Options are those of gammapy's.

    Attributes
    ----------
    skipped : list of Outcome
        The runs that the last `run` left out, and why.

    Examples
    --------
    >>> from gammapy.makers import MapDatasetMaker
    >>> maker = DatasetsMaker([MapDatasetMaker(), ZenithVeto()])  # doctest: +SKIP
    >>> datasets = maker.run(target, observations)  # doctest: +SKIP
    """

    makers: list[Any]
    skipped: list[Outcome]

    @property
    def offset_max(self) -> Angle | None:
        """The largest offset that gammapy's and skyred's makers leave; None without a limit."""
        ours = largest_offset([maker for maker in self.makers if isinstance(maker, Maker)])
        offsets = [offset for offset in (super().offset_max, ours) if offset is not None]
        return min(offsets, default=None)

    def make_dataset(self, dataset: Dataset, observation: Observation) -> Dataset | Outcome | None:
        """Make the dataset of one observation; gives what became of it if a maker skips it."""
        try:
            return super().make_dataset(dataset, observation)
        except SkipObservation as skip:
            reason = getattr(skip.__cause__, "reason", skip.reason)
            obs_id = int(observation.obs_id)
            return Outcome(dataset.name, obs_id, "skipped", reason=reason)

    def callback(self, dataset: Dataset | Outcome | None) -> None:
        """Stack or keep what `make_dataset` gave."""
        if isinstance(dataset, Outcome):
            log.warning("run %d is left out: %s", dataset.obs_id, dataset.reason)
            self.skipped.append(dataset)
        else:
            super().callback(dataset)

    def run(
        self,
        dataset: Dataset,
        observations: Observations,
        datasets: Iterable[Dataset] | None = None,
    ) -> Datasets:
        """Let makers learn from the observations, then reduce them as gammapy does.

        Parameters
        ----------
        dataset : MapDataset
            The reference; filled, if datasets are stacked.
        observations : Observations
            What to reduce.
        datasets : Datasets, optional
            One to start from for each observation.
        """
        self.skipped = []
        with self._prepared(observations):
            made: Datasets = super().run(dataset, observations, datasets)
        return made

    @contextmanager
    def _prepared(self, observations: Observations) -> Iterator[None]:
        """Put makers that have learnt in the place of those that were given, for a while."""
        given = self.makers
        self.makers = [
            maker.prepare(observations) if isinstance(maker, Maker) else maker for maker in given
        ]
        try:
            yield
        finally:
            self.makers = given
