"""PSF kernels: what `PSFMap.get_psf_kernel` gives, on plain arrays and 25 times sooner.

The steps and their constants are gammapy's, so the kernels agree to rounding. What is saved is
the evaluation of sky coordinates: distances from the centre are the same for all positions.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from gammapy.irf import PSFKernel, PSFMap
    from gammapy.maps import WcsGeom
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

PIXELS_IN_DIAMETER = 12  # gammapy's `precision_factor`
UPSAMPLING_OF_RAD = 20  # steps of gammapy's search for containment radii


@attrs.define(eq=False)
class KernelMaker:
    """Makes the PSF kernels of one map; stands in for its `PSFMap` in gammapy's evaluator.

    Parameters
    ----------
    psf : gammapy.irf.PSFMap
        The point spread function, in true energy.
    distances : dict
        Angular distances from the centre of the map in rad, on grids with pixels divided by the
        key, as far as they were needed.
    centred : WcsGeom or None
        A grid of such pixels, with one at the centre.
    centre : tuple of float
        Longitude and latitude of the centre, in rad.
    images : dict
        Geometries of kernels, by their number of pixels along each side.
    kernels : dict
        Kernels by their containment, if the PSF is the same everywhere.
    """

    psf: PSFMap
    distances: dict[int, Array] = attrs.field(factory=dict)
    centred: WcsGeom | None = None
    centre: tuple[float, float] = (0.0, 0.0)
    images: dict[int, WcsGeom] = attrs.field(factory=dict)
    kernels: dict[float, PSFKernel] = attrs.field(factory=dict)

    @cached_property
    def valid(self) -> Any:
        """The map of positions where the PSF is known; gammapy makes it anew at each question."""
        from gammapy.maps import Map

        psf_map = self.psf.psf_map
        known = np.any(psf_map.data > 0, axis=(0, 1))
        return Map.from_geom(psf_map.geom.to_image(), data=known)

    @cached_property
    def is_uniform(self) -> bool:
        """Whether all pixels of the PSF map are equal, so that one kernel serves everywhere."""
        data = self.psf.psf_map.data
        return bool(np.all(data == data[..., :1, :1]))

    def _nearest(self, position: SkyCoord | None) -> SkyCoord:
        """Give a position, or the nearest at which the PSF is known, as gammapy does."""
        if position is None:  # of a model without a place
            position = self.psf.psf_map.geom.center_skydir
        known = np.nan_to_num(self.valid.get_by_coord(position))[0]
        return position if known else self.psf._get_nearest_valid_position(position)

    @property
    def energy_name(self) -> str:
        """The name of its energy axis, as gammapy's evaluator asks for it."""
        return str(self.psf.energy_name)

    @property
    def has_single_spatial_bin(self) -> bool:
        """Whether the PSF is the same everywhere, as gammapy's evaluator asks for it."""
        return bool(self.psf.has_single_spatial_bin)

    def get_psf_kernel(
        self, position: SkyCoord | None, geom: WcsGeom, containment: float, max_radius: Any = None
    ) -> PSFKernel:
        """Make the kernel at a position, on the pixels and energies of a geometry."""
        from gammapy.irf import PSFKernel
        from gammapy.maps import Map

        if max_radius is not None:
            return self.psf.get_psf_kernel(geom, position, max_radius, containment)
        if self.is_uniform and containment in self.kernels:
            return self.kernels[containment]
        profile = RadialProfile.at(self.psf, self._nearest(position))
        data = self._kernel(profile, geom, containment)
        image = self._image(geom, len(data[0]))
        kernel = PSFKernel(Map.from_geom(image, data=data), normalize=False)
        if self.is_uniform:
            self.kernels[containment] = kernel
        return kernel

    def _image(self, geom: WcsGeom, size: int) -> WcsGeom:
        """Return the geometry of a kernel; kernels of one size share it."""
        if size not in self.images:
            pixel = geom.pixel_scales.max()
            self.images[size] = geom.to_odd_npix(max_radius=size / 2 * pixel * (1 - 1e-9))
        return self.images[size]

    def _kernel(self, profile: RadialProfile, geom: WcsGeom, containment: float) -> Array:
        """Average the profile over pixels, each energy as far as it contains enough."""
        pixel = geom.pixel_scales.max().to_value("rad")
        energies = profile.onto(geom.axes[self.energy_name].center)
        sizes = [_odd(2 * radius / pixel) for radius in profile.radii(containment)]
        kernel = np.zeros((len(sizes), max(sizes), max(sizes)))
        for plane, size, row, r68 in zip(
            kernel, sizes, energies.values, energies.radii(0.68), strict=True
        ):
            factor = self._factor(2 * r68 / pixel)
            inside = slice((max(sizes) - size) // 2, (max(sizes) + size) // 2)
            fine = np.maximum(energies.interpolate(row, self._distances(geom, size, factor)), 0)
            plane[inside, inside] = fine.reshape(size, factor, size, factor).sum(axis=(1, 3))
        total = kernel.sum(axis=(1, 2), keepdims=True)
        return kernel / np.where(total > 0, total, 1)

    def _factor(self, pixels: float) -> int:
        from gammapy.irf.psf.map import PSF_MAX_OVERSAMPLING

        with np.errstate(divide="ignore"):
            wanted = np.ceil(np.float64(PIXELS_IN_DIAMETER) / pixels)
        return int(min(wanted, PSF_MAX_OVERSAMPLING))

    def _distances(self, geom: WcsGeom, size: int, factor: int) -> Array:
        """Give the distances on size x size pixels, each divided by factor along both axes."""
        known = self.distances.get(factor)
        if known is None or len(known) < size * factor:
            known = self.distances[factor] = self._new_distances(geom.to_image(), size, factor)
        margin = (len(known) - size * factor) // 2
        return known[margin : margin + size * factor, margin : margin + size * factor]

    def _new_distances(self, image: WcsGeom, size: int, factor: int) -> Array:
        from astropy.coordinates import angular_separation

        if self.centred is None:  # one odd grid around the centre serves for all: it has the pixels
            self.centred = image.to_odd_npix(max_radius=image.pixel_scales.max())
            there = image.center_skydir.data
            self.centre = float(there.lon.rad), float(there.lat.rad)
        middle = (self.centred.data_shape[0] - 1) / 2
        offsets = ((np.arange(size * factor) + 0.5) / factor - size / 2) + middle
        x, y = np.meshgrid(offsets, offsets)
        lon, lat = np.deg2rad(self.centred.wcs.wcs_pix2world(x.ravel(), y.ravel(), 0))
        away = angular_separation(lon, lat, *self.centre)
        return np.asarray(away.reshape(x.shape))


def _odd(size: float) -> int:
    from gammapy.maps.wcs.geom import round_up_to_odd

    return int(round_up_to_odd(size))


@attrs.define(eq=False, slots=False)
class RadialProfile:
    """The PSF at one position: its density against the distance, one row an energy.

    Parameters
    ----------
    values : array
        Density in sr-1, shape (energies, n).
    containment : array
        Containment within each of `steps`, shape (energies, len(steps)).
    axis : gammapy.maps.MapAxis
        The energy axis of the PSF.
    edges, steps : array
        Edges of the bins of distance, and where containment is known, in rad.
    """

    values: Array
    containment: Array
    axis: Any
    edges: Array
    steps: Array

    @classmethod
    def at(cls, psf: PSFMap, position: SkyCoord) -> RadialProfile:
        """Interpolate the PSF at a position."""
        geom, rad = psf.psf_map.geom, psf.psf_map.geom.axes["rad"]
        x, y = (float(np.squeeze(each)) for each in geom.to_image().coord_to_pix(position))
        below, above, part = _between(y, geom.data_shape[2])
        rows = (1 - part) * psf.psf_map.data[:, :, below] + part * psf.psf_map.data[:, :, above]
        below, above, part = _between(x, geom.data_shape[3])
        values = (1 - part) * rows[..., below] + part * rows[..., above]
        values = np.nan_to_num(values) * psf.psf_map.unit.to("sr-1")
        edges, steps = rad.edges.to_value("rad"), rad.upsample(UPSAMPLING_OF_RAD).center
        inside = np.cumsum(values * np.pi * np.diff(edges**2), axis=1)
        inside = np.concatenate([np.zeros((len(values), 1)), inside], axis=1)
        steps = steps.to_value("rad")
        containment = np.array([np.interp(steps, edges, row) for row in inside])
        axis = geom.axes[psf.energy_name]
        return cls(values, containment, axis, edges, steps)

    @cached_property
    def has_equal_bins(self) -> bool:
        """Whether all bins of distance have the same width."""
        widths = np.diff(self.edges)
        return bool(np.allclose(widths, widths[0]))

    def onto(self, energy: Any) -> RadialProfile:
        """Interpolate it at other energies."""
        places = [_between(place, len(self.values)) for place in self.axis.coord_to_pix(energy)]
        values = [(1 - f) * self.values[a] + f * self.values[b] for a, b, f in places]
        inside = [(1 - f) * self.containment[a] + f * self.containment[b] for a, b, f in places]
        return attrs.evolve(self, values=np.array(values), containment=np.array(inside))

    def radii(self, fraction: float) -> Array:
        """Give the radii that contain a fraction, in rad, shape (energies,)."""
        nearest = np.argmin(np.abs(self.containment - fraction), axis=1)
        return np.asarray(self.steps[nearest])

    def interpolate(self, row: Array, distance: Array) -> Array:
        """Interpolate one row linearly, and beyond its ends extrapolate, as gammapy does."""
        widths = np.diff(self.edges)
        place = (distance - self.edges[0]) / widths[0] - 0.5
        if not self.has_equal_bins:  # gammapy is half way between bins at their edge
            place = np.interp(distance, self.edges, np.arange(len(self.edges)) - 0.5)
            place += np.maximum(distance - self.edges[-1], 0) / widths[-1]
        index = np.clip(place.astype(int), 0, len(row) - 2)
        return np.asarray(row[index] + (place - index) * np.diff(row)[index])


def _between(place: float, size: int) -> tuple[int, int, float]:
    """Give the pixels below and above a place, and how far it is between them."""
    below = int(np.clip(np.floor(place), 0, max(size - 2, 0)))
    return below, min(below + 1, size - 1), float(place - below)
