"""Check of the smoothness of an effective area, to find single cells with a flipped bit.

A cell is compared with the value expected from its neighbours in eight ways: by linear and by cubic
interpolation along the energy axis, each for the area, its logarithm, and its ratios to both
neighbouring offsets. A damaged cell is an outlier in all comparisons, unlike a cell at a threshold
or a change of slope.

The limits are at least twice the largest deviations in the 105 H.E.S.S. runs, two MAGIC runs and
the CTA responses. Where the area is above 0.3 of its maximum, H.E.S.S. is smooth to 3 %, MAGIC (4
bins instead of 24) to 10 %, and CTA to 32 % where there are few simulated events. Therefore the
limit also scales with the deviations of the other cells.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from skyred.inspection.axes import ResponseTable
from skyred.inspection.records import Finding
from skyred.inspection.tables import Floats

# values below this fraction of the maximum count as zero
ZERO_FRACTION = 1e-6
# minimum fraction of the maximum area, and the largest allowed deviation of ln(area) above it
LIMITS = ((0.01, 0.5), (0.03, 0.3), (0.3, 0.1))
SCATTER_FACTOR, MAX_LIMIT = 8.0, 0.5
# limit next to cells without area, and at both ends of the energy axis: MAGIC has 0.63
EDGE_LIMIT = 1.0
EDGE_MIN_FRACTION = 0.03


def check_area_smoothness(area: ResponseTable) -> Iterator[Finding]:
    """Check an effective area for outlying cells.

    Parameters
    ----------
    area : ResponseTable
        The effective area.

    Yields
    ------
    Finding
        A fault for the cell with the largest deviation, if any is beyond its limit.
    """
    if len(area.low["ENERG"]) < 5:
        return
    values = np.maximum(area.values, ZERO_FRACTION * area.values.max())
    deviations = compute_deviations(values)
    excess = np.where(deviations > _compute_limits(values, deviations), deviations, 0.0)
    if not excess.any():
        return
    row, column = np.unravel_index(int(np.argmax(excess)), excess.shape)
    ratio = values[row, column] / np.sqrt(np.prod(_neighbours(values[row], int(column))))
    yield area.hdu.report(
        "area-outlier",
        f"EFFAREA at {area.centers('ENERG')[column]:.3g} TeV and {area.centers('THETA')[row]:.3g} "
        f"deg is {ratio:.3g} times that of its neighbours; possibly a flipped bit",
    )


def compute_deviations(values: Floats) -> Floats:
    """Return the deviation of each cell from its expected value, the smallest of all comparisons.

    Parameters
    ----------
    values : array
        Positive values, shape (offset, energy).

    Returns
    -------
    array
        Absolute differences of natural logarithms, shape (offset, energy).
    """
    logs = np.log(values)
    residuals = [_cubic_residuals(logs), _linear_residuals(logs)]
    for expected in (values - _cubic_residuals(values), values - _linear_residuals(values)):
        residuals.append(np.log(values / np.maximum(expected, ZERO_FRACTION * values.max())))
    if len(values) > 1:
        for step in (1, -1):
            ratio = logs - _next_offset(logs, step)
            residuals += [_cubic_residuals(ratio), _linear_residuals(ratio)]
    deviations: Floats = np.min(np.abs(residuals), axis=0)
    return deviations


def _compute_limits(values: Floats, deviations: Floats) -> Floats:
    """Return the largest allowed deviation of each cell, infinite if the cell is not tested."""
    is_empty = values <= ZERO_FRACTION * values.max() * (1 + 1e-9)
    is_edge = _find_edges(is_empty)
    # if a flipped bit made a cell zero, the area of its neighbours is used instead
    padded = np.pad(values, ((0, 0), (1, 1)))
    fraction = np.maximum(values, np.minimum(padded[:, :-2], padded[:, 2:])) / values.max()
    inner = deviations[(fraction > LIMITS[0][0]) & ~is_edge]
    scatter = (
        min(SCATTER_FACTOR * float(np.quantile(inner, 0.9)), MAX_LIMIT) if inner.size else MAX_LIMIT
    )
    limits = np.full(values.shape, np.inf)
    for min_fraction, limit in LIMITS:
        limits[(fraction >= min_fraction) & ~is_edge] = max(limit, scatter)
    limits[(fraction >= EDGE_MIN_FRACTION) & is_edge] = EDGE_LIMIT
    return limits


def _find_edges(is_empty: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return whether each cell is at an end of the energy axis, or next to an empty cell."""
    is_edge = np.zeros_like(is_empty)
    is_edge[:, 0] = is_edge[:, -1] = True
    is_edge[:, 1:] |= is_empty[:, :-1]
    is_edge[:, :-1] |= is_empty[:, 1:]
    return is_edge


def _linear_residuals(values: Floats) -> Floats:
    """Return the residuals of linear interpolation, and of linear extrapolation at the ends."""
    residuals = np.empty_like(values)
    residuals[:, 1:-1] = values[:, 1:-1] - (values[:, :-2] + values[:, 2:]) / 2
    residuals[:, 0] = values[:, 0] - 2 * values[:, 1] + values[:, 2]
    residuals[:, -1] = values[:, -1] - 2 * values[:, -2] + values[:, -3]
    return residuals


def _cubic_residuals(values: Floats) -> Floats:
    """Return the residuals of cubic interpolation, and of linear interpolation near the ends."""
    residuals = _linear_residuals(values)
    adjacent, second = values[:, 1:-3] + values[:, 3:-1], values[:, :-4] + values[:, 4:]
    residuals[:, 2:-2] = values[:, 2:-2] - (4 * adjacent - second) / 6
    return residuals


def _next_offset(values: Floats, step: int) -> Floats:
    shifted = np.roll(values, step, axis=0)
    end = 0 if step == 1 else -1
    shifted[end] = values[step if step == 1 else -2]
    return shifted


def _neighbours(values: Floats, index: int) -> Floats:
    last = len(values) - 1
    return values[[max(index - 1, 0) or (index == 0), min(index + 1, last) - (index == last)]]
