"""Rules for headers, good time intervals and events."""

from __future__ import annotations

from skyred.inspection.rule import ALL, ASK, COPY_AGAIN, FIX_HEADER, FIX_INDEX, NONE, Rule

HEADER_RULES = (
    Rule(
        "obs-id",
        "fault",
        "OBS_ID is missing in the events, or differs from the index.",
        f"The file may be that of another run. {ALL}",
        FIX_INDEX,
    ),
    Rule(
        "pointing",
        "fault",
        "The pointing is missing, or differs from the index by 0.05 deg.",
        "Offsets and IRFs would be wrong. The archives agree to 1.4e-5 deg (float32).",
        FIX_HEADER,
    ),
    Rule(
        "location",
        "fault",
        "GEOLON, GEOLAT, or both ALTITUDE and GEOALT are missing.",
        f"gammapy cannot reduce events without the position of the telescope. {ALL}",
        FIX_HEADER,
    ),
    Rule("durations", "fault", "ONTIME or LIVETIME is not above 0.", ALL, FIX_HEADER),
    Rule(
        "durations-missing",
        "warning",
        "The header has no ONTIME or LIVETIME.",
        "gammapy uses the good time intervals and DEADC only, so the flux is right; but a wrong "
        "DEADC (0.5 instead of 0.94: +88 %) is only found if the index has it.",
        "compare DEADC with the publication of the data",
    ),
    Rule(
        "deadc",
        "fault",
        "DEADC is missing, or not above 0 and up to 1.",
        f"Without it gammapy cannot compute the livetime. {ALL}",
        FIX_HEADER,
    ),
    Rule(
        "deadtime",
        "fault",
        "LIVETIME / ONTIME differs from DEADC by more than 0.02.",
        "The flux is wrong by the ratio. The archives agree to 1e-7.",
        FIX_HEADER,
    ),
    Rule(
        "header-against-index",
        "fault",
        "A time differs from the index by more than 2 s and the "
        "rounding of float32, or a duration by more than 1 %.",
        "The files of another run look like this. The indexes of MAGIC 2013, VERITAS and CTA 1DC "
        "have float32 times (5 to 9 s off).",
        FIX_INDEX,
    ),
    Rule(
        "event-count",
        "fault",
        "The number of events differs from EVENT_COUNT by more than 1 %.",
        "Events are missing. H.E.S.S. DR1 and CTA 1DC agree exactly.",
        COPY_AGAIN,
    ),
    Rule(
        "event-count-small",
        "warning",
        "The number of events differs from EVENT_COUNT.",
        "Up to 1 %, which is below the error of a flux. H.E.S.S. DR1 and CTA 1DC agree exactly.",
        "check whether the events were filtered after the index was written",
    ),
    Rule(
        "time-reference",
        "fault",
        "MJDREFI or MJDREFF is missing, or those of events and good time intervals differ.",
        f"Times cannot be compared. {ALL}",
        FIX_HEADER,
    ),
    Rule(
        "time-unit",
        "fault",
        "TIMEUNIT is not a unit of time, or contradicts the times.",
        f"gammapy uses it to convert times. {ALL}",
        FIX_HEADER,
    ),
    Rule("time-range", "fault", "TSTART or TSTOP is missing, or not in order.", ALL, FIX_HEADER),
    Rule(
        "gti",
        "fault",
        "Good time intervals are missing, not finite or without length.",
        f"gammapy drops the run. {ALL}",
        ASK,
    ),
    Rule(
        "gti-overlap",
        "fault",
        "Good time intervals overlap by more than 1 ms.",
        f"gammapy counts the livetime twice. {ALL}",
        ASK,
    ),
    Rule(
        "gti-against-ontime",
        "fault",
        "The sum of the good time intervals differs from ONTIME by more than 2 s and 1 %.",
        "The flux is wrong by the ratio. ONTIME is that of the header, "
        f"LIVETIME / DEADC, or that of the index. {ALL}",
        ASK,
    ),
    Rule(
        "gti-outside-run",
        "fault",
        "Good time intervals are outside TSTART to TSTOP by more than "
        "2 s and the rounding of float32.",
        "TSTOP of CTA 1DC is 8 s early (float32).",
        ASK,
    ),
)
EVENT_RULES = (
    Rule("no-events", "fault", "The event list is empty.", ALL, "exclude the run"),
    Rule(
        "events-not-finite",
        "fault",
        "Times, positions or energies are not finite.",
        f"gammapy drops these events without notice. {ALL}",
        ASK,
    ),
    Rule(
        "events-out-of-range",
        "fault",
        "Energies are not above 0, or positions are out of range.",
        "MAGIC 2013 has RA up to 446 deg, CTA 1DC below 0: both are read correctly.",
        ASK,
    ),
    Rule(
        "events-repeated",
        "fault",
        "Events occur twice.",
        f"gammapy counts them twice. {ALL}",
        COPY_AGAIN,
    ),
    Rule(
        "event-ids",
        "note",
        "EVENT_ID is repeated for different events.",
        "MAGIC 2013 repeats them.",
        NONE,
    ),
    Rule(
        "events-same-position",
        "fault",
        "More than 1 % of the events have the same position.",
        ALL,
        ASK,
    ),
    Rule(
        "events-same-energy",
        "fault",
        "More than 1 % of the events have the same energy.",
        "In float32, 0.04 % of the energies of the archives are repeated.",
        ASK,
    ),
    Rule(
        "events-far-from-pointing",
        "fault",
        "The median event is 3 deg from the pointing.",
        "The median of the archives is within 0.45 deg.",
        FIX_HEADER,
    ),
    Rule(
        "event-energies",
        "fault",
        "The median energy is outside the range of the effective area.",
        f"The unit is wrong, or the IRFs are of another run. {ALL}",
        "correct TUNIT of ENERGY, or assign the right IRFs",
    ),
    Rule(
        "events-outside-gti",
        "fault",
        "More than 1 % of the events are outside the observation and its good times.",
        "The clock is shifted. H.E.S.S. has single events up to 0.93 s late.",
        ASK,
    ),
    Rule(
        "few-events-outside-gti",
        "note",
        "Events are outside the good times.",
        ALL,
        NONE,
    ),
    Rule(
        "event-gap",
        "note",
        "A good time begins or ends with more than 60 s without events.",
        "One run of H.E.S.S. (503 s) and one of FACT (134 s).",
        NONE,
    ),
)
