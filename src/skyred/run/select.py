"""Selecting: an archive's table to the observations of a data entry."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from skyred.errors import ArchiveError
from skyred.fields import Location
from skyred.inspection.index import run_inputs
from skyred.inspection.records import RunInput
from skyred.interfaces import Reduction, required_irfs
from skyred.interfaces.records import Outcome
from skyred.plugins import Plugins

if TYPE_CHECKING:
    from gammapy.data import DataStore, Observations, ObservationTable

log = logging.getLogger(__name__)


@attrs.define
class Selection:
    """The observations of a data entry.

    Parameters
    ----------
    table : ObservationTable
        The chosen rows, by OBS_ID, each once.
    observations : Observations
        Those that can be opened; nothing is read before it is used.
    outcomes : list of Outcome
        Those that cannot, with the reason.
    files : list of Path
        The files they are read from, the index first.
    inputs : dict of int to RunInput
        What the archive says of each, by OBS_ID; empty where observations are not its own.
    """

    table: ObservationTable
    observations: Observations
    outcomes: list[Outcome] = attrs.field(factory=list)
    files: list[Path] = attrs.field(factory=list)
    inputs: dict[int, RunInput] = attrs.field(factory=dict)

    def of(self, observations: Observations) -> Selection:
        """Give the selection of other observations, with the rows of the table that they have."""
        left = [obs_id in observations.ids for obs_id in self.table["OBS_ID"].astype(str)]
        return attrs.evolve(
            self, table=self.table[left], observations=observations, outcomes=[], inputs={}
        )


def select(entry: str, reduction: Reduction, plugins: Plugins) -> Selection:
    """Open the archive of a data entry and choose its observations.

    Raises
    ------
    ArchiveError
        If the archive cannot be opened, no observation is left, or the table lacks what the
        stacker needs.
    """
    store = open_store(reduction, plugins)
    table = store.obs_table
    for selector in reduction.select:
        table = selector.select(table)
        if len(table) == 0:
            raise ArchiveError(
                f"data.{entry}: no observation is left after the selector {selector.kind!r} "
                f"({len(store.obs_table)} in the archive); loosen it"
            )
    table = _each_once(entry, table)
    reduction.stack.prepare(table)  # what the table lacks is named before any data are read
    return _open(entry, store, table, reduction)


def open_store(reduction: Reduction, plugins: Plugins) -> DataStore:
    """Open the archive of a data entry."""
    store: DataStore = plugins.open_archive(_location(reduction))
    return store


def _location(reduction: Reduction) -> Any:
    places = tuple(found for place in reduction.archive for found in _found(place))
    return places[0] if len(places) == 1 else places


def _found(place: Location) -> list[str]:
    matches = place.matches() if place.is_path() else []
    return [str(path) for path in matches] or [place.expanded()]


def _needed(reduction: Reduction) -> list[str]:
    from gammapy.data.data_store import REQUIRED_IRFS

    needed = required_irfs(reduction.make)
    if reduction.irfs is None and needed is not None:
        return list(needed)
    return sorted(REQUIRED_IRFS[reduction.irfs or "full-enclosure"])


def _each_once(entry: str, table: ObservationTable) -> ObservationTable:
    import numpy as np

    _, first = np.unique(np.asarray(table["OBS_ID"]), return_index=True)
    if len(first) < len(table):
        log.warning(
            "data.%s: %d runs asked for twice are taken once", entry, len(table) - len(first)
        )
    return table[first]  # np.unique sorts: in order of OBS_ID


def _open(entry: str, store: DataStore, table: ObservationTable, reduction: Reduction) -> Selection:
    from gammapy.data import Observations
    from gammapy.data.data_store import MissingRequiredHDU

    needed = _needed(reduction)
    inputs = run_inputs(
        store.hdu_table,
        table,
        allow_outside=reduction.allow_outside,
        needed=("events", "gti", *needed),
    )
    opened, outcomes = [], list[Outcome]()
    for run, own in zip(inputs, _stores(store, table), strict=True):
        try:
            if run.findings:
                raise ValueError("; ".join(str(finding) for finding in run.findings))
            opened.append(own.obs(run.obs_id, required_irf=needed))
        except (MissingRequiredHDU, ValueError) as error:
            lost = Outcome(entry, run.obs_id, "failed", reason=str(error), maker="inspection")
            outcomes.append(lost)
    sound = {run.obs_id: run for run in inputs if run.sources and not run.findings}
    files = [*_index(store), *(path for run in sound.values() for path in run.files)]
    if not _is_plain(store):  # what a plugin's own makes of its files is not known
        log.info("data.%s: the archive is a plugin's own: its runs are not inspected", entry)
        sound = {}
    return Selection(table, Observations(opened), outcomes, list(dict.fromkeys(files)), sound)


def _stores(store: DataStore, table: ObservationTable) -> Iterator[DataStore]:
    """Yield a store of each run alone: looking a run up in an index goes through all of it."""
    from gammapy.data import DataStore

    if not _is_plain(store):  # a plugin's own knows how to look up
        yield from (store for _ in range(len(table)))
        return
    rows: dict[int, list[int]] = {}
    for row, obs_id in enumerate(store.hdu_table["OBS_ID"].tolist()):
        rows.setdefault(obs_id, []).append(row)
    for obs_id in table["OBS_ID"].tolist():
        yield DataStore(hdu_table=store.hdu_table[rows.get(obs_id, [])])


def _is_plain(store: DataStore) -> bool:
    from gammapy.data import DataStore

    return type(store) is DataStore


def _index(store: DataStore) -> list[Path]:
    base = store.hdu_table.meta.get("BASE_DIR")
    return sorted(Path(str(base)).glob("*-index.fits*")) if base else []
