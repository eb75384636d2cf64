"""Rules on the list of events: numbers that are finite and in range, nothing twice."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from skyred.inspection.header import separation
from skyred.inspection.parts import RunHdu
from skyred.inspection.records import Finding
from skyred.inspection.tables import Floats

COLUMNS = {"TIME": "s", "RA": "deg", "DEC": "deg", "ENERGY": "TeV"}
# the middle of the events of real runs lies within 0.45 deg of the pointing
DISTANCE = 3.0  # deg
# in real runs no two events have the same position
SAME_PLACE, SAME_PLACE_SHARE = 10, 0.01
# nor position and energy; energies alone (float32) coincide for two events, or for 0.04 %
DOUBLED, DOUBLED_SHARE = 2, 0.001
SAME_ENERGY, SAME_ENERGY_SHARE = 10, 0.01


def check_events(events: RunHdu) -> Iterator[Finding]:
    """Look at the events for themselves."""
    wrong = list(events.needs(COLUMNS))
    yield from wrong
    if wrong:
        return
    if len(events.table) == 0:
        yield events.fault("has no events")
        return
    columns = {name: events.values(name, unit) for name, unit in COLUMNS.items()}
    for name, values in columns.items():
        if number := int((~np.isfinite(values)).sum()):
            yield events.fault(f"{name} is not finite for {number} of {len(values)} events")
    yield from _ranges(events, columns["RA"], columns["DEC"], columns["ENERGY"])
    yield from _twice(events, columns["TIME"])
    yield from _places(events, columns["RA"], columns["DEC"])
    yield from _energies(events, columns["RA"], columns["DEC"], columns["ENERGY"])


def _ranges(events: RunHdu, ra: Floats, dec: Floats, energy: Floats) -> Iterator[Finding]:
    for name, outside, expected in (
        ("ENERGY", energy <= 0, "above 0"),
        ("RA", (ra < -360) | (ra > 360), "degrees up to 360"),
        ("DEC", np.abs(dec) > 90, "-90 to 90 deg"),
    ):
        if number := int(outside.sum()):
            yield events.fault(f"{name} of {number} events is out of range; expected {expected}")


def _twice(events: RunHdu, time: Floats) -> Iterator[Finding]:
    if "EVENT_ID" not in events.table.names:
        return
    ids = events.table.column("EVENT_ID")
    repeated = len(ids) - len(np.unique(ids))
    if not repeated:
        return
    pairs = np.stack([ids, time])
    doubled = len(ids) - np.unique(pairs, axis=1).shape[1]
    if doubled:
        yield events.fault(f"{doubled} events are there twice (same EVENT_ID and TIME)")
    if repeated > doubled:
        yield events.note(f"has an EVENT_ID more than once ({repeated - doubled})")


def _places(events: RunHdu, ra: Floats, dec: Floats) -> Iterator[Finding]:
    shared, _ = _shared(ra)
    here = np.isin(ra, shared)
    _, counts = np.unique(ra[here] + 1j * dec[here], return_counts=True)
    most = int(counts.max(initial=1))
    if most > max(SAME_PLACE, SAME_PLACE_SHARE * len(ra)):
        yield events.fault(f"{most} of {len(ra)} events have one and the same position")


def _energies(events: RunHdu, ra: Floats, dec: Floats, energy: Floats) -> Iterator[Finding]:
    """Look for energies that are there too often: those of all events, and of doubled ones."""
    shared, counts = _shared(energy)
    most = int(counts.max(initial=1))
    if most > max(SAME_ENERGY, SAME_ENERGY_SHARE * len(energy)):
        yield events.fault(f"{most} of {len(energy)} events have one and the same ENERGY")
    # few share an energy: to compare the positions of these is fast
    tied = np.stack([ra, dec, energy])[:, np.isin(energy, shared)]
    doubled = tied.shape[1] - np.unique(tied, axis=1).shape[1]
    if doubled >= max(DOUBLED, DOUBLED_SHARE * len(energy)):
        yield events.fault(
            f"{doubled} of {len(energy)} events are there twice (same RA, DEC and ENERGY)"
        )


def _shared(values: Floats) -> tuple[Floats, Floats]:
    """Give the values that more than one event has, and how many have each."""
    ordered = np.sort(values)
    repeated, again = np.unique(ordered[1:][ordered[1:] == ordered[:-1]], return_counts=True)
    return repeated, again.astype(float) + 1


def check_field(events: RunHdu) -> Iterator[Finding]:
    """Compare where the events are with the pointing."""
    ra, dec = events.values("RA", "deg"), events.values("DEC", "deg")
    lon, lat = events.number("RA_PNT"), events.number("DEC_PNT")
    if lon is None or lat is None or str(events.header.get("OBS_MODE", "")).upper() == "DRIFT":
        return
    a, b = np.radians(ra), np.radians(dec)
    direction = np.array([np.cos(b) * np.cos(a), np.cos(b) * np.sin(a), np.sin(b)])
    # the median, and not the mean: showers are reconstructed as far away as 89 deg
    x, y, z = np.nanmedian(direction, axis=1)
    centre = float(np.degrees(np.arctan2(y, x))), float(np.degrees(np.arctan2(z, np.hypot(x, y))))
    if (apart := separation(lon, lat, *centre)) > DISTANCE:
        yield events.fault(
            f"its events lie {apart:.1f} deg from the pointing, around "
            f"({centre[0]:.2f}, {centre[1]:.2f}) deg; expected within {DISTANCE:g} deg"
        )


def check_energies(events: RunHdu, low: float, high: float) -> Iterator[Finding]:
    """Compare the energies of events with those for which there is effective area, in TeV."""
    energy = events.values("ENERGY", "TeV")
    median = float(np.nanmedian(energy))
    if not low <= median <= high:
        yield events.fault(
            f"the median ENERGY is {median:.3g} TeV, but there is effective area from {low:.3g} "
            f"to {high:.3g} TeV only: is the unit {events.table.unit('ENERGY')!r} right?"
        )
