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
    for entry_name, reduction in reductions_using(ring, pipeline):
        geometry = getattr(reduction, "geometry", None)
        if getattr(geometry, "dataset_type", None) == "map":
            yield from _map_problems(ring, f"data.{entry_name}.geometry", geometry)
        yield from _order_problems(ring, reduction.make)


def _map_problems(ring: Ring, path: str, geometry: Any) -> Iterable[Problem]:
    """Yield problems with the energy bins of the map, and with the sizes of a ring.

    A geometry of another plugin may not have these options, so they are only checked if they exist.
    """
    energy = getattr(geometry, "energy", None)
    if isinstance(energy, EnergyAxis) and (bins := len(energy.bin_edges()) - 1) > 1:
        # the ring makers compute off counts for a single energy bin
        yield Problem(
            (),
            f"needs a single energy bin, but the map has {bins}",
            f"set one bin in {path}.energy (bins: 1)",
        )
    pixel_size = getattr(geometry, "bin_size", 0 * u.deg)
    for name in ("width", "stepsize"):
        if (length := getattr(ring, name, None)) is not None and length < pixel_size:
            yield Problem(
                (name,),
                f"invalid value {length}",
                f"expected at least the pixel size, {pixel_size}",
            )
    diagonal = np.hypot(*getattr(geometry, "width", (180, 180) * u.deg).to_value("deg")) * u.deg
    if ring.r_in >= diagonal:
        expected = f"expected less than the diagonal of the map, {diagonal:.3g}"
        yield Problem(
            ("r_in",), f"invalid value {ring.r_in}: every ring lies outside the map", expected
        )


def _order_problems(ring: Ring, makers: Sequence[Maker]) -> Iterable[Problem]:
    """Yield problems with the order of the makers of a data entry.

    It is a problem if the previous makers all declare what they make and none makes the background,
    or if a later maker makes anything.
    """
    index = next(index for index, maker in enumerate(makers) if maker is ring)
    previous_parts = [maker.makes for maker in makers[:index]]
    if previous_parts and all(
        parts is not None and "background" not in parts for parts in previous_parts
    ):
        yield Problem(
            (),
            "needs the background template",
            "add 'background' to the option parts of the maker 'map'",
        )
    for maker in makers[index + 1 :]:
        if maker.makes:
            yield Problem(
                (), f"must be the last maker, but {maker.kind!r} follows", "move it to the end"
            )
