"""Checks of makers that need the whole pipeline: the on regions of their datasets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from skyred.errors import SkyredError
from skyred.interfaces import Chain, Geometry, Maker, reductions_using

if TYPE_CHECKING:
    from regions import SkyRegion


def on_regions(maker: Maker, pipeline: Chain) -> Iterator[tuple[str, SkyRegion]]:
    """Yield the on regions of the data entries that use a maker.

    Regions that cannot be read are skipped: the geometry reports them.

    Parameters
    ----------
    maker : Maker
        The maker.
    pipeline : Chain
        The whole pipeline.

    Yields
    ------
    tuple of str and regions.SkyRegion
        The name of the data entry, and its on region.
    """
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
