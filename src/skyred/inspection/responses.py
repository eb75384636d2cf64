"""Rules on responses, by kind: finite, not zero, and of sound values."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from skyred.inspection.axes import FORMS, ResponseTable, check_axes, response_of
from skyred.inspection.background import check_background
from skyred.inspection.normalisation import check_dispersion, check_psf
from skyred.inspection.parts import RunHdu
from skyred.inspection.records import Finding
from skyred.inspection.rows import check_rows
from skyred.inspection.smoothness import check_area

# effective areas of real instruments reach from 1e4 to 5e6 m2
AREA = (1e2, 1e8)
RAD_MAX = 10.0  # deg
# a PSF of three Gaussians may be one
MAY_BE_ZERO = ("SIGMA_2", "SIGMA_3", "AMPL_2", "AMPL_3")


def read_response(part: RunHdu) -> tuple[ResponseTable | None, list[Finding]]:
    """Read a response; None, and why, if it is not sound enough to be looked at further."""
    form = FORMS.get(part.form.lower())
    if form is None:
        return None, [part.note(f"is a {part.form}, which is not looked at")]
    if part.table.varying:
        return None, [part.note("has columns of varying length, which are not looked at")]
    wrong = list(check_axes(part, form))
    if wrong:
        return None, wrong
    response = response_of(part, form)
    wrong = list(_values(response))
    faults = any(finding.level == "fault" for finding in wrong)
    return (None if faults else response), wrong


def check_response(response: ResponseTable, area: ResponseTable | None) -> Iterator[Finding]:
    """Look at the values of a response; `area` tells where they matter."""
    kind = response.part.kind
    if kind == "aeff":
        yield from _level(response)
        yield from check_area(response)
        yield from check_rows(response)
    elif kind == "edisp" and area is not None:
        yield from check_dispersion(response, area)
    elif kind == "psf" and area is not None:
        yield from check_psf(response, area)
    elif kind == "bkg":
        yield from check_background(response)
    elif kind == "rad_max" and (response.cube.min() < 0 or response.cube.max() > RAD_MAX):
        yield response.part.fault(f"RAD_MAX is not between 0 and {RAD_MAX:g} deg everywhere")


def sensitive_energy_range(area: ResponseTable) -> tuple[float, float]:
    """Give the range of energies for which there is any effective area, in TeV."""
    lit = np.flatnonzero((area.cube > 0).any(axis=0))
    return float(area.low["ENERG"][lit[0]]), float(area.high["ENERG"][lit[-1]])


def _values(response: ResponseTable) -> Iterator[Finding]:
    part = response.part
    for name, cube in response.cubes.items():
        if number := int((~np.isfinite(cube)).sum()):
            yield part.fault(f"{name} is not finite in {number} of {cube.size} cells")
        elif name not in MAY_BE_ZERO and not (cube > 0).any():
            yield part.fault(f"{name} is nowhere above 0")
        elif (cube < 0).any():
            share = 100 * cube.min() / cube.max()
            yield part.note(
                f"{part.kind} has negative cells (down to {share:.2g} % of the largest)"
            )


def _level(area: ResponseTable) -> Iterator[Finding]:
    largest = float(area.cube.max())
    if not AREA[0] <= largest <= AREA[1]:
        yield area.part.fault(
            f"EFFAREA is at most {largest:.3g} m2; expected {AREA[0]:g} to {AREA[1]:g} m2: is the "
            f"unit {area.part.table.unit('EFFAREA')!r} right?"
        )
