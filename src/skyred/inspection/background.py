"""Rules on a background: no cell that stands out, no dark half, and a rate that fits the events."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from skyred.inspection.axes import ResponseTable
from skyred.inspection.parts import RunHdu
from skyred.inspection.records import Finding
from skyred.inspection.tables import Floats

# of real backgrounds no cell is above 1.17 times the largest beside it, or below 1 / 1.08 times
# the smallest; each is looked at where it is above this of the largest at its energy
ABOVE, SEEN_ABOVE = 1.4, 0.01
BELOW, SEEN_BELOW = 0.7, 0.1
# the backgrounds of the H.E.S.S. runs predict 0.46 to 0.97 times the events that there are, those
# of the simulated ones 1.55 times; of few events as many more or less as their number scatters
RATE, SCATTER = 3.5, 3.0
# one half of the camera has at most 1.14 times the rate of the other in H.E.S.S. runs
HALVES = 1.5
CENTRED = 1e-3  # deg
ALIGNMENTS = ("ALTAZ", "RADEC")


def check_background(background: ResponseTable) -> Iterator[Finding]:
    """Look at its alignment, its halves, and for cells that stand out in a plane of the camera."""
    alignment = str(background.part.header.get("FOVALIGN", ALIGNMENTS[0])).strip().upper()
    if alignment not in ALIGNMENTS:
        yield background.part.fault(
            f"its FOVALIGN is {alignment!r}; expected one of {', '.join(ALIGNMENTS)}"
        )
    if "DETX" in background.low:
        yield from _halves(background)
        yield from _cells(background)


def _halves(background: ResponseTable) -> Iterator[Finding]:
    """Compare the halves of the camera with each other."""
    weight = background.widths("ENERG")
    plane = np.einsum(
        "eyx,e,y,x->yx",
        background.cube,
        weight,
        *(background.widths(axis) for axis in ("DETY", "DETX")),
        optimize=True,
    )
    for number, axis in enumerate(("DETY", "DETX")):
        rate, half = plane.sum(axis=1 - number), len(background.low[axis]) // 2
        if half == 0 or abs(background.low[axis][0] + background.high[axis][-1]) > CENTRED:
            continue
        low, high = float(rate[:half].sum()), float(rate[-half:].sum())
        if max(low, high) > HALVES * min(low, high):
            yield background.part.fault(
                f"BKG of the half with {axis} below 0 is {low / max(high, 1e-300):.3g} times that "
                f"of the other half; expected up to {HALVES:g} times"
            )


def _cells(background: ResponseTable) -> Iterator[Finding]:
    if background.cube.ndim != 3 or min(background.cube.shape[1:]) < 3:
        return
    cube = background.cube
    beside = _beside(cube)
    largest = np.maximum(cube.max(axis=(1, 2), keepdims=True), 1e-300)
    above = (cube > ABOVE * beside.max(axis=0)) & (cube > SEEN_ABOVE * largest)
    below = (cube < BELOW * beside.min(axis=0)) & (beside.max(axis=0) > SEEN_BELOW * largest)
    suspects = np.argwhere(above | below)
    middle = np.median(beside[:, *suspects.T], axis=0)
    matters = above[*suspects.T] | (middle > SEEN_BELOW * largest[suspects[:, 0], 0, 0])
    if not matters.any():
        return
    energy, y, x = (int(index) for index in suspects[matters][0])
    ratio = cube[energy, y, x] / max(float(np.median(beside[:, energy, y, x])), 1e-300)
    yield background.part.fault(
        f"BKG at {background.centers('ENERG')[energy]:.3g} TeV and "
        f"({background.centers('DETX')[x]:.2f}, {background.centers('DETY')[y]:.2f}) deg is "
        f"{ratio:.3g} times that of its neighbours: a flipped bit?"
    )


def check_rate(background: ResponseTable, events: RunHdu) -> Iterator[Finding]:
    """Compare the rate of the background with that of the events."""
    livetime = events.number("LIVETIME")
    number = len(events.table)
    if not livetime or not number:
        return
    expected = _rate(background) * livetime
    limit = RATE * (1 + SCATTER / np.sqrt(number))
    if not number / limit <= expected <= number * limit:
        yield background.part.fault(
            f"it predicts {expected:.3g} events where there are {number}: is the unit "
            f"{background.part.table.unit('BKG')!r} right?"
        )


def _rate(background: ResponseTable) -> float:
    """Integrate over energy and the camera: events per second."""
    cube, energy = background.cube, background.widths("ENERG") * 1e6  # MeV
    if cube.ndim == 2:
        low, high = np.radians(background.low["THETA"]), np.radians(background.high["THETA"])
        return float(np.einsum("te,t,e", cube, 2 * np.pi * (np.cos(low) - np.cos(high)), energy))
    y, x = np.radians(background.widths("DETY")), np.radians(background.widths("DETX"))
    return float(np.einsum("eyx,e,y,x", cube, energy, y, x, optimize=True))


def _beside(cube: Floats) -> Floats:
    """Give the eight cells around each one in its plane; beyond the border there are its own."""
    _, rows, columns = cube.shape
    padded = np.pad(cube, ((0, 0), (1, 1), (1, 1)), mode="edge")
    steps = [(y, x) for y in range(3) for x in range(3) if (y, x) != (1, 1)]
    return np.stack([padded[:, y : y + rows, x : x + columns] for y, x in steps])
