"""Shapes along which a flux profile is taken: a line cut into boxes, rings."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.errors import Problem
from skyred.fields import Position, option, position, quantity
from skyred.interfaces import Fields, value

if TYPE_CHECKING:
    from gammapy.maps import MapAxis
    from regions import SkyRegion

    from skyred.scripting import Script

NO_HOLE = 1e-5 * u.deg  # what a ring needs inside, as gammapy's own have


@value
class Line(Fields):
    """A line on the sky, cut into boxes."""

    start: Position = position(doc="Where it starts.")
    stop: Position = position(doc="Where it ends.")
    width: u.Quantity = quantity(
        "0.2 deg", min="1e-3 deg", doc="Size of the boxes across the line."
    )
    bins: int = option(20, min=2, doc="Number of boxes.")

    def validate(self) -> Iterable[Problem]:
        """It must lead somewhere."""
        if self.start == self.stop:
            yield Problem(("stop",), "is where the line starts", "expected another position")

    def regions(self, wcs: Any) -> list[SkyRegion]:
        """Give the boxes, equally long in the pixels of a map."""
        from gammapy.utils.regions import make_orthogonal_rectangle_sky_regions

        ends = self.start.skycoord, self.stop.skycoord
        return list(make_orthogonal_rectangle_sky_regions(*ends, wcs, self.width, self.bins))

    def write_regions(self, script: Script) -> None:
        """Write ``regions`` for a plain gammapy script."""
        maker = "make_orthogonal_rectangle_sky_regions"
        script.use("gammapy.utils.regions", maker)
        ends = (("START", self.start), ("STOP", self.stop))
        start, stop = (script.position(name, held) for name, held in ends)
        script.body.add(
            f"regions = {maker}({start}, {stop}, dataset.counts.geom.wcs, "
            f"{script.quantity(self.width)}, {self.bins})"
        )

    def axis(self) -> MapAxis:
        """Give the distances from the start of the line."""
        from gammapy.maps import MapAxis

        length = self.start.skycoord.separation(self.stop.skycoord).to_value("deg")
        edges = np.linspace(0, length, self.bins + 1)
        return MapAxis.from_edges(edges, unit="deg", name="projected-distance")


@value
class Rings(Fields):
    """Rings around a position."""

    center: Position = position(doc="Their centre.")
    radii: u.Quantity = quantity(
        many=True, unit="deg", min="0 deg", doc="Radii between them, rising; the first may be 0."
    )

    def validate(self) -> Iterable[Problem]:
        """There must be two rings, and their radii rise."""
        if len(self.radii) < 3 or np.any(np.diff(self.radii.value) <= 0):
            yield Problem(("radii",), "are no two rings", "expected three or more rising radii")

    def regions(self, wcs: Any) -> list[SkyRegion]:
        """Give the rings."""
        from regions import CircleAnnulusSkyRegion

        center, radii = self.center.skycoord, np.maximum(self.radii, NO_HOLE)
        return [CircleAnnulusSkyRegion(center, *ends) for ends in pairwise(radii)]

    def write_regions(self, script: Script) -> None:
        """Write ``regions`` for a plain gammapy script."""
        script.use("regions", "CircleAnnulusSkyRegion")
        script.use("itertools", "pairwise")
        center = script.position("RINGS_AT", self.center)
        radii = script.constant("RADII", script.quantity(np.maximum(self.radii, NO_HOLE)))
        script.body.add(
            f"regions = [CircleAnnulusSkyRegion({center}, *ends) for ends in pairwise({radii})]"
        )

    def axis(self) -> MapAxis:
        """Give the radii."""
        from gammapy.maps import MapAxis

        return MapAxis.from_edges(self.radii.to("deg"), name="projected-distance")
