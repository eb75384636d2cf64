"""Opening an observation: it is read from the very bytes that were inspected."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyred.inspection.records import RunInput

if TYPE_CHECKING:
    from astropy.io.fits import BinTableHDU
    from gammapy.data import Observation

# the parts of an observation by the kinds of the HDU index; the last two are read of the events
PARTS = {
    "aeff": "aeff",
    "edisp": "edisp",
    "psf": "psf",
    "bkg": "_bkg",
    "rad_max": "_rad_max",
    "events": "_events",
    "gti": "_gti",
}
OF_EVENTS = ("_pointing", "_meta")


class InspectionFailed(Exception):  # noqa: N818 - a verdict of the inspection, for the ledger
    """Files of a run have faults."""


def inspected(
    observation: Observation, run: RunInput, sums: Mapping[Path, str], tolerant: bool
) -> tuple[Observation, list[str]]:
    """Look at the files of a run; gives it as it was read, and what is to be known of it.

    Parameters
    ----------
    observation : Observation
        As the archive gave it; left as it is.
    run : RunInput
        What the archive says of it.
    sums : mapping of Path to str
        The sha256 of files, where they were taken already.
    tolerant : bool
        Whether faults of single HDUs are only to be known (``on_fault: note``).

    Raises
    ------
    InspectionFailed
        If there are faults that forbid its use.
    """
    from skyred.inspection.run import inspect_run

    seen = inspect_run(run, sums)
    # what is wrong with a file as a whole is never tolerated: nobody knows what it holds
    if fatal := [fault for fault in seen.faults if not (tolerant and fault.hdu)]:
        raise InspectionFailed("; ".join(str(fault) for fault in fatal))
    return opened(observation, seen.hdus), [str(finding) for finding in seen.findings]


def opened(observation: Observation, hdus: Mapping[str, BinTableHDU]) -> Observation:
    """Give a copy of an observation whose parts come from HDUs in memory, each read once.

    gammapy opens and unpacks the file for each part, and for responses at each use: 13 times a
    run. The copy lives as long as the run is made, so nothing of a run is held longer.

    Parameters
    ----------
    observation : Observation
        As the archive gave it; left as it is.
    hdus : mapping of str to BinTableHDU
        By kind (events, gti, aeff, ...).
    """
    held = copy.copy(observation)
    for kind, part in PARTS.items():
        if kind in hdus:
            _hold(held, part, hdus[kind])
    if "events" in hdus:
        for part in OF_EVENTS:
            _hold(held, part, hdus["events"])
    return held


def _hold(observation: Any, part: str, hdu: BinTableHDU) -> None:
    own = vars(observation)
    location = own.get(f"_{part}_hdu")  # where gammapy's lazy attribute keeps it
    if location is None or location.hdu_class == "map":
        return
    own.pop(part, None)  # read before, from bytes that nobody looked at
    own[f"_{part}_hdu"] = InMemoryHDU(location.hdu_class, hdu)


class InMemoryHDU:
    """Stands for gammapy's `HDULocation`: loads from an HDU in memory, and keeps what it gave."""

    cache = True

    def __init__(self, hdu_class: str, hdu: BinTableHDU) -> None:
        self.hdu_class = hdu_class
        self.hdu_name = hdu.name
        self._hdu = hdu
        self._loaded: Any = None

    def load(self) -> Any:
        """Give the part as gammapy reads it."""
        if self._loaded is None:
            self._loaded = _read(self.hdu_class, self._hdu)
        return self._loaded


def _read(hdu_class: str, hdu: BinTableHDU) -> Any:
    from gammapy.data import GTI, FixedPointingInfo, ObservationMetaData
    from gammapy.data.io import EventListReader
    from gammapy.irf import IRF_REGISTRY

    if hdu_class == "events":
        return EventListReader.from_gadf_hdu(hdu)
    if hdu_class == "gti":
        return GTI.from_table_hdu(hdu)
    if hdu_class == "pointing":
        return FixedPointingInfo.from_fits_header(hdu.header)
    if hdu_class == "observation_metadata":
        return ObservationMetaData.from_header(hdu.header)
    return IRF_REGISTRY.get_cls(hdu_class).from_hdulist({hdu.name: hdu}, hdu=hdu.name)
