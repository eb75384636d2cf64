"""Checks of an event list for values that are not finite or out of range, and for duplicates."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from skyred.inspection.header import separation
from skyred.inspection.records import Finding
from skyred.inspection.run_hdu import RunHdu
from skyred.inspection.tables import Floats

COLUMNS = {"TIME": "s", "RA": "deg", "DEC": "deg", "ENERGY": "TeV"}
# the files of MAGIC 2013 have RA + 360 deg, those of CTA 1DC negative RA; gammapy reads both
RA_RANGE = (-360.0, 720.0)  # deg
# in the reference archives (see `rule`), the median direction of the events is within 0.45 deg of
# the pointing
MAX_DISTANCE = 3.0  # deg
MIN_SAMPLE = 5000  # events, if the list has more; enough for medians to better than 0.1 deg
# largest number and fraction of events with the same position; in H.E.S.S. DL3 DR1, no two
# events of a run have the same position
MAX_SAME_POSITION, MAX_SAME_POSITION_FRACTION = 10, 0.01
# minimum number and fraction of events with the same position and energy for a fault
MIN_DUPLICATES, MIN_DUPLICATE_FRACTION = 2, 0.001
# largest number and fraction of events with the same energy; in the reference archives, at most
# three events of a run have the same energy, because energies are stored in float32
MAX_SAME_ENERGY, MAX_SAME_ENERGY_FRACTION = 10, 0.01


def check_events(events: RunHdu) -> Iterator[Finding]:
    """Check the columns of an event list.

    Parameters
    ----------
    events : RunHdu
        The events of a run.

    Yields
    ------
    Finding
        A finding for each violation.
    """
    faults = list(events.check_columns(COLUMNS))
    yield from faults
    if faults:
        return
    yield from events.list_assumed_units(COLUMNS)
    if len(events.table) == 0:
        yield events.report("no-events", "the event list has no events")
        return
    columns = {name: events.values(name, unit) for name, unit in COLUMNS.items()}
    for name, values in columns.items():
        if n_invalid := int((~np.isfinite(values)).sum()):
            yield events.report(
                "events-not-finite", f"{name} is not finite for {n_invalid} of {len(values)} events"
            )
    yield from _check_ranges(events, columns["RA"], columns["DEC"], columns["ENERGY"])
    yield from _check_identifiers(events, columns["TIME"])
    positions = _sort_sums(columns["RA"], columns["DEC"])
    yield from _check_positions(events, positions, columns["RA"], columns["DEC"])
    yield from _check_repeated_energies(events, columns["ENERGY"])
    yield from _check_duplicates(
        events, positions, columns["RA"], columns["DEC"], columns["ENERGY"]
    )


def _check_ranges(events: RunHdu, ra: Floats, dec: Floats, energy: Floats) -> Iterator[Finding]:
    for name, is_out_of_range, expected in (
        ("ENERGY", energy <= 0, "more than 0"),
        ("RA", (ra < RA_RANGE[0]) | (ra > RA_RANGE[1]), "-360 to 720 deg"),
        ("DEC", np.abs(dec) > 90, "-90 to 90 deg"),
    ):
        if n_invalid := int(is_out_of_range.sum()):
            yield events.report(
                "events-out-of-range",
                f"{name} is out of range for {n_invalid} of {len(energy)} events; "
                f"expected {expected}",
            )


def _check_identifiers(events: RunHdu, time: Floats) -> Iterator[Finding]:
    if "EVENT_ID" not in events.table.names:
        return
    ids = events.table.column("EVENT_ID")
    if (ids[1:] > ids[:-1]).all():
        return
    n_repeated_ids = len(ids) - len(np.unique(ids))
    if not n_repeated_ids:
        return
    pairs = np.stack([ids, time])
    n_duplicates = len(ids) - np.unique(pairs, axis=1).shape[1]
    if n_duplicates:
        yield events.report(
            "events-repeated",
            f"{n_duplicates} of {len(ids)} events are duplicates (same EVENT_ID and TIME)",
        )
    if n_repeated_ids > n_duplicates:
        n_reused_ids = n_repeated_ids - n_duplicates
        yield events.report(
            "event-ids",
            "EVENT_IDs are repeated with a different TIME "
            f"(in {n_reused_ids} of {len(ids)} events)",
        )


def _check_positions(
    events: RunHdu, positions: Floats, ra: Floats, dec: Floats
) -> Iterator[Finding]:
    """Check for positions that occur too often, with the sorted sums of their coordinates."""
    limit = max(MAX_SAME_POSITION, MAX_SAME_POSITION_FRACTION * len(ra))
    if (max_same_position := _count_most_frequent(limit, positions, ra, dec)) > limit:
        yield events.report(
            "events-same-position",
            f"{max_same_position} of {len(ra)} events have the same position",
        )


def _check_repeated_energies(events: RunHdu, energy: Floats) -> Iterator[Finding]:
    """Check for energies that occur too often."""
    limit = max(MAX_SAME_ENERGY, MAX_SAME_ENERGY_FRACTION * len(energy))
    if (max_same_energy := _count_most_frequent(limit, np.sort(energy), energy)) > limit:
        yield events.report(
            "events-same-energy", f"{max_same_energy} of {len(energy)} events have the same ENERGY"
        )


def _check_duplicates(
    events: RunHdu, positions: Floats, ra: Floats, dec: Floats, energy: Floats
) -> Iterator[Finding]:
    """Check for events with the same position and energy."""
    minimum = max(MIN_DUPLICATES, MIN_DUPLICATE_FRACTION * len(energy))
    if _count_repeated(positions) < minimum:
        return
    if _count_repeated(_sort_sums(ra, dec, energy)) < minimum:
        return
    columns = _select_finite(ra, dec, energy)
    n_duplicates = columns.shape[1] - np.unique(columns, axis=1).shape[1]
    if n_duplicates >= minimum:
        yield events.report(
            "events-repeated",
            f"{n_duplicates} of {len(energy)} events are duplicates (same RA, DEC and ENERGY)",
        )


def _count_repeated(sums: Floats) -> int:
    return int((sums[1:] == sums[:-1]).sum())


def _count_most_frequent(limit: float, sums: Floats, *columns: Floats) -> int:
    """Return how often the most frequent values occur, or 0 if not more often than the limit."""
    step = int(limit)
    if not (sums[step:] == sums[: max(0, len(sums) - step)]).any():
        return 0
    _, counts = np.unique(_select_finite(*columns), axis=1, return_counts=True)
    return int(counts.max(initial=0))


def _sort_sums(*columns: Floats) -> Floats:
    """Return a weighted sum of the columns for each event, sorted.

    Events with the same values have the same sum. Sorting sums is much faster than sorting events.
    """
    weights = np.sqrt([2, 3, 5])  # events with the same sum have other values in rare cases only
    with np.errstate(invalid="ignore"):  # infinite values of both signs
        sums = sum(weight * column for weight, column in zip(weights, columns, strict=False))
    return np.sort(sums)


def _select_finite(*columns: Floats) -> Floats:
    values = np.stack(columns)
    return values[:, np.isfinite(values).all(axis=0)]


def check_direction(events: RunHdu) -> Iterator[Finding]:
    """Compare the median direction of the events with the pointing, unless the run is a drift scan.

    Parameters
    ----------
    events : RunHdu
        The events of a run, with the required columns.

    Yields
    ------
    Finding
        A fault if the events are too far from the pointing.
    """
    lon, lat = events.number("RA_PNT"), events.number("DEC_PNT")
    if lon is None or lat is None or str(events.header.get("OBS_MODE", "")).upper() == "DRIFT":
        return
    ra, dec = (np.radians(_sample(events.values(name, "deg"))) for name in ("RA", "DEC"))
    directions = np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    # the median, not the mean, because some showers are reconstructed up to 89 deg away
    x, y, z = np.nanmedian(directions, axis=1)
    centre = float(np.degrees(np.arctan2(y, x))), float(np.degrees(np.arctan2(z, np.hypot(x, y))))
    if (distance := separation(lon, lat, *centre)) > MAX_DISTANCE:
        yield events.report(
            "events-far-from-pointing",
            f"the median direction of the events, RA {centre[0]:.2f} and DEC {centre[1]:.2f} deg, "
            f"is {distance:.1f} deg from the pointing; expected within {MAX_DISTANCE:g} deg",
        )


def check_energies(events: RunHdu, low: float, high: float) -> Iterator[Finding]:
    """Compare the median energy of the events with the energy range of the effective area.

    Parameters
    ----------
    events : RunHdu
        The events of a run, with the required columns.
    low, high : float
        The energy range with non-zero effective area, in TeV.

    Yields
    ------
    Finding
        A fault if the median energy is outside the range.
    """
    energy = events.values("ENERGY", "TeV")
    if not np.isfinite(energy).any():
        return  # reported by `check_events`
    median = float(np.nanmedian(_sample(energy)))
    if not low <= median <= high:
        yield events.report(
            "event-energies",
            f"the median ENERGY is {median:.3g} TeV, but the effective area is non-zero from "
            f"{low:.3g} to {high:.3g} TeV only; check the unit {events.table.unit('ENERGY')!r}",
        )


def _sample(values: Floats) -> Floats:
    """Return the values of events at equal distances in the list, enough for a median."""
    return values[:: max(1, len(values) // MIN_SAMPLE)]
