"""Preparation of makers with all runs of a data entry that pass the inspection."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs

from skyred.errors import ComponentError, PrepareError, SkipObservation, SkyredError
from skyred.interfaces import (
    Maker,
    Reduction,
    Selector,
    cutting_selectors,
    modifying_makers,
)
from skyred.plugins import Catalog
from skyred.plugins.component_errors import describe_component, errors_of
from skyred.run.select import Selection
from skyred.run.worker.component_calls import faults_of, modify_observation
from skyred.run.worker.good_time import cut_observation, drop_events_outside
from skyred.run.worker.observation_guard import ObservationGuard, protect_observation
from skyred.run.worker.open_observation import InspectionFailed, inspect_observation

if TYPE_CHECKING:
    from gammapy.data import Observation

log = logging.getLogger(__name__)


def prepare_makers(
    entry: str, reduction: Reduction, selection: Selection, catalog: Catalog | None = None
) -> tuple[Maker, ...]:
    """Return the makers of a data entry, prepared with its valid runs.

    Makers that modify observations are prepared first; the others receive modified observations.

    Parameters
    ----------
    entry : str
        The name of the data entry.
    reduction : Reduction
        The data entry.
    selection : Selection
        The selected observations of the data entry.
    catalog : Catalog, optional
        The components of the plugins, which are named in errors.

    Returns
    -------
    tuple of Maker
        The prepared makers, in order.

    Raises
    ------
    PrepareError
        If a maker cannot be prepared; the message contains the reason.
    ComponentError
        If a maker violates a rule of its interface.
    """
    observations = ValidRuns(
        entry,
        selection,
        tolerant=reduction.on_fault == "note",
        selectors=cutting_selectors(reduction.select),
        catalog=catalog,
    )
    makers = list(reduction.make)
    is_modifying = [bool(modifying_makers([maker])) for maker in makers]
    for index in sorted(range(len(makers)), key=lambda index: not is_modifying[index]):
        source = describe_component(makers[index], catalog)
        makers[index] = _prepare(entry, makers[index], observations, source)
        if is_modifying[index]:
            modifiers = (*observations.modifiers, (makers[index], source))
            observations = attrs.evolve(observations, modifiers=modifiers)
    return tuple(makers)


def _prepare(entry: str, maker: Maker, observations: ValidRuns, source: str) -> Maker:
    try:
        with faults_of(source):
            prepared = maker.prepare(observations)
    except SkyredError:
        raise
    except Exception as error:  # a maker of a plugin may raise anything
        notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
        raise PrepareError(
            f"data.{entry}: the {source} cannot be prepared: {type(error).__name__}: {error}{notes}"
        ) from error
    if not isinstance(prepared, Maker):
        raise ComponentError(
            f"prepare of the {source} returned {type(prepared).__name__}; it must return the maker "
            "to use"
        )
    return prepared


@attrs.frozen(eq=False)
class ValidRuns:
    """The runs of a data entry that pass the inspection, without events outside the good time.

    Each run is read during the iteration and not kept, so that memory use does not grow with the
    number of runs. If selectors restrict a run to time intervals, the events of each interval are
    yielded as an observation. A run with a fault is skipped with a warning; it fails when it is
    reduced, and the observation log contains the reason. `len` reads all runs.

    Parameters
    ----------
    entry : str
        The name of the data entry.
    selection : Selection
        The selected observations, and their files.
    tolerant : bool
        Whether faults in individual HDUs are tolerated.
    selectors : tuple of Selector
        The selectors that restrict the good time of runs.
    modifiers : tuple of tuple of Maker and str
        The prepared makers that modify observations, with their plugins.
    catalog : Catalog, optional
        The components of the plugins, which are named in errors of selectors.
    """

    entry: str
    selection: Selection
    tolerant: bool = False
    selectors: tuple[Selector, ...] = ()
    modifiers: tuple[tuple[Maker, str], ...] = ()
    catalog: Catalog | None = None
    _warned: set[int] = attrs.field(factory=set, init=False)

    def __iter__(self) -> Iterator[Observation]:
        for observation in self._iter_valid():
            guard = ObservationGuard.create(protect_observation(observation))
            try:
                for maker, source in self.modifiers:
                    modified = modify_observation(maker, guard, source)
                    guard = ObservationGuard.create(protect_observation(modified))
            except SkipObservation:  # it is skipped when it is reduced, with the reason
                continue
            yield guard.observation

    def _iter_valid(self) -> Iterator[Observation]:
        for observation in self.selection.observations:
            run = self.selection.inputs.get(int(observation.obs_id))
            if run is None:  # an observation in memory, or from an archive without index
                in_good_time, _ = drop_events_outside(observation)
                yield from self._cut(in_good_time)
                continue
            try:
                inspected_observation, _ = inspect_observation(observation, run, {}, self.tolerant)
            except InspectionFailed as error:
                self._warn(run.obs_id, error)
            else:
                yield from self._cut(inspected_observation)

    def _cut(self, observation: Observation) -> tuple[Observation, ...]:
        return cut_observation(observation, self.selectors, self._calling_selector)

    @contextmanager
    def _calling_selector(self, selector: Selector) -> Iterator[str]:
        with errors_of(selector, self.catalog):
            yield describe_component(selector, self.catalog)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _warn(self, obs_id: int, error: InspectionFailed) -> None:
        if obs_id not in self._warned:
            log.warning(
                "data.%s: makers are prepared without run %d: %s", self.entry, obs_id, error
            )
            self._warned.add(obs_id)
