"""Checks of makers that need the whole pipeline: the geometry that their datasets have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from skyred.errors import Problem, SkyredError
from skyred.interfaces import Chain, Maker, Reduction

if TYPE_CHECKING:
    from regions import SkyRegion


def entries_of(maker: Maker, pipeline: Chain) -> Iterator[tuple[str, Reduction]]:
    """Yield the data entries that a maker is part of, with their names."""
    for entry, reduction in pipeline.entries():
        if any(other is maker for other in getattr(reduction, "make", ())):
            yield entry, reduction


def geometry_problems(maker: Maker, kind: str, pipeline: Chain) -> Iterable[Problem]:
    """Name a geometry of ours that is not of the kind that a maker needs."""
    for entry, reduction in entries_of(maker, pipeline):
        found = reduction.geometry.kind
        if found != kind and found in ("map", "spectrum"):
            yield Problem(
                (),
                f"the maker {maker.kind!r} needs the geometry {kind!r}, "
                f"and that of data.{entry} is {found!r}",
                "change one of the two",
            )


def on_regions(maker: Maker, pipeline: Chain) -> Iterator[tuple[str, SkyRegion]]:
    """Yield the on regions that a maker works on; one that cannot be read is named elsewhere."""
    from skyred.defaults.gammapy.geometries import SpectrumGeometry

    for entry, reduction in entries_of(maker, pipeline):
        if isinstance(reduction.geometry, SpectrumGeometry):
            try:
                yield entry, reduction.geometry.region()
            except (SkyredError, OSError):
                continue
