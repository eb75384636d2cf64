"""Off regions of a circle, found as by gammapy's region finders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from numpy.typing import NDArray

from skyred.components.projection.circles import PixelCircles, describe_region, to_pixels
from skyred.components.projection.interpolation import Array

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from gammapy.maps import WcsGeom

FULL_CIRCLE = 2 * np.pi


@attrs.frozen(eq=False)
class CircleSearch:
    """A search for circles at the same distance from the pointing as the on region.

    Parameters
    ----------
    geom : gammapy.maps.WcsGeom
        The map around the pointing, without energy axis.
    center : tuple of float
        The pointing in pixels.
    circle : PixelCircles
        The on region.
    excluded : tuple of numpy.ndarray
        The excluded pixels: x and y, shape (n,).
    """

    geom: WcsGeom
    center: tuple[float, float]
    circle: PixelCircles
    excluded: tuple[Array, Array]

    @classmethod
    def create(
        cls, region: Any, pointing: SkyCoord, geom: WcsGeom, allowed: NDArray[np.bool_] | None
    ) -> CircleSearch | None:
        """Return the search for a region.

        Parameters
        ----------
        region : regions.SkyRegion
            The on region.
        pointing : astropy.coordinates.SkyCoord
            The pointing.
        geom : gammapy.maps.WcsGeom
            The map around the pointing.
        allowed : numpy.ndarray of bool, optional
            The exclusion mask on this map; False for excluded pixels.

        Returns
        -------
        CircleSearch or None
            The search; None if only gammapy can search, since the region is neither a circle nor a
            point. A point is excluded within a pixel of an excluded pixel.
        """
        circle = describe_region(region)
        if circle is None or circle[0] != geom.frame:
            return None
        position = pointing.transform_to(geom.frame).spherical
        x, y = geom.wcs.wcs_world2pix(
            [position.lon.to_value("deg")], [position.lat.to_value("deg")], 0
        )
        excluded_y, excluded_x = np.nonzero(~allowed) if allowed is not None else ([], [])
        on_circle = to_pixels(circle, geom.wcs)
        if circle[3] == 0:
            on_circle = attrs.evolve(on_circle, radius=np.ones(1))
        search = cls(geom, (x[0], y[0]), on_circle, (np.array(excluded_x), np.array(excluded_y)))
        return search.without_far_pixels()

    def without_far_pixels(self) -> CircleSearch:
        """Return a search without the excluded pixels that no rotated region contains.

        Returns
        -------
        CircleSearch
            The search.
        """
        x, y = self.excluded
        distance = np.hypot(self.circle.x - self.center[0], self.circle.y - self.center[1])
        separation = np.hypot(x - self.center[0], y - self.center[1])
        is_near = np.abs(separation - distance) < self.circle.radius + 1
        return attrs.evolve(self, excluded=(x[is_near], y[is_near]))

    def rotate(self, angle: float) -> PixelCircles:
        """Return the on region rotated around the pointing.

        Parameters
        ----------
        angle : float
            The angle in rad.

        Returns
        -------
        PixelCircles
            The circle.
        """
        x, y = self.circle.x - self.center[0], self.circle.y - self.center[1]
        cosine, sine = np.cos(angle), np.sin(angle)
        return PixelCircles(
            self.center[0] + cosine * x - sine * y,
            self.center[1] + sine * x + cosine * y,
            self.circle.radius,
        )

    def is_excluded(self, circle: PixelCircles) -> bool:
        """Return whether a circle contains an excluded pixel.

        Parameters
        ----------
        circle : PixelCircles
            The circle.

        Returns
        -------
        bool
            Whether it does.
        """
        return bool(circle.contain(*self.excluded).any())

    def angular_size(self) -> float | None:
        """Return the angle that the pixels of the on region cover as seen from the pointing.

        Returns
        -------
        float or None
            The angle in rad; None if the region contains no pixel centre.
        """
        x, y = self._list_pixels()
        if not x.size:
            return None
        angles = np.arctan2(self.center[0] - x, self.center[1] - y)
        size = float(np.ptp(angles))
        if size > np.pi:
            size = float(np.ptp(np.where(angles >= 0, angles - FULL_CIRCLE, angles)))
        return size

    def _list_pixels(self) -> tuple[Array, Array]:
        """Return the pixels of the map whose centres are inside the on region."""
        radius = self.circle.radius[0]
        ranges = []
        for position, size in zip(
            (self.circle.x[0], self.circle.y[0]), self.geom.data_shape[::-1], strict=True
        ):
            first, last = np.floor(position - radius), np.ceil(position + radius)
            ranges.append(np.arange(max(first, 0), min(last, size - 1) + 1))
        x, y = np.meshgrid(*ranges)
        is_contained = self.circle.contain(x, y)
        return x[is_contained], y[is_contained]


def find_reflected(search: CircleSearch, finder: Any) -> PixelCircles | None:
    """Return off regions, as gammapy's `ReflectedRegionsFinder`.

    Parameters
    ----------
    search : CircleSearch
        The search.
    finder : gammapy.makers.ReflectedRegionsFinder
        The finder, with its options.

    Returns
    -------
    PixelCircles or None
        The off regions; None if only gammapy can search, since the on region is too small.
    """
    size = search.angular_size()
    return None if size is None else _join(_iter_reflected(search, finder, size))


def _iter_reflected(search: CircleSearch, finder: Any, size: float) -> Iterator[PixelCircles]:
    from_on_region = finder.min_distance_input.to_value("rad")
    step = size + finder.min_distance.to_value("rad")
    increment = finder.angle_increment.to_value("rad")
    angle, last = step + from_on_region, FULL_CIRCLE - step - from_on_region
    n_found = 0
    while angle < last:
        circle = search.rotate(angle)
        if search.is_excluded(circle):
            angle += increment
            continue
        yield circle
        n_found += 1
        if n_found >= finder.max_region_number:
            return
        angle += step


def find_wobble(search: CircleSearch, n_off_regions: int) -> PixelCircles:
    """Return off regions, as gammapy's `WobbleRegionsFinder`.

    Parameters
    ----------
    search : CircleSearch
        The search.
    n_off_regions : int
        The number of off regions, before the exclusion.

    Returns
    -------
    PixelCircles
        The off regions.
    """
    angles = FULL_CIRCLE * np.arange(1, n_off_regions + 1) / (n_off_regions + 1)
    rotated = (search.rotate(angle) for angle in angles)
    return _join(circle for circle in rotated if not search.is_excluded(circle))


def may_overlap(circles: PixelCircles) -> bool:
    """Return whether circles may have common pixels, which gammapy checks on the map.

    Parameters
    ----------
    circles : PixelCircles
        The circles, of the same radius.

    Returns
    -------
    bool
        Whether two of them overlap, or nearly.
    """
    x, y = (np.subtract.outer(values, values) for values in (circles.x, circles.y))
    distances = np.hypot(x, y)[~np.eye(len(circles.x), dtype=bool)]
    return bool((distances < 2 * circles.radius.max(initial=0) + 2).any())


def _join(circles: Iterator[PixelCircles]) -> PixelCircles:
    circle_list = list(circles)
    if not circle_list:
        return PixelCircles(np.empty(0), np.empty(0), np.empty(0))
    return PixelCircles(
        *(
            np.concatenate([getattr(circle, name) for circle in circle_list])
            for name in ("x", "y", "radius")
        )
    )
