"""Checks of the axes of a response against those of the effective area of the same run."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from skyred.inspection.axes import OFFSETS, ResponseTable
from skyred.inspection.records import Finding

# largest allowed ratio of the maximum offsets; they are equal in all real responses of a run
OFFSET_RATIO = 2.0
# ratio of the first, or the last, energies: the dispersion of MAGIC 2013 begins at 4.5 times the
# first energy of its effective area, that of VERITAS at 1 / 2.8; wrong units are factors of 1000
EDGE_RATIO, UNIT_RATIO = 1.5, 30.0
# the dispersion of CTA is non-zero up to 1.66 times the last energy with effective area; the ratios
# of other instruments are smaller
LAST_ENERGY_RATIO = 4.0
# largest fraction of the counts of an E^-2 spectrum outside the energies of the dispersion: 0 for
# H.E.S.S., MAGIC, VERITAS, FACT and CTA, whose area is zero there
MAX_UNCOVERED = 0.01


def check_agreement(response: ResponseTable, area: ResponseTable) -> Iterator[Finding]:
    """Compare the axes and the non-zero energy range of a response with the effective area.

    Parameters
    ----------
    response : ResponseTable
        The response, not the effective area itself.
    area : ResponseTable
        The effective area of the same run.

    Yields
    ------
    Finding
        A finding for each disagreement.
    """
    yield from _check_offsets(response, area)
    if response.hdu.hdu_type in ("edisp", "psf"):
        yield from _check_energies(response, area)
        yield from _check_coverage(response, area)
        yield from _check_last_energy(response, area)


def _check_offsets(response: ResponseTable, area: ResponseTable) -> Iterator[Finding]:
    axis = next((name for name in OFFSETS if name in response.high), None)
    if axis is None or len(area.high["THETA"]) == 1:
        return
    response_max, area_max = float(response.high[axis][-1]), float(area.high["THETA"][-1])
    if not 1 / OFFSET_RATIO <= response_max / area_max <= OFFSET_RATIO:
        yield response.hdu.report(
            "response-offsets",
            f"its axis {axis} ends at {response_max:.3g} deg, but that of the effective area at "
            f"{area_max:.3g} deg; check the units",
        )


def _check_energies(response: ResponseTable, area: ResponseTable) -> Iterator[Finding]:
    first, area_first = float(response.low["ENERG"][0]), float(area.low["ENERG"][0])
    ratio_exists = min(first, area_first) > 0
    if ratio_exists and not 1 / EDGE_RATIO <= first / area_first <= EDGE_RATIO:
        yield _report_edge(
            response,
            max(first / area_first, area_first / first),
            (
                f"its axis ENERG begins at {first:.3g} TeV, but that of the effective area at "
                f"{area_first:.3g} TeV"
            ),
        )
    last, area_last = float(response.high["ENERG"][-1]), float(area.high["ENERG"][-1])
    if last < area_last / EDGE_RATIO:
        yield _report_edge(
            response,
            area_last / last,
            (
                f"its axis ENERG ends at {last:.3g} TeV, but that of the effective area at "
                f"{area_last:.3g} TeV"
            ),
        )


def _report_edge(response: ResponseTable, ratio: float, message: str) -> Finding:
    """Return a fault for a ratio that suggests different units, and a warning for a smaller one."""
    if ratio > UNIT_RATIO:
        return response.hdu.report("response-energies", f"{message}; check the units")
    return response.hdu.report("response-energy-range", message)


def _check_coverage(response: ResponseTable, area: ResponseTable) -> Iterator[Finding]:
    """Check that the dispersion covers the effective area, because gammapy extrapolates it."""
    if "MATRIX" not in response.values_by_column:
        return
    first, last = float(response.low["ENERG"][0]), float(response.high["ENERG"][-1])
    energy = area.centers("ENERG")
    ratio = max(first / energy[-1], energy[0] / max(last, 1e-300))
    if ratio > 1:  # no common energies: the units are wrong, which another rule reports
        return
    counts = np.clip(area.values, 0, None) * area.widths("ENERG") / energy**2
    is_uncovered = (energy < first) | (energy > last)
    total = np.maximum(counts.sum(axis=-1), 1e-300)
    uncovered = float(((counts * is_uncovered).sum(axis=-1) / total).max())
    if uncovered > MAX_UNCOVERED:
        yield response.hdu.report(
            "dispersion-coverage",
            f"its axis ENERG is {first:.3g} to {last:.3g} TeV, but {100 * uncovered:.2g} % of the "
            "counts of an E^-2 spectrum are at other energies with non-zero effective area",
        )


def _check_last_energy(response: ResponseTable, area: ResponseTable) -> Iterator[Finding]:
    """Check that the effective area does not end far below the last simulated energy."""
    name = next(iter(response.values_by_column))
    if name not in ("MATRIX", "RPSF"):
        return
    last = min(_last_nonzero_energy(response), area.high["ENERG"][-1])
    area_last = _last_nonzero_energy(area)
    if last > LAST_ENERGY_RATIO * area_last:
        yield area.hdu.report(
            "area-ends-early",
            f"EFFAREA is zero above {area_last:.3g} TeV, but {name} is non-zero up to "
            f"{last:.3g} TeV",
        )


def _last_nonzero_energy(response: ResponseTable) -> float:
    """Return the upper edge of the last energy bin with a non-zero value, in TeV."""
    by_energy = response.values.reshape(-1, response.values.shape[-1])
    nonzero = np.flatnonzero(by_energy.any(axis=0))
    return float(response.high["ENERG"][nonzero[-1]])
