"""Checks of makers that need the whole pipeline: the on regions that their datasets have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from skyred.errors import SkyredError
from skyred.interfaces import Chain, Geometry, Maker, reductions_using

if TYPE_CHECKING:
    from regions import SkyRegion


def on_regions(maker: Maker, pipeline: Chain) -> Iterator[tuple[str, SkyRegion]]:
    """Yield the on regions that a maker works on; one that cannot be read is named elsewhere."""
    for entry, reduction in reductions_using(maker, pipeline):
        geometry = getattr(reduction, "geometry", None)
        if not isinstance(geometry, Geometry):
            continue  # it could not be built
        try:
            region = geometry.sky_region()
        except (SkyredError, OSError):
            continue
        if region is not None:
            yield entry, region
