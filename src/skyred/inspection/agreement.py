"""Rules on responses beside the effective area of their run: the same offsets and energies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from skyred.inspection.axes import OFFSETS, ResponseTable
from skyred.inspection.records import Finding

# all real responses of a run reach the same offset
OFFSET = 2.0
# CTA's dispersion begins at 1 / 1.26 of the first energy of its area, the others at the same
EDGE = 1.5
# CTA's dispersion is something up to 1.66 times the last energy that has area, the others' less
DARK_ABOVE = 4.0


def check_agreement(response: ResponseTable, area: ResponseTable) -> Iterator[Finding]:
    """Compare the axes of a response with those of the area, and where there is something."""
    yield from _offsets(response, area)
    if response.part.kind in ("edisp", "psf"):
        yield from _energies(response, area)
        yield from _dark(response, area)


def _offsets(response: ResponseTable, area: ResponseTable) -> Iterator[Finding]:
    axis = next((name for name in OFFSETS if name in response.high), None)
    if axis is None or len(area.high["THETA"]) == 1:
        return
    here, there = float(response.high[axis][-1]), float(area.high["THETA"][-1])
    if not 1 / OFFSET <= here / there <= OFFSET:
        yield response.part.fault(
            f"its axis {axis} reaches {here:.3g} deg, that of the area {there:.3g} deg: are the "
            "units right?"
        )


def _energies(response: ResponseTable, area: ResponseTable) -> Iterator[Finding]:
    first, of_area = float(response.low["ENERG"][0]), float(area.low["ENERG"][0])
    if min(first, of_area) > 0 and not 1 / EDGE <= first / of_area <= EDGE:
        yield response.part.fault(
            f"its axis ENERG begins at {first:.3g} TeV, that of the area at {of_area:.3g} TeV: are "
            "the units right?"
        )
    last, of_area = float(response.high["ENERG"][-1]), float(area.high["ENERG"][-1])
    if last < of_area / EDGE:
        yield response.part.fault(
            f"its axis ENERG ends at {last:.3g} TeV, that of the area at {of_area:.3g} TeV: are "
            "the units right?"
        )


def _dark(response: ResponseTable, area: ResponseTable) -> Iterator[Finding]:
    """Look for area that ends where the response shows that showers were simulated beyond."""
    name = next(iter(response.cubes))
    if name not in ("MATRIX", "RPSF"):
        return
    here = min(_last_lit(response), area.high["ENERG"][-1])
    there = _last_lit(area)
    if here > DARK_ABOVE * there:
        yield area.part.fault(
            f"EFFAREA is nothing above {there:.3g} TeV, but {name} is something up to {here:.3g} "
            "TeV"
        )


def _last_lit(response: ResponseTable) -> float:
    """Give the largest energy for which a response is anything."""
    by_energy = response.cube.reshape(-1, response.cube.shape[-1])
    lit = np.flatnonzero(by_energy.any(axis=0))
    return float(response.high["ENERG"][lit[-1]])
