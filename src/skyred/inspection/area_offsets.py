"""Checks of an effective area for offsets that are empty or differ from their neighbours.

The areas at two offsets are compared by their median ratio, over the energies where one of them is
above a fraction of the maximum. In the 105 H.E.S.S. runs, the CTA responses and the simulated runs,
the area at an offset is at most 1.06 times the areas at both neighbours, and at least 1 / 1.26
times the area at one neighbour. The area at the innermost offset is at least 1 / 2.1 times that at
the next offset (one run, with few simulated showers), and the area at the outermost offset is at
most 0.61 times that at either of the two innermost offsets. There is no limit on the decrease
towards the outermost offset.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from skyred.inspection.area_smoothness import ZERO_FRACTION
from skyred.inspection.axes import ResponseTable
from skyred.inspection.records import Finding
from skyred.inspection.tables import Floats

# minimum fraction of the maximum area for a comparison
BRIGHT_FRACTION = 0.1
# minimum number of energies for a comparison
MIN_ENERGIES = 3
# limits of the ratios, above and below 1, of the area at an offset to that at both neighbours
HIGH_RATIO, LOW_RATIO = 1.4, 1.8
# ratio of the area at an offset to that at the next smaller one, and of that at the outermost
# offset to those at the two innermost ones
MAX_INNER_RATIO, MAX_OUTER_RATIO = 4.2, 1.5


def check_area_offsets(area: ResponseTable) -> Iterator[Finding]:
    """Compare the effective area at each offset with that at the neighbouring offsets.

    Parameters
    ----------
    area : ResponseTable
        The effective area.

    Yields
    ------
    Finding
        A finding for each outlier.
    """
    values = area.values
    nonzero = (values > ZERO_FRACTION * values.max()).any(axis=1)
    empty = np.flatnonzero(~nonzero)
    if len(empty) and empty[0] < np.flatnonzero(nonzero)[-1]:
        yield _fault(area, int(empty[0]), "is zero, but not at larger offsets")
        return
    ratios_to_inner = [_ratio(values, row, row - 1) for row in range(1, len(values))]
    for row, ratio in enumerate(ratios_to_inner):
        if ratio > MAX_INNER_RATIO:
            yield _fault(area, row, f"is {1 / ratio:.2g} times that at the next offset")
    for row in range(1, len(values) - 1):
        inner, outer = ratios_to_inner[row - 1], 1 / ratios_to_inner[row]
        if (inner > HIGH_RATIO and outer > HIGH_RATIO) or (
            inner < 1 / LOW_RATIO and outer < 1 / LOW_RATIO
        ):
            yield _fault(
                area, row, f"is {inner:.2g} and {outer:.2g} times that at the neighbouring offsets"
            )
    if len(values) > 2:
        to_first, to_second = _ratio(values, -1, 0), _ratio(values, -1, 1)
        if to_first > MAX_OUTER_RATIO and to_second > MAX_OUTER_RATIO:
            yield _fault(
                area, -1, f"is {to_first:.2g} times that at the centre; the offsets may be reversed"
            )


def _ratio(values: Floats, row: int, reference: int) -> float:
    """Return the median ratio of the areas at two offsets; NaN if there are too few energies.

    NaN passes all checks.
    """
    is_bright = (values[[row, reference]] > BRIGHT_FRACTION * values.max()).any(axis=0)
    if is_bright.sum() < MIN_ENERGIES:
        return float("nan")
    areas = np.maximum(values[:, is_bright], ZERO_FRACTION * values.max())
    ratios = areas[row] / areas[reference]
    return float(np.median(ratios))


def _fault(area: ResponseTable, row: int, message: str) -> Finding:
    return area.hdu.report(
        "area-offsets", f"EFFAREA at the offset {area.centers('THETA')[row]:.3g} deg {message}"
    )
