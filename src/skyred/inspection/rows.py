"""Rules on an effective area from offset to offset: none dark among others, none that stands out.

Two offsets are compared by the median of their ratio, where one is above a part of the largest.
In the 105 H.E.S.S. runs, the CTA responses and the simulated runs an offset has at most 1.06 times
the area of both beside it, and at least 1 / 1.26 of one; the innermost has at least 1 / 2.1 of the
next (one run; simulated showers were few), and the outermost at most 0.61 times either of the two
innermost. A fall towards the outermost may be as steep as it likes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from skyred.inspection.axes import ResponseTable
from skyred.inspection.records import Finding
from skyred.inspection.smoothness import DARK
from skyred.inspection.tables import Floats

BRIGHT = 0.1
# fewer energies than this say nothing
FEWEST = 3
ABOVE, BELOW = 1.4, 1.8
RISE, OUTERMOST = 4.2, 1.5


def check_rows(area: ResponseTable) -> Iterator[Finding]:
    """Look at each offset beside its neighbours."""
    values = area.cube
    lit = (values > DARK * values.max()).any(axis=1)
    dark = np.flatnonzero(~lit)
    if len(dark) and dark[0] < np.flatnonzero(lit)[-1]:
        yield _fault(area, int(dark[0]), "is nothing, but not at larger offsets")
        return
    rises = [_ratio(values, row, row - 1) for row in range(1, len(values))]
    for row, rise in enumerate(rises):
        if rise > RISE:
            yield _fault(area, row, f"is {1 / rise:.2g} times that at the next")
    for row in range(1, len(values) - 1):
        inner, outer = rises[row - 1], 1 / rises[row]
        if (inner > ABOVE and outer > ABOVE) or (inner < 1 / BELOW and outer < 1 / BELOW):
            yield _fault(area, row, f"is {inner:.2g} and {outer:.2g} times that of those beside it")
    if len(values) > 2:
        first, second = _ratio(values, -1, 0), _ratio(values, -1, 1)
        if first > OUTERMOST and second > OUTERMOST:
            yield _fault(area, -1, f"is {first:.2g} times that at the centre: are they reversed?")


def _ratio(values: Floats, row: int, other: int) -> float:
    """Give the median ratio of two offsets; NaN, which exceeds no limit, if it is unknown."""
    bright = (values[[row, other]] > BRIGHT * values.max()).any(axis=0)
    if bright.sum() < FEWEST:
        return float("nan")
    dark = DARK * values.max()
    above = np.maximum(values[row, bright], dark) / np.maximum(values[other, bright], dark)
    return float(np.median(above))


def _fault(area: ResponseTable, row: int, said: str) -> Finding:
    return area.part.fault(f"EFFAREA at the offset {area.centers('THETA')[row]:.3g} deg {said}")
