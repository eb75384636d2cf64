"""The pixels of maps that are kept for all runs of a process."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs
import numpy as np

from skyred.components.projection.circles import describe_region
from skyred.components.projection.cutouts import Slices, describe_pixels, find_slices
from skyred.components.projection.pixels import PixelGrid

if TYPE_CHECKING:
    from gammapy.maps import RegionGeom, WcsGeom

T = TypeVar("T")
MAX_GRIDS = 32  # of one process: counts and IRF maps of a few geometries, and on regions
MAX_PIXELS = 500_000  # of all images whose pixels are kept, in 40 MB


@attrs.frozen(eq=False)
class ParentImage:
    """An image whose pixels are known, and its grid."""

    geom: WcsGeom
    grid: PixelGrid


class Recent(Generic[T]):
    """The most recently used objects, up to a number of objects and pixels."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Any, tuple[T, int]] = OrderedDict()
        self._lock = Lock()  # the workers of an engine may be threads

    def find(self, key: Any) -> T | None:
        """Return the object with a key.

        Parameters
        ----------
        key : hashable
            The key.

        Returns
        -------
        object or None
            The object; None if there is none.
        """
        with self._lock:
            if key not in self._entries:
                return None
            self._entries.move_to_end(key)
            return self._entries[key][0]

    def list(self) -> tuple[T, ...]:
        """Return all objects, the most recent ones first.

        Returns
        -------
        tuple
            The objects.
        """
        with self._lock:
            return tuple(value for value, _ in reversed(self._entries.values()))

    def add(self, key: Any, value: T, n_pixels: int) -> None:
        """Add an object, and remove those that have not been used for the longest time.

        Parameters
        ----------
        key : hashable
            The key.
        value : object
            The object.
        n_pixels : int
            Its number of pixels.
        """
        with self._lock:
            self._entries[key] = value, n_pixels
            while len(self._entries) > 1 and (
                len(self._entries) > MAX_GRIDS
                or sum(size for _, size in self._entries.values()) > MAX_PIXELS
            ):
                self._entries.popitem(last=False)


class GridCache:
    """The pixels of images. Cutouts of a registered image use its pixels."""

    def __init__(self) -> None:
        self._images: Recent[ParentImage] = Recent()
        self._grids: Recent[PixelGrid] = Recent()

    def register(self, geom: WcsGeom) -> None:
        """Compute the pixels of a whole image, for the cutouts that follow.

        Parameters
        ----------
        geom : gammapy.maps.WcsGeom
            The geometry; its energy axes are ignored. Nothing is done for large images.
        """
        if not geom.is_regular or np.prod(geom.data_shape[-2:]) > MAX_PIXELS:
            return
        if self.find_parent(geom) is None:
            image = geom.to_image()
            parent = ParentImage(image, PixelGrid.of_image(image))
            self._images.add(_describe_image(geom), parent, len(parent.grid.lon))

    def find_parent(self, geom: WcsGeom) -> tuple[ParentImage, Slices] | None:
        """Return the registered image that an image is a cutout of.

        Parameters
        ----------
        geom : gammapy.maps.WcsGeom
            The geometry; its energy axes are ignored.

        Returns
        -------
        tuple of ParentImage and tuple of slice, or None
            The image, and the pixels of the cutout; None if there is none.
        """
        for parent in self._images.list():
            if (slices := find_slices(parent.geom, geom)) is not None:
                return parent, slices
        return None

    def find(self, geom: WcsGeom) -> PixelGrid:
        """Return the grid of an image.

        Parameters
        ----------
        geom : gammapy.maps.WcsGeom
            The geometry; its energy axes are ignored.

        Returns
        -------
        PixelGrid
            The grid.
        """
        key = _describe_image(geom)
        grid = self._grids.find(key)
        if grid is None:
            parent = self.find_parent(geom)
            grid = PixelGrid.of_image(geom) if parent is None else _cut(*parent)
            self._grids.add(key, grid, len(grid.lon))
        return grid

    def find_region(self, geom: RegionGeom) -> PixelGrid:
        """Return the grid of the centre of a region.

        Parameters
        ----------
        geom : gammapy.maps.RegionGeom
            The geometry; its energy axes are ignored.

        Returns
        -------
        PixelGrid
            The grid.
        """
        region = describe_region(geom.region)
        if region is None:
            return PixelGrid.of_region(geom)
        key = (region, describe_pixels(geom))
        grid = self._grids.find(key)
        if grid is None:
            grid = PixelGrid.of_region(geom)
            self._grids.add(key, grid, 1)
        return grid


def _describe_image(geom: WcsGeom) -> Any:
    return describe_pixels(geom), tuple(geom.wcs.wcs.crpix), geom.data_shape[-2:]


def _cut(parent: ParentImage, slices: Slices) -> PixelGrid:
    indices = np.arange(np.prod(parent.geom.data_shape)).reshape(parent.geom.data_shape)
    return parent.grid.select(indices[slices].ravel())


GRIDS = GridCache()
