"""Checks of ring backgrounds against the geometry and the other makers of a pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.components.geometries.axes import EnergyAxis
from skyred.errors import Problem
from skyred.interfaces import Chain, Maker, geometry_problems, reductions_using

if TYPE_CHECKING:
    from skyred.components.makers.ring import Ring


def ring_problems(ring: Ring, pipeline: Chain) -> Iterator[Problem]:
    """Yield the problems of a ring maker in each data entry that uses it.

    Parameters
    ----------
    ring : Ring
        The maker.
    pipeline : Chain
        The whole pipeline.

    Yields
    ------
    Problem
        Each problem of the geometry, the ring sizes or the order of the makers.
    """
    yield from geometry_problems(ring, "map", pipeline)
    for entry, reduction in reductions_using(ring, pipeline):
        geometry = getattr(reduction, "geometry", None)  # None if it is missing
        if getattr(geometry, "dataset_type", None) == "map":
            yield from _problems_of_map(ring, f"data.{entry}.geometry", geometry)
        yield from _problems_of_order(ring, reduction.make)


def _problems_of_map(ring: Ring, where: str, geometry: Any) -> Iterable[Problem]:
    """Check the sizes of a ring, as far as the geometry, maybe of another plugin, has options."""
    energy = getattr(geometry, "energy", None)
    if isinstance(energy, EnergyAxis) and (bins := len(energy.nodes()) - 1) > 1:
        # gammapy's adaptive ring uses the off counts of the first bin for all bins
        yield Problem(
            (),
            f"makes an image, and the map has {bins} bins of energy",
            f"give {where}.energy one bin: bins: 1",
        )
    pixel = getattr(geometry, "bin_size", 0 * u.deg)
    for name in ("width", "stepsize"):
        if (length := getattr(ring, name, None)) is not None and length < pixel:
            yield Problem((name,), f"is {length}", f"expected at least a pixel, {pixel}")
    diagonal = np.hypot(*getattr(geometry, "width", (180, 180) * u.deg).to_value("deg")) * u.deg
    if ring.r_in >= diagonal:
        expected = f"expected less than its diagonal, {diagonal:.3g}"
        yield Problem(("r_in",), f"is {ring.r_in}: every ring lies outside the map", expected)


def _problems_of_order(ring: Ring, makers: Sequence[Maker]) -> Iterable[Problem]:
    """Check that a background template is made before the ring, and nothing after it."""
    position = next(position for position, maker in enumerate(makers) if maker is ring)
    parts_before = [maker.makes for maker in makers[:position]]
    if parts_before and all(
        parts is not None and "background" not in parts for parts in parts_before
    ):
        yield Problem((), "needs the background template", "add background to the parts of map")
    for maker in makers[position + 1 :]:
        if maker.makes:
            yield Problem((), f"comes before the maker {maker.kind!r}", "put the ring last")
