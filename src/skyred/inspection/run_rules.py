"""Rules for headers, good time intervals and events."""

from __future__ import annotations

from skyred.inspection.rule import (
    ASK,
    COPY_AGAIN,
    FIX_HEADER,
    FIX_INDEX,
    NO_ACTION,
    NO_VIOLATION,
    Rule,
)

HEADER_RULES = (
    Rule(
        "obs-id",
        "fault",
        "OBS_ID is missing in the events, or differs from the index.",
        f"The file may be that of another run. {NO_VIOLATION}",
        FIX_INDEX,
    ),
    Rule(
        "pointing",
        "fault",
        "The pointing is missing, or differs from the index by more than 0.05 deg.",
        "Offsets and IRFs would be wrong. In the reference archives, they agree to 1.4e-5 deg, the "
        "rounding of float32.",
        FIX_HEADER,
    ),
    Rule(
        "location",
        "fault",
        "GEOLON, GEOLAT, or both ALTITUDE and GEOALT are missing.",
        f"gammapy cannot reduce events without the observatory location. {NO_VIOLATION}",
        FIX_HEADER,
    ),
    Rule("durations", "fault", "ONTIME or LIVETIME is not above 0.", NO_VIOLATION, FIX_HEADER),
    Rule(
        "durations-missing",
        "warning",
        "The header has no ONTIME or LIVETIME.",
        "gammapy uses the good time intervals and DEADC only, so the flux is right; but a wrong "
        "DEADC (0.5 instead of 0.94: +88 %) is only found if the index has a DEADC.",
        "compare DEADC with the publication of the data",
    ),
    Rule(
        "deadc",
        "fault",
        "DEADC is missing, 0 or less, or above 1.",
        f"Without DEADC gammapy cannot compute the livetime. {NO_VIOLATION}",
        FIX_HEADER,
    ),
    Rule(
        "deadtime",
        "fault",
        "LIVETIME / ONTIME differs from DEADC by more than 0.02, or exceeds 1.01.",
        "The flux is wrong by the same factor. In the reference archives, they agree to 1e-7.",
        FIX_HEADER,
    ),
    Rule(
        "header-against-index",
        "fault",
        "A time differs from the index by more than 2 s plus the rounding of float32, or DEADC or "
        "a duration by more than 1 %.",
        "This is typical of the files of another run. The indexes of MAGIC 2013, VERITAS and CTA "
        "1DC have float32 times (with errors of 5 to 9 s).",
        FIX_INDEX,
    ),
    Rule(
        "event-count",
        "fault",
        "The number of events differs from EVENT_COUNT by more than 1 %.",
        "Events are missing. In H.E.S.S. DR1 and CTA 1DC, the numbers are equal.",
        COPY_AGAIN,
    ),
    Rule(
        "event-count-small",
        "warning",
        "The number of events differs from EVENT_COUNT by up to 1 %.",
        "The effect is smaller than the error of a flux. In H.E.S.S. DR1 and CTA 1DC, the numbers "
        "are equal.",
        "check whether the events were filtered after the index was written",
    ),
    Rule(
        "time-reference",
        "fault",
        "MJDREFI or MJDREFF is missing, or they or TIMESYS differ between the events and the good "
        "time intervals.",
        f"Times cannot be compared. {NO_VIOLATION}",
        FIX_HEADER,
    ),
    Rule(
        "time-unit",
        "fault",
        "TIMEUNIT is not a unit of time, or contradicts the times.",
        f"gammapy uses TIMEUNIT to convert times. {NO_VIOLATION}",
        FIX_HEADER,
    ),
    Rule(
        "time-range",
        "fault",
        "TSTART or TSTOP is missing, or TSTOP is not after TSTART.",
        NO_VIOLATION,
        FIX_HEADER,
    ),
    Rule(
        "gti",
        "fault",
        "Good time intervals are missing or not finite, or do not end after they start.",
        f"gammapy drops the run. {NO_VIOLATION}",
        ASK,
    ),
    Rule(
        "gti-overlap",
        "fault",
        "Good time intervals overlap by more than 1 ms.",
        f"gammapy counts the livetime twice. {NO_VIOLATION}",
        ASK,
    ),
    Rule(
        "gti-against-ontime",
        "fault",
        "The sum of the good time intervals differs from ONTIME by more than 2 s and "
        "by more than 1 %.",
        "The flux is wrong by the ratio of the two. ONTIME is that of the header, LIVETIME / "
        f"DEADC, or that of the index. {NO_VIOLATION}",
        ASK,
    ),
    Rule(
        "gti-outside-run",
        "fault",
        "Good time intervals begin before TSTART or end after TSTOP, by more than 2 s plus the "
        "rounding of float32.",
        "In CTA 1DC, TSTOP is up to 8 s too early, because it was rounded to float32; this is "
        "within the limit.",
        ASK,
    ),
)
EVENT_RULES = (
    Rule("no-events", "fault", "The event list is empty.", NO_VIOLATION, "exclude the run"),
    Rule(
        "events-not-finite",
        "fault",
        "Times, positions or energies are not finite.",
        f"gammapy silently drops these events. {NO_VIOLATION}",
        ASK,
    ),
    Rule(
        "events-out-of-range",
        "fault",
        "Energies are not above 0, or positions are out of range.",
        "MAGIC 2013 has RA up to 446 deg, CTA 1DC negative RA: both are read correctly.",
        ASK,
    ),
    Rule(
        "events-repeated",
        "fault",
        "Events occur twice.",
        f"gammapy counts them twice. {NO_VIOLATION}",
        COPY_AGAIN,
    ),
    Rule(
        "event-ids",
        "note",
        "EVENT_ID is repeated for different events.",
        "MAGIC 2013 has repeated EVENT_IDs.",
        NO_ACTION,
    ),
    Rule(
        "events-same-position",
        "fault",
        "More than 1 % of the events, and more than 10, have the same position.",
        NO_VIOLATION,
        ASK,
    ),
    Rule(
        "events-same-energy",
        "fault",
        "More than 1 % of the events, and more than 10, have the same energy.",
        "In the reference archives, at most three events of a run have the same energy, because "
        "energies are stored in float32.",
        ASK,
    ),
    Rule(
        "events-far-from-pointing",
        "fault",
        "The median direction of the events is more than 3 deg from the pointing.",
        "In the reference archives, it is within 0.45 deg.",
        FIX_HEADER,
    ),
    Rule(
        "event-energies",
        "fault",
        "The median energy is outside the range of the effective area.",
        f"The unit is wrong, or the IRFs belong to another run. {NO_VIOLATION}",
        "correct TUNIT of ENERGY, or assign the right IRFs",
    ),
    Rule(
        "events-outside-gti",
        "fault",
        "More than 1 % of the events are outside the observation and its good time intervals.",
        "The clock is shifted. H.E.S.S. has individual events up to 0.93 s after the end.",
        ASK,
    ),
    Rule(
        "few-events-outside-gti",
        "note",
        "Events are outside the good time intervals.",
        NO_VIOLATION,
        NO_ACTION,
    ),
    Rule(
        "event-gap",
        "note",
        "The good time begins or ends with more than 60 s without events.",
        "One run of H.E.S.S. (503 s) and one of FACT (134 s) have such a gap.",
        NO_ACTION,
    ),
)
