"""Rules on what must integrate to one: energy dispersion and point spread function."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from skyred.inspection.axes import ResponseTable
from skyred.inspection.records import Finding
from skyred.inspection.tables import Floats

# where the area is above this of its largest, an integral matters
BRIGHT = 1e-3
# dispersion of real runs is normalised to 1e-6 there; a flux is wrong by as much as this
DISPERSION = 0.01
# the PSF of H.E.S.S. to 0.4 %; those that are cut at some angle lack a little more
PSF = 0.02
# most of the cells together: H.E.S.S. has 1 to 0.06 % in its PSF, to 1e-7 in its dispersion
LEVEL = 0.05
# where the area is above this of its largest, half of the energies are reconstructed below 0.70
# to 1.27 times the true one (H.E.S.S., single cells), and below 0.84 to 1.01 times in most cells
BRIGHTEST = 0.1
MIGRATION, MIGRATION_OF_MOST = 2.0, 1.5
# dispersion of CTA is nothing where its area ends; the flux (E-2) that is lost must be small
LOST = 0.01
SIGMA_MAX = 5.0  # deg


def check_dispersion(edisp: ResponseTable, area: ResponseTable) -> Iterator[Finding]:
    """Look at the integral over MIGRA, for each offset and energy."""
    integral = np.einsum("tme,m->te", edisp.cube, edisp.widths("MIGRA"))
    # CTA has sums of 1 in the place of integrals: gammapy takes both
    total = edisp.cube.sum(axis=1)
    seen = _seen(edisp, area)
    matters = seen > BRIGHT
    level = _level(integral, matters)
    if abs(level - 1) > LEVEL and abs(_level(total, matters) - 1) > LEVEL:
        yield edisp.part.fault(f"MATRIX integrates to {level:.3g} over MIGRA; expected 1")
        return
    empty = matters & (integral <= 0)
    if lost := _lost(edisp, seen, empty):
        yield edisp.part.fault(
            f"MATRIX is nothing for {empty.sum()} of {matters.sum()} energies and offsets that "
            f"have effective area ({lost:.1%} of a flux)"
        )
    yield from _uneven(edisp, integral / level, matters & ~empty, DISPERSION, "MATRIX")
    yield from _migrated(edisp, (seen > BRIGHTEST) & (integral > 0))


def check_psf(psf: ResponseTable, area: ResponseTable) -> Iterator[Finding]:
    """Look at the integral over the sky, or at the widths, for each offset and energy."""
    seen = _seen(psf, area)
    matters = seen > BRIGHT
    if "RPSF" not in psf.cubes:
        yield from _widths(psf, matters)
        return
    low, high = np.radians(psf.low["RAD"]), np.radians(psf.high["RAD"])
    integral = np.einsum("rte,r->te", psf.cube, 2 * np.pi * (np.cos(low) - np.cos(high)))
    level = _level(integral, matters)
    if abs(level - 1) > LEVEL:
        yield psf.part.fault(f"RPSF integrates to {level:.3g} over the sky; expected 1")
        return
    empty = matters & (integral <= 0)
    if lost := _lost(psf, seen, empty):
        yield psf.part.fault(
            f"RPSF is nothing for {empty.sum()} of {matters.sum()} energies and offsets that have "
            f"effective area ({lost:.1%} of a flux)"
        )
    yield from _uneven(psf, integral / level, matters & ~empty, PSF, "RPSF")


def _migrated(edisp: ResponseTable, bright: npt.NDArray[np.bool_]) -> Iterator[Finding]:
    """Look at the median of MIGRA where there is most area."""
    if not bright.any():
        return
    summed = (np.swapaxes(edisp.cube, 1, 2)[bright] * edisp.widths("MIGRA")).cumsum(axis=1)
    medians = edisp.centers("MIGRA")[np.argmax(summed >= summed[:, -1:] / 2, axis=1)]
    most = float(np.median(medians))
    if not 1 / MIGRATION_OF_MOST <= most <= MIGRATION_OF_MOST:
        yield edisp.part.fault(f"the median of its MIGRA is {most:.3g}; expected about 1")
    elif number := int(((medians < 1 / MIGRATION) | (medians > MIGRATION)).sum()):
        yield edisp.part.fault(
            f"the median of its MIGRA is {medians.min():.3g} to {medians.max():.3g}; {number} of "
            f"{len(medians)} cells are not within {1 / MIGRATION:g} to {MIGRATION:g}"
        )


def _widths(psf: ResponseTable, matters: npt.NDArray[np.bool_]) -> Iterator[Finding]:
    """Look at the parameters of a formula: King, or three Gaussians."""
    narrow = "SIGMA" if "SIGMA" in psf.cubes else "SIGMA_1"
    if number := int((psf.cubes[narrow][matters] <= 0).sum()):
        yield psf.part.fault(f"{narrow} is not above 0 in {number} cells with effective area")
    for name, cube in psf.cubes.items():
        if name.startswith("SIGMA") and (np.abs(cube) > SIGMA_MAX).any():
            yield psf.part.fault(
                f"{name} reaches {np.abs(cube).max():.3g} deg; expected up to {SIGMA_MAX:g} deg"
            )
    if "GAMMA" in psf.cubes and (number := int((psf.cubes["GAMMA"][matters] <= 1).sum())):
        yield psf.part.fault(f"GAMMA is not above 1 in {number} cells with effective area")


def _uneven(
    response: ResponseTable,
    integral: Floats,
    matters: npt.NDArray[np.bool_],
    tolerance: float,
    name: str,
) -> Iterator[Finding]:
    apart = np.where(matters, np.abs(integral - 1), 0.0)
    if apart.max() > tolerance:
        row, column = np.unravel_index(int(np.argmax(apart)), apart.shape)
        yield response.part.fault(
            f"{name} at {response.centers('ENERG')[column]:.3g} TeV and "
            f"{response.centers('THETA')[row]:.3g} deg integrates to {integral[row, column]:.3g} "
            f"of what it does elsewhere: a flipped bit?"
        )


def _level(integral: Floats, matters: npt.NDArray[np.bool_]) -> float:
    filled = integral[matters & (integral > 0)]
    return float(np.median(filled)) if filled.size else 0.0


def _lost(response: ResponseTable, seen: Floats, empty: npt.NDArray[np.bool_]) -> float:
    """Give the largest share of a flux that no energy is dispersed from, if it matters."""
    energy = response.centers("ENERG")
    weight = seen * response.widths("ENERG") * energy**-2
    share = float(((weight * empty).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-300)).max())
    return share if share > LOST else 0.0


def _seen(response: ResponseTable, area: ResponseTable) -> Floats:
    """Give the effective area on the axes of another response, as part of the largest."""
    energy, offset = np.log(area.centers("ENERG")), area.centers("THETA")
    values = np.clip(area.cube, 0, None) / area.cube.max()
    wanted = np.log(response.centers("ENERG"))
    by_energy = np.array([np.interp(wanted, energy, row, 0.0, 0.0) for row in values])
    places = response.centers("THETA")
    return np.array([np.interp(places, offset, column) for column in by_energy.T]).T
