"""Selection of the observations of a data entry from the table of its archive."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from skyred.errors import ArchiveError
from skyred.fields import Location
from skyred.inspection.hdu_choice import HduChoice, choose_hdus
from skyred.inspection.index import list_run_inputs
from skyred.inspection.records import RunInput
from skyred.interfaces import Reduction
from skyred.interfaces.archive import Archive, require_observation
from skyred.interfaces.records import Outcome
from skyred.io.index_files import get_index_files
from skyred.plugins import Catalog, Plugins
from skyred.plugins.archives import find_archive
from skyred.run.selection_checks import run_selector
from skyred.run.stacking import prepare_stacker

if TYPE_CHECKING:
    from gammapy.data import DataStore, Observation, Observations, ObservationTable

log = logging.getLogger(__name__)


@attrs.define
class Selection:
    """The observations of a data entry.

    Parameters
    ----------
    table : ObservationTable
        The selected rows, sorted by OBS_ID, without duplicates.
    observations : Observations
        The observations that can be opened; they are read on demand.
    outcomes : list of Outcome
        The outcomes of the observations that cannot be opened, with the reason.
    files : list of Path
        The index files and the files of the observations.
    inputs : dict of int to RunInput
        The files and index rows of the observations to be inspected, by OBS_ID; empty if they were
        set in Python, or if the class of the archive is defined by a plugin.
    """

    table: ObservationTable
    observations: Observations
    outcomes: list[Outcome] = attrs.field(factory=list)
    files: list[Path] = attrs.field(factory=list)
    inputs: dict[int, RunInput] = attrs.field(factory=dict)

    @property
    def is_inspected(self) -> bool:
        """Whether files of the observations are inspected, if there are observations."""
        return bool(self.inputs) or not len(self.observations)

    def with_observations(self, observations: Observations) -> Selection:
        """Return a selection with other observations, and only their rows of the table.

        Parameters
        ----------
        observations : Observations
            The observations.

        Returns
        -------
        Selection
            The new selection.
        """
        mask = [obs_id in observations.ids for obs_id in self.table["OBS_ID"].astype(str)]
        return attrs.evolve(
            self, table=self.table[mask], observations=observations, outcomes=[], inputs={}
        )


def replace_observations(
    selections: Mapping[str, Selection], observations: Mapping[str, Observations]
) -> dict[str, Selection]:
    """Replace the observations of data entries.

    Parameters
    ----------
    selections : mapping of str to Selection
        The selections of all data entries.
    observations : mapping of str to gammapy.data.Observations
        The new observations of some of them.

    Returns
    -------
    dict of str to Selection
        The new selections.

    Raises
    ------
    KeyError
        If there is no data entry of that name.
    """
    new_selections = dict(selections)
    for entry, new_observations in observations.items():
        if entry not in selections:
            raise KeyError(f"no data entry {entry!r}; available: {', '.join(selections)}")
        new_selections[entry] = selections[entry].with_observations(new_observations)
    return new_selections


def format_not_inspected(selections: Mapping[str, Selection]) -> str:
    """Return the data entries whose runs are not inspected: "; data.hess is not inspected".

    Parameters
    ----------
    selections : mapping of str to Selection
        The selections by data entry.

    Returns
    -------
    str
        The data entries; "" if the runs of all are inspected.
    """
    names = [f"data.{name}" for name, selection in selections.items() if not selection.is_inspected]
    if not names:
        return ""
    return f"; {', '.join(names)}: not inspected (the archive gives no files)"


def select(entry: str, reduction: Reduction, plugins: Plugins) -> Selection:
    """Open the archive of a data entry and select its observations.

    Parameters
    ----------
    entry : str
        The name of the data entry.
    reduction : Reduction
        The data entry.
    plugins : Plugins
        The plugins, which open archives.

    Returns
    -------
    Selection
        The selected observations.

    Raises
    ------
    ArchiveError
        If the archive cannot be opened, no observation is left, or a column or value that the
        stacker needs is missing.
    """
    store, source = find_archive(plugins, _archive_of(reduction))
    table = select_table(entry, reduction, store, plugins.catalog)
    return _create_selection(entry, store, table, reduction, source)


def select_table(
    entry: str, reduction: Reduction, store: DataStore, catalog: Catalog
) -> ObservationTable:
    """Select the observations of a data entry from the table of its archive.

    Parameters
    ----------
    entry : str
        The name of the data entry.
    reduction : Reduction
        The data entry.
    store : DataStore
        The archive.
    catalog : Catalog
        The components of the plugins.

    Returns
    -------
    ObservationTable
        The selected rows, sorted by OBS_ID, without duplicates.

    Raises
    ------
    ArchiveError
        If there is no observation, or a column or value that a component needs is missing.
    ComponentError
        If a selector changes the table.
    """
    table = _observation_table(store)
    n_runs = len(table)
    if n_runs == 0:
        location = " ".join(map(str, reduction.archive))
        raise ArchiveError(f"data.{entry}: the archive {location} has no observations")
    for selector in reduction.select:
        table = run_selector(selector, table, catalog)
        if len(table) == 0:
            raise ArchiveError(
                f"data.{entry}: no observation is left after the selector {selector.kind!r} "
                f"({n_runs} in the archive); relax its options"
            )
    table = _drop_duplicates(entry, table)
    # reports missing columns before any data are read
    prepare_stacker(reduction.stack, table, catalog)
    return table


def _observation_table(store: Archive) -> ObservationTable:
    """Return the table of an archive with the properties that selectors use, such as pointings."""
    from gammapy.data import ObservationTable

    table = store.obs_table
    return table if isinstance(table, ObservationTable) else ObservationTable(table)


def open_store(reduction: Reduction, plugins: Plugins) -> DataStore:
    """Open the archive of a data entry.

    Parameters
    ----------
    reduction : Reduction
        The data entry.
    plugins : Plugins
        The plugins, which open archives.

    Returns
    -------
    DataStore
        The archive.

    Raises
    ------
    ArchiveError
        If the archive cannot be opened.
    """
    store: DataStore = plugins.open_archive(_archive_of(reduction))
    return store


def _archive_of(reduction: Reduction) -> Any:
    archives = tuple(archive for location in reduction.archive for archive in _expand(location))
    return archives[0] if len(archives) == 1 else archives


def _expand(location: Location) -> list[str]:
    matches = location.matches() if location.is_path() else []
    return [str(path) for path in matches] or [location.expanded()]


def _drop_duplicates(entry: str, table: ObservationTable) -> ObservationTable:
    import numpy as np

    _, first_rows = np.unique(np.asarray(table["OBS_ID"]), return_index=True)
    if len(first_rows) < len(table):
        log.warning(
            "data.%s: ignored %d duplicate runs in the selection",
            entry,
            len(table) - len(first_rows),
        )
    return table[first_rows]  # sorted by OBS_ID, as np.unique sorts


def _create_selection(
    entry: str, store: Archive, table: ObservationTable, reduction: Reduction, source: str
) -> Selection:
    from gammapy.data import Observations
    from gammapy.data.data_store import MissingRequiredHDU

    irfs = list(reduction.required_irfs())
    choice = choose_hdus(store.hdu_table, reduction.hdus)
    inputs = list_run_inputs(
        store.hdu_table,
        table,
        allow_outside=reduction.allow_outside,
        required=("events", "gti", *irfs),
        choice=choice,
    )
    store = _with_hdus(store, choice)
    observations, outcomes = [], list[Outcome]()
    for run, run_store in zip(inputs, _iter_run_stores(store, table), strict=True):
        try:
            if run.findings:
                raise ValueError("; ".join(finding.advice for finding in run.findings))
            observations.append(_open_run(run_store, run.obs_id, irfs, source))
        except (MissingRequiredHDU, ValueError) as error:
            outcome = Outcome(entry, run.obs_id, "failed", reason=str(error), maker="index")
            outcomes.append(outcome)
    valid_inputs = {run.obs_id: run for run in inputs if run.indexed_hdus and not run.findings}
    files = [
        *get_index_files(store.hdu_table),
        *(path for run in valid_inputs.values() for path in run.files),
    ]
    if not _is_gammapy_store(store):  # a store class from a plugin may transform the files
        log.info(
            "data.%s: runs are not inspected, because a plugin defines the class of the archive",
            entry,
        )
        valid_inputs = {}
    collection = Observations()
    # gammapy compares each observation that it adds with all others, 40 s for 10,000 runs
    collection._observations = observations
    return Selection(table, collection, outcomes, list(dict.fromkeys(files)), valid_inputs)


def _open_run(store: Archive, obs_id: int, irfs: list[str], source: str) -> Observation:
    """Open a run; an error of a class of a plugin becomes a `ValueError`, so that others remain."""
    if _is_gammapy_store(store):
        return store.obs(obs_id, required_irf=irfs)
    try:
        observation = store.obs(obs_id, required_irf=irfs)
    except ValueError:
        raise
    except (Exception, SystemExit) as error:
        raise ValueError(f"{source}: {type(error).__name__}: {error}") from error
    require_observation(observation, obs_id, source)
    return observation


def _with_hdus(store: DataStore, choice: HduChoice) -> DataStore:
    """Return a store with the chosen HDUs; gammapy uses the first of several HDUs of a type."""
    if choice.mask.all():
        return store
    selected_store = copy.copy(store)
    selected_store.hdu_table = store.hdu_table[choice.mask]
    return selected_store


def _iter_run_stores(store: DataStore, table: ObservationTable) -> Iterator[DataStore]:
    """Yield for each run a store with only its HDUs, because gammapy searches the whole index."""
    from gammapy.data import DataStore

    if not _is_gammapy_store(store):  # a store class from a plugin has its own look-up
        yield from (store for _ in range(len(table)))
        return
    rows: dict[int, list[int]] = {}
    for row, obs_id in enumerate(store.hdu_table["OBS_ID"].tolist()):
        rows.setdefault(obs_id, []).append(row)
    for obs_id in table["OBS_ID"].tolist():
        yield DataStore(hdu_table=store.hdu_table[rows.get(obs_id, [])])


def _is_gammapy_store(store: DataStore) -> bool:
    from gammapy.data import DataStore

    return type(store) is DataStore
