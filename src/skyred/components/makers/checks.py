"""The on regions used with a maker, and checks of its exclusion regions on the maps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from skyred.components.geometries.sky_map import map_images
from skyred.errors import Problem, SkyredError
from skyred.interfaces import Chain, Geometry, Maker, reductions_using

if TYPE_CHECKING:
    from regions import SkyRegion

    from skyred.fields import Regions


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
    for entry_name, reduction in reductions_using(maker, pipeline):
        geometry = getattr(reduction, "geometry", None)
        if not isinstance(geometry, Geometry):
            continue  # the geometry could not be built
        try:
            region = geometry.sky_region()
        except (SkyredError, OSError):
            continue
        if region is not None:
            yield entry_name, region


def exclusion_problems(exclude: Regions, maker: Maker, pipeline: Chain) -> Iterable[Problem]:
    """Yield the first problem with a maker's exclusion regions on the maps that it is applied to.

    Parameters
    ----------
    exclude : Regions
        The excluded regions and mask maps.
    maker : Maker
        The maker.
    pipeline : Chain
        The whole pipeline.

    Yields
    ------
    Problem
        An exclusion that cannot be read, or a region that has no area, or is too small to contain a
        pixel centre.
    """
    images = map_images(reduction for _, reduction in reductions_using(maker, pipeline))
    for image in images or [None]:
        if problems := list(exclude.problems("exclude", image)):
            yield problems[0]
            return
