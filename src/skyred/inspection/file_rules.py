"""Rules for files, indexes and columns."""

from __future__ import annotations

from skyred.inspection.rule import ALL, ASK, COPY_AGAIN, FIX_INDEX, NONE, Rule

FILE_RULES = (
    Rule(
        "file-damaged",
        "fault",
        "A file is missing, empty, truncated, or differs from its "
        "checksums (gzip, CHECKSUM, DATASUM).",
        f"gammapy ignores the CRC of gzip, and reads some truncated files. {ALL}",
        COPY_AGAIN,
    ),
    Rule(
        "header-with-code",
        "fault",
        "A card WCSSHAPE is not a tuple of integers.",
        f"gammapy evaluates it as Python code. {ALL}",
        "do not use files of this origin",
    ),
    Rule(
        "file-changed",
        "fault",
        "A file differs from SHA256SUMS, or changed during the run.",
        f"The products would mix two versions. {ALL}",
        COPY_AGAIN,
    ),
    Rule(
        "hdu-missing",
        "fault",
        "The file has no HDU with the name in the index.",
        f"gammapy cannot read it. {ALL}",
        FIX_INDEX,
    ),
    Rule(
        "hdu-of-another-run",
        "fault",
        "A response without OBS_ID is in the file of another run.",
        f"The flux would be computed with the IRFs of another run. {ALL}",
        FIX_INDEX,
    ),
    Rule(
        "hdu-unreadable",
        "fault",
        "The content of an HDU cannot be read.",
        f"gammapy cannot read it either. {ALL}",
        COPY_AGAIN,
    ),
    Rule(
        "index-run-repeated",
        "fault",
        "The observation index lists a run twice.",
        f"gammapy counts it twice. {ALL}",
        FIX_INDEX,
    ),
    Rule(
        "index-path",
        "fault",
        "A path in the index is outside the archive.",
        "An index must not make skyred read any file of the user. IRFs may be outside, if their "
        "path is relative and they are FITS files. If the index is in a folder `index`, as in CTA "
        "1DC, the archive is the folder that contains it.",
        "copy the file into the archive and correct the index, or set allow_outside: true "
        "(skyred check ARCHIVE --allow-outside)",
    ),
    Rule(
        "index-variable",
        "fault",
        "A path in the index contains a variable or ~.",
        f"An index must not depend on the environment. {ALL}",
        "replace the variable in the index by the path of the file",
    ),
    Rule(
        "index-shared-hdu",
        "fault",
        "Two runs have the same events or good time intervals.",
        f"gammapy counts them twice (+7.7 % in the flux of four runs). {ALL}",
        FIX_INDEX,
    ),
    Rule(
        "index-repeated-hdu",
        "fault",
        "The HDU index has several HDUs of one type for a run.",
        f"gammapy uses the first without notice. {ALL}",
        "choose one with hdus (skyred check ARCHIVE --hdus HDU_NAME=...), or correct the index",
    ),
    Rule(
        "index-missing-hdu",
        "fault",
        "The HDU index has no HDU of a required type for a run.",
        f"gammapy drops the run. {ALL}",
        FIX_INDEX,
    ),
    Rule(
        "columns",
        "fault",
        "A required column is missing.",
        "gammapy cannot read the table. ETRUE_LO and BGD (CTA 1DC) are accepted, as in gammapy.",
        ASK,
    ),
    Rule(
        "units",
        "fault",
        "A column has no unit, or a unit of another physical type.",
        f"gammapy cannot read it. {ALL}",
        "correct TUNIT of the column",
    ),
    Rule(
        "energy-unit",
        "fault",
        "The unit of an energy is not a multiple of eV.",
        f"GADF requires TeV. Energies in TeV that are labelled erg change a flux by -34 %. {ALL}",
        "convert the column to TeV, and correct its TUNIT",
    ),
    Rule(
        "unit-assumed",
        "note",
        "A column has no unit, but gammapy assumes that of GADF.",
        "CTA 1DC has no unit for START, STOP and SCALE, and an invalid one for BGD.",
        NONE,
    ),
)
