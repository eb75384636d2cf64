"""Checks of makers that need the whole pipeline: the on regions that their datasets have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from skyred.errors import SkyredError
from skyred.interfaces import Chain, Geometry, Maker, entries_of

if TYPE_CHECKING:
    from regions import SkyRegion


def on_regions(maker: Maker, pipeline: Chain) -> Iterator[tuple[str, SkyRegion]]:
    """Yield the on regions that a maker works on; one that cannot be read is named elsewhere."""
    for entry, reduction in entries_of(maker, pipeline):
        if not isinstance(reduction.geometry, Geometry):
            continue  # it could not be built
        try:
            region = reduction.geometry.sky_region()
        except (SkyredError, OSError):
            continue
        if region is not None:
            yield entry, region
