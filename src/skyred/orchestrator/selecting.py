"""Selecting: an archive's table to the observations of a data entry."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from skyred.errors import ArchiveError
from skyred.fields import Location
from skyred.interfaces import AdaptedMaker, Reduction, required_irfs
from skyred.plugins import Plugins
from skyred.records import Outcome

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
    """

    table: ObservationTable
    observations: Observations
    outcomes: list[Outcome] = attrs.field(factory=list)
    files: list[Path] = attrs.field(factory=list)

    def of(self, observations: Observations) -> Selection:
        """Give the selection of other observations, with the rows of the table that they have."""
        left = [obs_id in observations.ids for obs_id in self.table["OBS_ID"].astype(str)]
        return attrs.evolve(self, table=self.table[left], observations=observations, outcomes=[])


def select(entry: str, reduction: Reduction, plugins: Plugins) -> Selection:
    """Open the archive of a data entry and choose its observations.

    Raises
    ------
    ArchiveError
        If the archive cannot be opened, no observation is left, or the table lacks what the
        stacker needs.
    """
    store = plugins.open_archive(_location(reduction))
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
    return _open(entry, store, table, _needed(reduction))


def _location(reduction: Reduction) -> Any:
    places = tuple(found for place in reduction.archive for found in _found(place))
    return places[0] if len(places) == 1 else places


def _found(place: Location) -> list[str]:
    matches = place.matches() if place.is_path() else []
    return [str(path) for path in matches] or [place.expanded()]


def _needed(reduction: Reduction) -> Any:
    # a gammapy maker as it is does not say what it needs
    known = not any(isinstance(maker, AdaptedMaker) for maker in reduction.make)
    return reduction.irfs or (list(required_irfs(reduction.make)) if known else "full-enclosure")


def _each_once(entry: str, table: ObservationTable) -> ObservationTable:
    import numpy as np

    _, first = np.unique(np.asarray(table["OBS_ID"]), return_index=True)
    if len(first) < len(table):
        log.warning(
            "data.%s: %d runs asked for twice are taken once", entry, len(table) - len(first)
        )
    return table[first]  # np.unique sorts: in order of OBS_ID


def _open(entry: str, store: DataStore, table: ObservationTable, needed: Any) -> Selection:
    from gammapy.data import Observations
    from gammapy.data.data_store import MissingRequiredHDU

    opened, outcomes = [], []
    for obs_id in table["OBS_ID"]:
        try:
            opened.append(store.obs(obs_id, required_irf=needed))
        except (MissingRequiredHDU, ValueError) as error:
            outcomes.append(Outcome(entry, int(obs_id), "skipped", reason=str(error)))
    return Selection(table, Observations(opened), outcomes, _files(store, table))


def _files(store: DataStore, table: ObservationTable) -> list[Path]:
    hdus = store.hdu_table
    chosen = set(table["OBS_ID"].tolist())
    base = Path(str(hdus.meta.get("BASE_DIR", "")))
    index = sorted(base.glob("*-index.fits*")) if hdus.meta.get("BASE_DIR") else []
    files: dict[Path, None] = dict.fromkeys(index)
    for row in hdus:
        if row["OBS_ID"] in chosen:
            files[base / str(row["FILE_DIR"]).strip() / str(row["FILE_NAME"]).strip()] = None
    return list(files)
