"""Rules for files, indexes and columns."""

from __future__ import annotations

from skyred.inspection.rule import ASK, COPY_AGAIN, FIX_INDEX, NO_ACTION, NO_VIOLATION, Rule

FILE_RULES = (
    Rule(
        "file-damaged",
        "fault",
        "A file is missing, empty, truncated or not FITS, has two HDUs with the same name, or "
        "differs from its checksums (gzip, CHECKSUM, DATASUM).",
        f"gammapy ignores the CRC of gzip, and reads some truncated files. {NO_VIOLATION}",
        COPY_AGAIN,
    ),
    Rule(
        "header-with-code",
        "fault",
        "The value of a card WCSSHAPE is not a tuple of integers.",
        f"gammapy evaluates the card as Python code. {NO_VIOLATION}",
        "do not use files from this source",
    ),
    Rule(
        "file-changed",
        "fault",
        "A file differs from SHA256SUMS, or changed during the run.",
        f"The products would mix two versions. {NO_VIOLATION}",
        COPY_AGAIN,
    ),
    Rule(
        "hdu-missing",
        "fault",
        "The file has no HDU with the name in the index.",
        f"gammapy cannot read the run. {NO_VIOLATION}",
        FIX_INDEX,
    ),
    Rule(
        "hdu-of-another-run",
        "fault",
        "A response is in the file of another run.",
        f"The flux would be computed with the IRFs of another run. {NO_VIOLATION}",
        FIX_INDEX,
    ),
    Rule(
        "hdu-unreadable",
        "fault",
        "The content of an HDU cannot be read.",
        f"gammapy cannot read it either. {NO_VIOLATION}",
        COPY_AGAIN,
    ),
    Rule(
        "index-run-repeated",
        "fault",
        "The observation index lists a run more than once.",
        f"gammapy silently uses the first row. {NO_VIOLATION}",
        FIX_INDEX,
    ),
    Rule(
        "index-path",
        "fault",
        "A path in the index is outside the archive.",
        "An index must not make skyred read arbitrary files. IRFs may be outside, if their "
        "path is relative and they are FITS files. If the index is in a folder `index`, as in CTA "
        "1DC, the archive is the folder that contains it.",
        "copy the file into the archive and correct the index, or set allow_outside: true "
        "(skyred check ARCHIVE --allow-outside)",
    ),
    Rule(
        "index-variable",
        "fault",
        "A path in the index contains a variable or ~.",
        f"An index must not depend on the environment. {NO_VIOLATION}",
        "replace the variable in the index by the path of the file",
    ),
    Rule(
        "index-shared-hdu",
        "fault",
        "The index lists the same HDU for two runs: events, good time intervals, or any HDU in the "
        "same file as events.",
        "gammapy counts the events twice (in an example, +7.7 % in the flux of four runs). "
        f"{NO_VIOLATION}",
        FIX_INDEX,
    ),
    Rule(
        "index-repeated-hdu",
        "fault",
        "The HDU index has several HDUs of one type for a run.",
        f"gammapy logs a warning and uses the first. {NO_VIOLATION}",
        "choose one with hdus (skyred check ARCHIVE --hdus HDU_NAME=...), or correct the index",
    ),
    Rule(
        "index-missing-hdu",
        "fault",
        "The HDU index has no HDU of a required type for a run.",
        f"gammapy drops the run. {NO_VIOLATION}",
        FIX_INDEX,
    ),
    Rule(
        "columns",
        "fault",
        "A required column is missing, or its name is not in upper case (events and good times).",
        "gammapy cannot read the table. ETRUE_LO and BGD (CTA 1DC) are accepted, as in gammapy.",
        ASK,
    ),
    Rule(
        "units",
        "fault",
        "A column has no unit, a unit of another physical type, or one that is not a FITS unit.",
        f"gammapy cannot read the column. {NO_VIOLATION}",
        "correct TUNIT of the column",
    ),
    Rule(
        "energy-unit",
        "fault",
        "The unit of an energy is not a multiple of eV.",
        "GADF requires TeV. Energies in TeV that are labelled erg change a flux by -34 %. "
        f"{NO_VIOLATION}",
        "convert the column to TeV, and correct its TUNIT",
    ),
    Rule(
        "unit-assumed",
        "note",
        "A column has no valid unit, but gammapy assumes the unit of GADF.",
        "CTA 1DC has no unit for START, STOP and SCALE, and an invalid one for BGD.",
        NO_ACTION,
    ),
)
