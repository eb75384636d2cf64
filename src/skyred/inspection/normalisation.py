"""Checks of the energy dispersion and the point spread function: integrals and parameters."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from skyred.inspection.axes import ResponseTable
from skyred.inspection.records import Finding
from skyred.inspection.tables import Floats

# integrals are tested where the effective area is above this fraction of its maximum
RELEVANT_FRACTION = 1e-3
# the dispersion of H.E.S.S. is normalised to 1e-6 there; the limit is the relative error of a flux
DISPERSION_TOLERANCE = 0.01
# the PSF of H.E.S.S. is normalised to 0.4 %; a truncated PSF loses a little more
PSF_TOLERANCE = 0.02
# tolerance of the median integral, which deviates from 1 by 0.06 % in the PSF of H.E.S.S., and by
# 1e-7 in its dispersion
MEDIAN_TOLERANCE = 0.05
# the integrals between these quantiles agree to 1e-6 in normalised dispersions; in CTA 1DC they are
# numbers of simulated events, and differ by factors above 30; gammapy normalises each cell
QUANTILES = (0.1, 0.9)
# where the area is above this fraction of its maximum, the median of MIGRA is 0.70 to 1.27 in
# single cells (H.E.S.S.), and its median over the cells is 0.84 to 1.01
BRIGHT_FRACTION = 0.1
# VERITAS has 0.36 and 0.45 in two of 118 cells, at the threshold
MAX_MIGRATION, MAX_MEDIAN_MIGRATION = 2.0, 1.5
MAX_MIGRATION_FRACTION = 0.1
# the dispersion of CTA is zero where its area ends; the lost fraction of a flux (E-2) must be small
MAX_LOST_FLUX = 0.01
SIGMA_MAX = 5.0  # deg


def check_dispersion(edisp: ResponseTable, area: ResponseTable) -> Iterator[Finding]:
    """Check the integral of the energy dispersion over MIGRA, and the median of MIGRA.

    Parameters
    ----------
    edisp : ResponseTable
        The energy dispersion.
    area : ResponseTable
        The effective area of the same run; cells without area are not tested.

    Yields
    ------
    Finding
        A finding for each violation.
    """
    integral = np.einsum("tme,m->te", edisp.values, edisp.widths("MIGRA"))
    # gammapy also accepts matrices that sum to 1 instead of integrating to 1, as in CTA
    total = edisp.values.sum(axis=1)
    fraction = _area_fraction(edisp, area)
    relevant = fraction > RELEVANT_FRACTION
    median = _median(integral, relevant)
    if abs(median - 1) > MEDIAN_TOLERANCE and abs(_median(total, relevant) - 1) > MEDIAN_TOLERANCE:
        yield edisp.hdu.report(
            "dispersion-integral",
            f"MATRIX integrates to {median:.3g} over MIGRA; expected 1 (gammapy normalises it)",
        )
    empty = relevant & (integral <= 0)
    if lost_flux := _lost_flux(edisp, fraction, empty):
        yield edisp.hdu.report(
            "response-empty",
            f"MATRIX is zero for {empty.sum()} of {relevant.sum()} energies and offsets with "
            f"non-zero effective area ({100 * lost_flux:.2g} % of the counts of an E^-2 spectrum)",
        )
    if median > 0 and _is_uniform(integral[relevant & ~empty]):
        yield from _check_uniform(
            edisp, integral / median, relevant & ~empty, DISPERSION_TOLERANCE, "MATRIX"
        )
    yield from _check_migration(edisp, (fraction > BRIGHT_FRACTION) & (integral > 0))


def check_psf(psf: ResponseTable, area: ResponseTable) -> Iterator[Finding]:
    """Check the integral or the parameters of the PSF, for each offset and energy.

    Parameters
    ----------
    psf : ResponseTable
        The point spread function, as a table or as the parameters of a formula.
    area : ResponseTable
        The effective area of the same run; cells without area are not tested.

    Yields
    ------
    Finding
        A finding for each violation.
    """
    fraction = _area_fraction(psf, area)
    relevant = fraction > RELEVANT_FRACTION
    if "RPSF" not in psf.values_by_column:
        yield from _check_parameters(psf, relevant)
        return
    low, high = np.radians(psf.low["RAD"]), np.radians(psf.high["RAD"])
    integral = np.einsum("rte,r->te", psf.values, 2 * np.pi * (np.cos(low) - np.cos(high)))
    median = _median(integral, relevant)
    if abs(median - 1) > MEDIAN_TOLERANCE:
        yield psf.hdu.report(
            "psf-integral", f"RPSF integrates to {median:.3g} over the sky; expected 1"
        )
        return
    empty = relevant & (integral <= 0)
    if lost_flux := _lost_flux(psf, fraction, empty):
        yield psf.hdu.report(
            "response-empty",
            f"RPSF is zero for {empty.sum()} of {relevant.sum()} energies and offsets with "
            f"non-zero effective area ({100 * lost_flux:.2g} % of the counts of an E^-2 spectrum)",
        )
    yield from _check_uniform(psf, integral / median, relevant & ~empty, PSF_TOLERANCE, "RPSF")


def _check_migration(edisp: ResponseTable, bright: npt.NDArray[np.bool_]) -> Iterator[Finding]:
    """Check the median of MIGRA in the cells with the largest effective area."""
    if not bright.any():
        return
    integrals = (np.swapaxes(edisp.values, 1, 2)[bright] * edisp.widths("MIGRA")).cumsum(axis=1)
    medians = edisp.centers("MIGRA")[np.argmax(integrals >= integrals[:, -1:] / 2, axis=1)]
    median = float(np.median(medians))
    if not 1 / MAX_MEDIAN_MIGRATION <= median <= MAX_MEDIAN_MIGRATION:
        yield edisp.hdu.report(
            "migration", f"the median of its MIGRA is {median:.3g}; expected about 1"
        )
    elif n_cells := int(((medians < 1 / MAX_MIGRATION) | (medians > MAX_MIGRATION)).sum()):
        is_common = n_cells > MAX_MIGRATION_FRACTION * len(medians)
        yield edisp.hdu.report(
            "migration" if is_common else "migration-few",
            f"the median of its MIGRA is {medians.min():.3g} to {medians.max():.3g}; {n_cells} of "
            f"{len(medians)} cells are not within {1 / MAX_MIGRATION:g} to {MAX_MIGRATION:g}",
        )


def _check_parameters(psf: ResponseTable, relevant: npt.NDArray[np.bool_]) -> Iterator[Finding]:
    """Check the parameters of a King profile or of three Gaussians."""
    width = "SIGMA" if "SIGMA" in psf.values_by_column else "SIGMA_1"
    if n_cells := int((psf.values_by_column[width][relevant] <= 0).sum()):
        yield psf.hdu.report(
            "psf-parameters",
            f"{width} is not above 0 in {n_cells} cells with non-zero effective area",
        )
    for name, cube in psf.values_by_column.items():
        if name.startswith("SIGMA") and (np.abs(cube) > SIGMA_MAX).any():
            yield psf.hdu.report(
                "psf-parameters",
                f"{name} has values of {np.abs(cube).max():.3g} deg; "
                f"expected up to {SIGMA_MAX:g} deg",
            )
    if "GAMMA" in psf.values_by_column and (
        n_cells := int((psf.values_by_column["GAMMA"][relevant] <= 1).sum())
    ):
        yield psf.hdu.report(
            "psf-parameters",
            f"GAMMA is not above 1 in {n_cells} cells with non-zero effective area",
        )


def _is_uniform(integral: Floats) -> bool:
    """Return whether most integrals are equal; in CTA 1DC each is a number of simulated events."""
    low, high = np.quantile(integral, QUANTILES) if integral.size else (1.0, 1.0)
    return bool(high <= low * (1 + MEDIAN_TOLERANCE))


def _check_uniform(
    response: ResponseTable,
    integral: Floats,
    relevant: npt.NDArray[np.bool_],
    tolerance: float,
    name: str,
) -> Iterator[Finding]:
    deviation = np.where(relevant, np.abs(integral - 1), 0.0)
    if deviation.max() > tolerance:
        row, column = np.unravel_index(int(np.argmax(deviation)), deviation.shape)
        yield response.hdu.report(
            "response-outlier",
            f"{name} at {response.centers('ENERG')[column]:.3g} TeV and "
            f"{response.centers('THETA')[row]:.3g} deg integrates to {integral[row, column]:.3g} "
            f"times the value elsewhere; possibly a flipped bit",
        )


def _median(integral: Floats, relevant: npt.NDArray[np.bool_]) -> float:
    positive = integral[relevant & (integral > 0)]
    return float(np.median(positive)) if positive.size else 0.0


def _lost_flux(response: ResponseTable, fraction: Floats, empty: npt.NDArray[np.bool_]) -> float:
    """Return the fraction of the counts in empty cells at the worst offset; 0 if negligible."""
    energy = response.centers("ENERG")
    weight = fraction * response.widths("ENERG") * energy**-2
    lost_fraction = float(
        ((weight * empty).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-300)).max()
    )
    return lost_fraction if lost_fraction > MAX_LOST_FLUX else 0.0


def _area_fraction(response: ResponseTable, area: ResponseTable) -> Floats:
    """Return the effective area on the axes of another response, relative to its maximum.

    Parameters
    ----------
    response : ResponseTable
        The other response.
    area : ResponseTable
        The effective area.

    Returns
    -------
    array
        Shape (offsets, energies) of the response; 0 to 1.
    """
    energy, offset = np.log(area.centers("ENERG")), area.centers("THETA")
    values = np.clip(area.values, 0, None) / area.values.max()
    target_energy = np.log(response.centers("ENERG"))
    by_energy = np.array([np.interp(target_energy, energy, row, 0.0, 0.0) for row in values])
    target_offset = response.centers("THETA")
    return np.array([np.interp(target_offset, offset, column) for column in by_energy.T]).T
