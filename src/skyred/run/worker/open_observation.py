"""Inspect the files of an observation, and read the observation from the inspected bytes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyred.inspection.records import RunInput
from skyred.run.worker.good_time import drop_events_outside, is_all_in_good_time
from skyred.run.worker.part_states import PartState, protect

if TYPE_CHECKING:
    from gammapy.data import Observation

    from skyred.inspection.run import InspectedRun
    from skyred.inspection.structure import StoredHdu
    from skyred.inspection.tables import Table

# attributes of gammapy's `Observation` by type of HDU
ATTRIBUTES = {
    "aeff": "aeff",
    "edisp": "edisp",
    "psf": "psf",
    "bkg": "_bkg",
    "rad_max": "_rad_max",
    "events": "_events",
    "gti": "_gti",
}
EVENTS_ATTRIBUTES = ("_pointing", "_meta")


class InspectionFailed(Exception):  # noqa: N818 - a result of the inspection
    """Raised if faults in the files of a run prevent its use.

    Parameters
    ----------
    reason : str
        The faults.
    checksums : mapping of Path to str
        The sha256 of the files that could be read.
    """

    def __init__(self, reason: str, checksums: Mapping[Path, str]) -> None:
        super().__init__(reason)
        self.checksums = checksums


def inspect_observation(
    observation: Observation, run: RunInput, checksums: Mapping[Path, str], tolerant: bool
) -> tuple[Observation, InspectedRun]:
    """Inspect the files of a run, and return a copy of the observation with the inspected data.

    Parameters
    ----------
    observation : Observation
        The observation as the archive returned it, not changed.
    run : RunInput
        The files and index row of the run.
    checksums : mapping of Path to str
        The sha256 by file, where known.
    tolerant : bool
        Whether faults in individual HDUs are only reported (``on_fault: note``).

    Returns
    -------
    observation : Observation
        The copy, which reads from memory.
    inspection : InspectedRun
        The findings, and the sha256 of the files.

    Raises
    ------
    InspectionFailed
        If faults prevent the use of the run.
    """
    from skyred.inspection.run import inspect_run

    inspection = inspect_run(run, checksums)
    if fatal := [fault for fault in inspection.faults if not (tolerant and fault.is_tolerable)]:
        reason = "; ".join(fault.advice for fault in fatal)
        raise InspectionFailed(reason, inspection.sha256)
    in_memory = open_in_memory(observation, inspection)
    if not is_all_in_good_time(inspection.run_hdus):
        in_memory, _ = drop_events_outside(in_memory)  # a finding mentions them
    return in_memory, inspection


def open_in_memory(observation: Observation, inspection: InspectedRun) -> Observation:
    """Return a copy of an observation that reads from HDUs in memory, and converts them once.

    gammapy opens and decompresses the file for each part of the observation, and for IRFs at each
    use, 13 times per run. The copy exists only while the run is reduced.

    Parameters
    ----------
    observation : Observation
        The observation as the archive returned it, not changed.
    inspection : InspectedRun
        The inspected HDUs.

    Returns
    -------
    Observation
        The copy.
    """
    in_memory = copy.copy(observation)
    for kind, attribute in ATTRIBUTES.items():
        _set_hdu(in_memory, attribute, kind, inspection)
    for attribute in EVENTS_ATTRIBUTES:
        _set_hdu(in_memory, attribute, "events", inspection)
    return in_memory


def _set_hdu(observation: Any, attribute: str, kind: str, inspection: InspectedRun) -> None:
    if kind not in inspection.hdus:
        return
    attributes = vars(observation)
    location = attributes.get(f"_{attribute}_hdu")  # as gammapy's LazyFitsData stores it
    if location is None or location.hdu_class == "map":
        return
    attributes.pop(attribute, None)  # may have been read from bytes that were not inspected
    attributes[f"_{attribute}_hdu"] = InMemoryHDU(
        location.hdu_class, inspection.hdus[kind], inspection.run_hdus[kind].table
    )


class InMemoryHDU:
    """A replacement for gammapy's `HDULocation` that loads from an HDU in memory, only once.

    Parameters
    ----------
    hdu_class : str
        The class of the HDU, as in the HDU index.
    hdu : StoredHdu
        The HDU.
    table : Table, optional
        Its table, as read by the inspection.

    Attributes
    ----------
    loaded : object
        The object that `load` has returned; None before.

    Notes
    -----
    A deep copy, which gammapy's `Observation.select_time` makes too, can be changed: it shares no
    arrays, and is not protected.
    """

    cache = True

    def __init__(self, hdu_class: str, hdu: StoredHdu, table: Table | None = None) -> None:
        self.hdu_class = hdu_class
        self.hdu_name = hdu.name
        self._hdu = hdu
        self._table = table
        self.loaded: Any = None
        self._state: PartState | None = None
        self._is_protected = True

    def __deepcopy__(self, memo: dict[int, Any]) -> InMemoryHDU:
        copied = InMemoryHDU(self.hdu_class, self._hdu, self._table)
        copied.loaded = copy.deepcopy(self.loaded, memo)
        copied._is_protected = False
        return copied

    @property
    def header(self) -> Mapping[str, Any]:
        """The values in the header of the HDU, as the inspection read them."""
        return self._table.header if self._table is not None else self._hdu.header

    def load(self) -> Any:
        """Return the object that gammapy reads from the HDU.

        Returns
        -------
        object
            Events, good time intervals, an IRF, pointing or metadata.
        """
        if self.loaded is None:
            self.loaded = _read_hdu(self.hdu_class, self._hdu, self._table)
            if self._is_protected:
                self.protect()
            else:
                self.loaded = copy.deepcopy(self.loaded)  # shares no arrays with other copies
        return self.loaded

    def protect(self) -> None:
        """Protect the object against changes, now or once it is loaded."""
        self._is_protected = True
        # events without a table protect it once it is created
        if self.loaded is not None and self._state is None and not hasattr(self.loaded, "state"):
            self._state = protect(self.loaded)

    @property
    def state(self) -> PartState | None:
        """The state in which the object was read; None before, and for events without a table."""
        return self._state or getattr(self.loaded, "state", None)


def _read_hdu(hdu_class: str, hdu: StoredHdu, table: Table | None) -> Any:
    from gammapy.data import FixedPointingInfo, ObservationMetaData

    from skyred.run.worker.gadf_tables import read_gti, read_irf
    from skyred.run.worker.inspected_events import InspectedEvents

    if hdu_class == "events":
        return InspectedEvents.read(hdu, table)
    if hdu_class == "gti":
        return read_gti(hdu, table)
    if hdu_class == "pointing":
        return FixedPointingInfo.from_fits_header(hdu.header)
    if hdu_class == "observation_metadata":
        return ObservationMetaData.from_header(hdu.header)
    return read_irf(hdu_class, hdu, table)
