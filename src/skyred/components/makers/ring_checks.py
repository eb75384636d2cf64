"""Rings, judged by the whole pipeline: what they need of the geometry and the other makers."""

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
    """Name what keeps a ring from being made, in every data entry that it is in."""
    yield from geometry_problems(ring, "map", pipeline)
    for entry, reduction in reductions_using(ring, pipeline):
        geometry = getattr(reduction, "geometry", None)  # None: it is missing
        if getattr(geometry, "dataset_type", None) == "map":
            yield from _problems_of_map(ring, f"data.{entry}.geometry", geometry)
        yield from _problems_of_order(ring, reduction.make)


def _problems_of_map(ring: Ring, where: str, geometry: Any) -> Iterable[Problem]:
    """Judge what the geometry tells of itself: one of a third party may have other options."""
    energy = getattr(geometry, "energy", None)
    if isinstance(energy, EnergyAxis) and (bins := len(energy.nodes()) - 1) > 1:
        # gammapy's adaptive ring gives the off counts of the first bin to all of them
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
    place = next(place for place, maker in enumerate(makers) if maker is ring)
    made = [maker.makes for maker in makers[:place]]
    if made and all(parts is not None and "background" not in parts for parts in made):
        yield Problem((), "needs the background template", "add background to the parts of map")
    for maker in makers[place + 1 :]:
        if maker.makes:
            yield Problem((), f"comes before the maker {maker.kind!r}", "put the ring last")
