"""Rules on the smoothness of an effective area: a flipped bit makes one cell stand out.

A cell is compared with what its neighbours lead to expect, in ten ways: along the energy by a line
and by a cubic, each of the area, of its logarithm, and of its ratio to the next offsets. What
stands out stands out in all of them; a threshold or a bend does not.

The limits are twice what any of the 105 H.E.S.S. runs, two MAGIC runs and the CTA responses have.
Where the area is above 0.3 of its largest H.E.S.S. is smooth to 3 %, MAGIC (4 bins in the place of
24) to 10 %, CTA to 32 % where simulated events get few: hence a part that follows the roughness.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from skyred.inspection.axes import ResponseTable
from skyred.inspection.records import Finding
from skyred.inspection.tables import Floats

# what is less than this of the largest area is no area
DARK = 1e-6
# from which fraction of the largest area on, and how far (in logarithm) a cell may stand out
LIMITS = ((0.01, 0.5), (0.03, 0.3), (0.3, 0.1))
ROUGHNESS, ROUGHEST = 8.0, 0.5
# at a step down to nothing, and at the ends: MAGIC has 0.63
EDGE_LIMIT = 1.0
SEEN_AT_EDGES = 0.03


def check_area(area: ResponseTable) -> Iterator[Finding]:
    """Look for cells that stand out."""
    if len(area.low["ENERG"]) < 5:
        return
    values = np.maximum(area.cube, DARK * area.cube.max())
    apart = standing_out(values)
    limit = _limits(values, apart)
    excess = np.where(apart > limit, apart, 0.0)
    if not excess.any():
        return
    row, column = np.unravel_index(int(np.argmax(excess)), excess.shape)
    ratio = values[row, column] / np.sqrt(np.prod(_beside(values[row], int(column))))
    yield area.part.fault(
        f"EFFAREA at {area.centers('ENERG')[column]:.3g} TeV and {area.centers('THETA')[row]:.3g} "
        f"deg is {ratio:.3g} times that of its neighbours: a flipped bit?"
    )


def standing_out(values: Floats) -> Floats:
    """Give how far each cell stands out, in logarithm: (offset, energy)."""
    logs = np.log(values)
    ways = [_cubic(logs), _linear(logs)]
    for expected in (values - _cubic(values), values - _linear(values)):
        ways.append(np.log(values / np.maximum(expected, DARK * values.max())))
    if len(values) > 1:
        for step in (1, -1):
            ratio = logs - _next_offset(logs, step)
            ways += [_cubic(ratio), _linear(ratio)]
    apart: Floats = np.min(np.abs(ways), axis=0)
    return apart


def _limits(values: Floats, apart: Floats) -> Floats:
    dark = values <= DARK * values.max() * (1 + 1e-9)
    edge = _beside_dark(dark)
    # a cell that went dark counts as bright as what is beside it
    padded = np.pad(values, ((0, 0), (1, 1)))
    fraction = np.maximum(values, np.minimum(padded[:, :-2], padded[:, 2:])) / values.max()
    inner = apart[(fraction > LIMITS[0][0]) & ~edge]
    rough = min(ROUGHNESS * float(np.quantile(inner, 0.9)), ROUGHEST) if inner.size else ROUGHEST
    limit = np.full(values.shape, np.inf)
    for floor, allowed in LIMITS:
        limit[(fraction >= floor) & ~edge] = max(allowed, rough)
    limit[(fraction >= SEEN_AT_EDGES) & edge] = EDGE_LIMIT
    return limit


def _beside_dark(dark: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    edge = np.zeros_like(dark)
    edge[:, 0] = edge[:, -1] = True
    edge[:, 1:] |= dark[:, :-1]
    edge[:, :-1] |= dark[:, 1:]
    return edge


def _linear(values: Floats) -> Floats:
    """Give each value less the mean of those beside it; at the ends, less the line of two."""
    found = np.empty_like(values)
    found[:, 1:-1] = values[:, 1:-1] - (values[:, :-2] + values[:, 2:]) / 2
    found[:, 0] = values[:, 0] - 2 * values[:, 1] + values[:, 2]
    found[:, -1] = values[:, -1] - 2 * values[:, -2] + values[:, -3]
    return found


def _cubic(values: Floats) -> Floats:
    """Give each value less the cubic through two on each side."""
    found = _linear(values)
    near, far = values[:, 1:-3] + values[:, 3:-1], values[:, :-4] + values[:, 4:]
    found[:, 2:-2] = values[:, 2:-2] - (4 * near - far) / 6
    return found


def _next_offset(values: Floats, step: int) -> Floats:
    beside = np.roll(values, step, axis=0)
    end = 0 if step == 1 else -1
    beside[end] = values[step if step == 1 else -2]
    return beside


def _beside(values: Floats, index: int) -> Floats:
    last = len(values) - 1
    return values[[max(index - 1, 0) or (index == 0), min(index + 1, last) - (index == last)]]
