"""Checks of a background: outlying cells, asymmetric camera halves, implausible event rates."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import numpy as np

from skyred.inspection.axes import ResponseTable
from skyred.inspection.records import Finding
from skyred.inspection.run_hdu import RunHdu
from skyred.inspection.tables import Floats

# in real backgrounds no cell exceeds 1.17 times its largest neighbour, or is below 1 / 1.08 times
# its smallest neighbour; a high cell is reported only if it exceeds this fraction of the largest
# value at the same energy, a low cell only if its neighbours do
HIGH_RATIO, HIGH_MIN_FRACTION = 1.4, 0.01
LOW_RATIO, LOW_MIN_FRACTION = 0.7, 0.1
# the predicted number of events is 0.46 to 0.97 times the observed number in H.E.S.S. runs, and
# 1.55 times the observed number in simulated runs; the limit includes the Poisson error
MAX_RATE_RATIO, N_SIGMA = 3.5, 3.0
# one half of the camera has at most 1.14 times the rate of the other in H.E.S.S. runs
MAX_HALVES_RATIO = 1.5
CENTRE_TOLERANCE = 1e-3  # deg
ALIGNMENTS = ("ALTAZ", "RADEC")


def check_background(background: ResponseTable) -> Iterator[Finding]:
    """Check the alignment of a background; if it is 3D, also the camera halves and single cells.

    Parameters
    ----------
    background : ResponseTable
        The background rate in MeV-1 s-1 sr-1.

    Yields
    ------
    Finding
        A finding for each violation, but only one for the first of several outlying cells.
    """
    alignment = str(background.hdu.header.get("FOVALIGN", ALIGNMENTS[0])).strip().upper()
    if alignment not in ALIGNMENTS:
        yield background.hdu.report(
            "background-alignment",
            f"its FOVALIGN is {alignment!r}; expected one of {', '.join(ALIGNMENTS)}",
        )
    if "DETX" in background.low:
        yield from _check_halves(background)
        yield from _check_cells(background)


def _check_halves(background: ResponseTable) -> Iterator[Finding]:
    """Compare the rates in the two halves of the camera, along each coordinate."""
    weight = background.widths("ENERG")
    plane = np.einsum(
        "eyx,e,y,x->yx",
        background.values,
        weight,
        *(background.widths(axis) for axis in ("DETY", "DETX")),
        optimize=True,
    )
    for index, axis in enumerate(("DETY", "DETX")):
        rate, half = plane.sum(axis=1 - index), len(background.low[axis]) // 2
        if half == 0 or abs(background.low[axis][0] + background.high[axis][-1]) > CENTRE_TOLERANCE:
            continue
        low, high = float(rate[:half].sum()), float(rate[-half:].sum())
        if max(low, high) > MAX_HALVES_RATIO * min(low, high):
            if min(low, high) > 0:
                message = (
                    f"BKG of the half with {axis} below 0 is {low / high:.3g} times that of the "
                    f"other half; expected {1 / MAX_HALVES_RATIO:.2g} to {MAX_HALVES_RATIO:g}"
                )
            else:
                side = "below" if low < high else "above"
                message = f"BKG is zero or negative in the half with {axis} {side} 0"
            yield background.hdu.report("background-halves", message)


def _check_cells(background: ResponseTable) -> Iterator[Finding]:
    if background.values.ndim != 3 or min(background.values.shape[1:]) < 3:
        return
    cube = background.values
    neighbours = _neighbours(cube)
    maxima = np.maximum(cube.max(axis=(1, 2), keepdims=True), 1e-300)
    highest, lowest = reduce(np.maximum, neighbours), reduce(np.minimum, neighbours)
    too_high = (cube > HIGH_RATIO * highest) & (cube > HIGH_MIN_FRACTION * maxima)
    too_low = (cube < LOW_RATIO * lowest) & (highest > LOW_MIN_FRACTION * maxima)
    suspects = np.argwhere(too_high | too_low)
    median = np.median([values[*suspects.T] for values in neighbours], axis=0)
    relevant = too_high[*suspects.T] | (median > LOW_MIN_FRACTION * maxima[suspects[:, 0], 0, 0])
    if not relevant.any():
        return
    energy, y, x = (int(index) for index in suspects[relevant][0])
    median_of_suspect = float(median[relevant][0])
    ratio = cube[energy, y, x] / max(median_of_suspect, 1e-300)
    yield background.hdu.report(
        "background-outlier",
        f"BKG at {background.centers('ENERG')[energy]:.3g} TeV and "
        f"({background.centers('DETX')[x]:.2f}, {background.centers('DETY')[y]:.2f}) deg is "
        f"{ratio:.3g} times that of its neighbours; possibly a flipped bit",
    )


def check_rate(background: ResponseTable, events: RunHdu) -> Iterator[Finding]:
    """Compare the number of events that the background predicts with the observed number.

    Parameters
    ----------
    background : ResponseTable
        The background rate in MeV-1 s-1 sr-1.
    events : RunHdu
        The events of the same run.

    Yields
    ------
    Finding
        A fault if the numbers are inconsistent.
    """
    livetime = events.number("LIVETIME")
    n_events = len(events.table)
    if not livetime or not n_events:
        return
    predicted = _compute_rate(background) * livetime
    limit = MAX_RATE_RATIO * (1 + N_SIGMA / np.sqrt(n_events))
    if not n_events / limit <= predicted <= n_events * limit:
        yield background.hdu.report(
            "background-rate",
            f"it predicts {predicted:.3g} events, but the run has {n_events}; check its unit "
            f"{background.hdu.table.unit('BKG')!r}",
        )


def _compute_rate(background: ResponseTable) -> float:
    """Return the rate integrated over the energy and the camera, in events per second."""
    cube, energy = background.values, background.widths("ENERG") * 1e6  # MeV
    if cube.ndim == 2:
        low, high = np.radians(background.low["THETA"]), np.radians(background.high["THETA"])
        return float(np.einsum("te,t,e", cube, 2 * np.pi * (np.cos(low) - np.cos(high)), energy))
    y, x = np.radians(background.widths("DETY")), np.radians(background.widths("DETX"))
    return float(np.einsum("eyx,e,y,x", cube, energy, y, x, optimize=True))


def _neighbours(cube: Floats) -> list[Floats]:
    """Return the eight neighbours of each cell in its plane, with the border cells repeated.

    Parameters
    ----------
    cube : array
        Shape (energy, y, x).

    Returns
    -------
    list of array
        Views, shape (energy, y, x).
    """
    _, rows, columns = cube.shape
    padded = np.pad(cube, ((0, 0), (1, 1), (1, 1)), mode="edge")
    steps = [(y, x) for y in range(3) for x in range(3) if (y, x) != (1, 1)]
    return [padded[:, y : y + rows, x : x + columns] for y, x in steps]
