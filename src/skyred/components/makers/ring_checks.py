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
    """Yield problems with a ring maker in each data entry that uses it.

    Parameters
    ----------
    ring : Ring
        The maker.
    pipeline : Chain
        The whole pipeline.

    Yields
    ------
    Problem
        Each problem with the geometry, the ring sizes or the order of the makers.
    """
    yield from geometry_problems(ring, "map", pipeline)
    for entry, reduction in reductions_using(ring, pipeline):
        geometry = getattr(reduction, "geometry", None)  # None if it is missing
        if getattr(geometry, "dataset_type", None) == "map":
            yield from _map_problems(ring, f"data.{entry}.geometry", geometry)
        yield from _order_problems(ring, reduction.make)


def _map_problems(ring: Ring, path: str, geometry: Any) -> Iterable[Problem]:
    """Check the sizes of a ring; a geometry of another plugin may have other options."""
    energy = getattr(geometry, "energy", None)
    if isinstance(energy, EnergyAxis) and (bins := len(energy.nodes()) - 1) > 1:
        # gammapy's adaptive ring uses the off counts of the first bin for all bins
        yield Problem(
            (),
            f"needs a single energy bin, but the map has {bins}",
            f"set one bin in {path}.energy (bins: 1)",
        )
    pixel = getattr(geometry, "bin_size", 0 * u.deg)
    for name in ("width", "stepsize"):
        if (length := getattr(ring, name, None)) is not None and length < pixel:
            yield Problem((name,), f"is {length}", f"expected at least a pixel, {pixel}")
    diagonal = np.hypot(*getattr(geometry, "width", (180, 180) * u.deg).to_value("deg")) * u.deg
    if ring.r_in >= diagonal:
        expected = f"expected less than its diagonal, {diagonal:.3g}"
        yield Problem(("r_in",), f"is {ring.r_in}: every ring lies outside the map", expected)


def _order_problems(ring: Ring, makers: Sequence[Maker]) -> Iterable[Problem]:
    """Check that the background template is made before the ring, and nothing after it."""
    position = next(position for position, maker in enumerate(makers) if maker is ring)
    makes_before = [maker.makes for maker in makers[:position]]
    if makes_before and all(
        makes is not None and "background" not in makes for makes in makes_before
    ):
        yield Problem((), "needs the background template", "add background to the parts of map")
    for maker in makers[position + 1 :]:
        if maker.makes:
            yield Problem(
                (), f"must be the last maker, but {maker.kind!r} follows", "move it to the end"
            )
