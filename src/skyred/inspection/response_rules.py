"""Rules for IRFs."""

from __future__ import annotations

from skyred.inspection.rule import ALL, COPY_AGAIN, FIX_HEADER, NONE, REPRODUCE, Rule

RESPONSE_RULES = (
    Rule(
        "response-axes",
        "fault",
        "An axis is not increasing, has gaps, or does not fit the "
        "values; or the offsets do not end between 0.3 and 20 deg.",
        ALL,
        REPRODUCE,
    ),
    Rule(
        "response-not-finite",
        "fault",
        "Values are not finite.",
        f"Fluxes are wrong by +33 % without a message. {ALL}",
        REPRODUCE,
    ),
    Rule(
        "response-zero",
        "fault",
        "No value is above 0.",
        f"Fluxes are wrong by +33 % without a message. {ALL}",
        REPRODUCE,
    ),
    Rule(
        "response-negative",
        "note",
        "Some values are negative.",
        "H.E.S.S. has them in 13 effective areas and 22 PSFs, below 1.2 % of the largest.",
        NONE,
    ),
    Rule(
        "response-empty",
        "fault",
        "Energy dispersion or PSF are zero where more than 1 % of a flux is expected.",
        f"That flux is lost. {ALL}",
        REPRODUCE,
    ),
    Rule(
        "response-outlier",
        "fault",
        "Single integrals of energy dispersion (1 %) or PSF (2 %) differ from the others.",
        "A flipped bit looks like this. Not applied to dispersions "
        f"that are not normalised (CTA 1DC). {ALL}",
        COPY_AGAIN,
    ),
    Rule(
        "response-offsets",
        "fault",
        "The offsets end at half or twice those of the effective area.",
        f"The unit is wrong. {ALL}",
        "correct TUNIT of the axis",
    ),
    Rule(
        "response-energies",
        "fault",
        "Energies begin or end at a factor of 30 from those of the effective area.",
        f"The unit is wrong (factors of 1000). {ALL}",
        "correct TUNIT of the axis",
    ),
    Rule(
        "response-energy-range",
        "warning",
        "Energies begin or end elsewhere than those of the effective area (factors of 1.5 to 30).",
        "gammapy has no migration there. MAGIC 2013 (4.5), VERITAS (2.8) and CTA 1DC (2.5).",
        "choose an energy range inside of both",
    ),
    Rule(
        "dispersion-coverage",
        "fault",
        "More than 1 % of the counts of a spectrum are at energies that the dispersion lacks.",
        "gammapy extrapolates the dispersion: without its energies below 1 TeV, a H.E.S.S. run has "
        f"58 % fewer predicted counts between 0.7 and 1.3 TeV. {ALL}",
        REPRODUCE,
    ),
    Rule(
        "dispersion-integral",
        "warning",
        "The energy dispersion does not integrate to 1.",
        "gammapy normalises each cell: kernels of twice the matrix are the same. CTA 1DC has "
        "numbers of simulated events.",
        NONE,
    ),
    Rule(
        "migration",
        "fault",
        "The median of MIGRA is far from 1 (1.5), or in 10 % of the cells (2).",
        "The median of the archives is 0.84 to 1.01.",
        REPRODUCE,
    ),
    Rule(
        "migration-few",
        "warning",
        "The median of MIGRA of some cells is below 0.5 or above 2.",
        "VERITAS has 2 of 118 cells, at the threshold.",
        "choose a higher energy threshold",
    ),
    Rule(
        "psf-integral",
        "fault",
        "The PSF does not integrate to 1 (5 %).",
        "Containment corrections would be wrong. H.E.S.S. has 0.4 %.",
        REPRODUCE,
    ),
    Rule(
        "psf-parameters",
        "fault",
        "Widths of the PSF are not above 0, or above 5 deg; or GAMMA is not above 1.",
        ALL,
        REPRODUCE,
    ),
    Rule(
        "area-maximum",
        "fault",
        "The largest effective area is not 1e2 to 1e8 m2.",
        "The unit is wrong. Real areas are 1e4 to 5e6 m2.",
        "correct TUNIT of EFFAREA",
    ),
    Rule(
        "area-outlier",
        "fault",
        "Single effective areas differ from their neighbours.",
        f"A flipped bit changes a flux by 1.4 to 4.7 %. {ALL}",
        COPY_AGAIN,
    ),
    Rule(
        "area-offsets",
        "fault",
        "The effective area at an offset differs from the neighbouring offsets.",
        ALL,
        REPRODUCE,
    ),
    Rule(
        "area-ends-early",
        "fault",
        "The effective area is zero above a quarter of the last "
        "energy of energy dispersion or PSF.",
        "The largest ratio of the archives is 1.66.",
        REPRODUCE,
    ),
    Rule(
        "background-alignment",
        "fault",
        "FOVALIGN is neither ALTAZ nor RADEC.",
        f"gammapy cannot orient it. {ALL}",
        FIX_HEADER,
    ),
    Rule(
        "background-halves",
        "fault",
        "One half of the camera has 1.5 times the background.",
        "The largest ratio of H.E.S.S. is 1.14.",
        REPRODUCE,
    ),
    Rule(
        "background-outlier",
        "fault",
        "Single backgrounds differ from their neighbours.",
        f"A flipped bit looks like this. {ALL}",
        COPY_AGAIN,
    ),
    Rule(
        "background-rate",
        "fault",
        "The background predicts 3.5 times the events, or less than 1 / 3.5.",
        "H.E.S.S. predicts 0.46 to 0.97 times the events.",
        "correct TUNIT of BKG",
    ),
    Rule("rad-max", "fault", "RAD_MAX is not 0 to 10 deg.", ALL, REPRODUCE),
    Rule("not-inspected", "note", "The format of a response is not inspected.", ALL, NONE),
)
