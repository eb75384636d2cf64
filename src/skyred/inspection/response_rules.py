"""Rules for IRFs."""

from __future__ import annotations

from skyred.inspection.rule import COPY_AGAIN, FIX_HEADER, NO_ACTION, NO_VIOLATION, REPRODUCE, Rule

RESPONSE_RULES = (
    Rule(
        "response-axes",
        "fault",
        "An axis is not increasing, has gaps, or does not match the shape of the values; or the "
        "offsets do not end between 0.3 and 20 deg.",
        NO_VIOLATION,
        REPRODUCE,
    ),
    Rule(
        "response-not-finite",
        "fault",
        "Values are not finite.",
        f"A flux is wrong (+33 % in an example), without a message from gammapy. {NO_VIOLATION}",
        REPRODUCE,
    ),
    Rule(
        "response-zero",
        "fault",
        "No value is above 0.",
        f"A flux is wrong (+33 % in an example), without a message from gammapy. {NO_VIOLATION}",
        REPRODUCE,
    ),
    Rule(
        "response-negative",
        "note",
        "Some values are negative.",
        "H.E.S.S. has negative values in 13 effective areas and 22 PSFs, with an absolute value of "
        "up to 1.2 % of the maximum.",
        NO_ACTION,
    ),
    Rule(
        "response-empty",
        "fault",
        "The energy dispersion or PSF is zero where more than 1 % of a flux is expected.",
        f"That flux is lost. {NO_VIOLATION}",
        REPRODUCE,
    ),
    Rule(
        "response-outlier",
        "fault",
        "Individual integrals of the energy dispersion (PSF) differ from the others by more than "
        "1 % (2 %).",
        "A flipped bit looks like this. Not applied to dispersions "
        f"that are not normalised (CTA 1DC). {NO_VIOLATION}",
        COPY_AGAIN,
    ),
    Rule(
        "response-offsets",
        "fault",
        "The largest offset differs from that of the effective area by more than a factor of 2.",
        f"The unit is wrong. {NO_VIOLATION}",
        "correct TUNIT of the axis",
    ),
    Rule(
        "response-energies",
        "fault",
        "The first energy differs from that of the effective area, or the last one is lower, by a "
        "factor of more than 30.",
        f"The unit is wrong (factors of 1000). {NO_VIOLATION}",
        "correct TUNIT of the axis",
    ),
    Rule(
        "response-energy-range",
        "warning",
        "The first energy differs from that of the effective area, or the last one is lower, by a "
        "factor of 1.5 to 30.",
        "gammapy extrapolates the energy dispersion there. The factors are 4.5 (MAGIC 2013), 2.8 "
        "(VERITAS) and 2.5 (CTA 1DC).",
        "choose an energy range inside both",
    ),
    Rule(
        "dispersion-coverage",
        "fault",
        "More than 1 % of the counts of a spectrum are at energies that the dispersion lacks.",
        "gammapy extrapolates the dispersion: without its energies below 1 TeV, a H.E.S.S. run has "
        f"58 % fewer predicted counts between 0.7 and 1.3 TeV. {NO_VIOLATION}",
        REPRODUCE,
    ),
    Rule(
        "dispersion-integral",
        "warning",
        "The energy dispersion does not integrate to 1.",
        "gammapy normalises each cell, so a constant factor has no effect. CTA 1DC has numbers of "
        "simulated events.",
        NO_ACTION,
    ),
    Rule(
        "migration",
        "fault",
        "The median of MIGRA is off by a factor of 1.5, or by a factor of 2 in 10 % of the cells.",
        "In the reference archives, the median over all cells is 0.84 to 1.01.",
        REPRODUCE,
    ),
    Rule(
        "migration-few",
        "warning",
        "The median of MIGRA is below 0.5 or above 2 in some cells.",
        "VERITAS has 2 of 118 cells, at the threshold.",
        "choose a higher energy threshold",
    ),
    Rule(
        "psf-integral",
        "fault",
        "The integral of the PSF differs from 1 by more than 5 %.",
        "Containment corrections would be wrong. H.E.S.S. PSFs deviate by up to 0.4 %.",
        REPRODUCE,
    ),
    Rule(
        "psf-parameters",
        "fault",
        "A width of the PSF is 0 or less, or more than 5 deg; or GAMMA is 1 or less.",
        NO_VIOLATION,
        REPRODUCE,
    ),
    Rule(
        "area-maximum",
        "fault",
        "The largest effective area is outside 1e2 to 1e8 m2.",
        "The unit is wrong. The largest areas of real instruments are 1e4 to 5e6 m2.",
        "correct TUNIT of EFFAREA",
    ),
    Rule(
        "area-outlier",
        "fault",
        "Individual effective areas differ from their neighbours.",
        f"A flipped bit changes a flux by 1.4 to 4.7 %. {NO_VIOLATION}",
        COPY_AGAIN,
    ),
    Rule(
        "area-offsets",
        "fault",
        "The effective area at an offset differs from those at the neighbouring offsets.",
        NO_VIOLATION,
        REPRODUCE,
    ),
    Rule(
        "area-ends-early",
        "fault",
        "The effective area ends below a quarter of the last energy of the energy dispersion or "
        "PSF.",
        "In the reference archives, the last energy is at most 1.66 times the end of the effective "
        "area.",
        REPRODUCE,
    ),
    Rule(
        "background-alignment",
        "fault",
        "FOVALIGN is neither ALTAZ nor RADEC.",
        f"gammapy cannot orient the background. {NO_VIOLATION}",
        FIX_HEADER,
    ),
    Rule(
        "background-halves",
        "fault",
        "One half of the camera has more than 1.5 times the background of the other.",
        "The largest ratio in H.E.S.S. runs is 1.14.",
        REPRODUCE,
    ),
    Rule(
        "background-outlier",
        "fault",
        "Individual background rates differ from their neighbours.",
        f"A flipped bit looks like this. {NO_VIOLATION}",
        COPY_AGAIN,
    ),
    Rule(
        "background-rate",
        "fault",
        "The background predicts more than 3.5 times the number of events, or less than 1 / 3.5 of "
        "it, beyond the Poisson error.",
        "H.E.S.S. backgrounds predict 0.46 to 0.97 times the events.",
        "correct TUNIT of BKG",
    ),
    Rule("rad-max", "fault", "RAD_MAX is outside 0 to 10 deg.", NO_VIOLATION, REPRODUCE),
    Rule(
        "not-inspected",
        "note",
        "The format of a response is not inspected.",
        NO_VIOLATION,
        NO_ACTION,
    ),
)
