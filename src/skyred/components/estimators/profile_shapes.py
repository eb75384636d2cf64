"""Shapes for flux profiles: boxes along a line, and rings."""

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

MIN_RADIUS = 1e-5 * u.deg  # minimum inner radius of a ring, as in gammapy


@value
class Line(Fields):
    """Line on the sky, divided into boxes."""

    start: Position = position(doc="Start of the line.")
    stop: Position = position(doc="End of the line.")
    width: u.Quantity = quantity(
        "0.2 deg", min="1e-3 deg", doc="Width of the boxes across the line."
    )
    bins: int = option(20, min=2, doc="Number of boxes.")

    def validate(self) -> Iterable[Problem]:
        """Check that the ends of the line differ.

        Yields
        ------
        Problem
            A line of zero length.
        """
        if self.start == self.stop:
            yield Problem(("stop",), "is equal to start", "expected another position")

    def regions(self, wcs: Any) -> list[SkyRegion]:
        """Create the boxes, with equal lengths in pixels of the map.

        Parameters
        ----------
        wcs : astropy.wcs.WCS
            Projection of the map.

        Returns
        -------
        list of regions.SkyRegion
            The boxes, in order of distance.
        """
        from gammapy.utils.regions import make_orthogonal_rectangle_sky_regions

        ends = self.start.skycoord, self.stop.skycoord
        return list(make_orthogonal_rectangle_sky_regions(*ends, wcs, self.width, self.bins))

    def write_regions(self, script: Script) -> None:
        """Write the variable ``regions`` of a plain gammapy script.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        function = "make_orthogonal_rectangle_sky_regions"
        script.use("gammapy.utils.regions", function)
        ends = (("START", self.start), ("STOP", self.stop))
        start, stop = (script.position(name, end) for name, end in ends)
        script.body.add(
            f"regions = {function}({start}, {stop}, dataset.counts.geom.wcs, "
            f"{script.quantity(self.width)}, {self.bins})"
        )

    def axis(self) -> MapAxis:
        """Create the axis of distances from the start of the line.

        Returns
        -------
        gammapy.maps.MapAxis
            Axis ``projected-distance`` in deg, one bin per box.
        """
        from gammapy.maps import MapAxis

        length = self.start.skycoord.separation(self.stop.skycoord).to_value("deg")
        edges = np.linspace(0, length, self.bins + 1)
        return MapAxis.from_edges(edges, unit="deg", name="projected-distance")


@value
class Rings(Fields):
    """Rings around a position."""

    center: Position = position(doc="Centre of the rings.")
    radii: u.Quantity = quantity(
        many=True,
        unit="deg",
        min="0 deg",
        doc="Radii of the edges of the rings, in increasing order; the first may be 0.",
    )

    def validate(self) -> Iterable[Problem]:
        """Check that the radii increase, and define at least two rings.

        Yields
        ------
        Problem
            Too few radii, or radii that do not increase.
        """
        if len(self.radii) < 3 or np.any(np.diff(self.radii.value) <= 0):
            yield Problem(
                ("radii",), "do not define two rings", "expected three or more increasing radii"
            )

    def regions(self, wcs: Any) -> list[SkyRegion]:
        """Create the rings.

        Parameters
        ----------
        wcs : astropy.wcs.WCS
            Projection of the map.

        Returns
        -------
        list of regions.SkyRegion
            The rings, from the innermost outwards.
        """
        from regions import CircleAnnulusSkyRegion

        center, radii = self.center.skycoord, np.maximum(self.radii, MIN_RADIUS)
        return [CircleAnnulusSkyRegion(center, *bounds) for bounds in pairwise(radii)]

    def write_regions(self, script: Script) -> None:
        """Write the variable ``regions`` of a plain gammapy script.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        script.use("regions", "CircleAnnulusSkyRegion")
        script.use("itertools", "pairwise")
        center = script.position("RINGS_CENTER", self.center)
        radii = script.constant("RADII", script.quantity(np.maximum(self.radii, MIN_RADIUS)))
        script.body.add(
            f"regions = [CircleAnnulusSkyRegion({center}, *ends) for ends in pairwise({radii})]"
        )

    def axis(self) -> MapAxis:
        """Create the axis of the radii.

        Returns
        -------
        gammapy.maps.MapAxis
            Axis ``projected-distance`` in deg, one bin per ring.
        """
        from gammapy.maps import MapAxis

        return MapAxis.from_edges(self.radii.to("deg"), name="projected-distance")
