"""Energy dispersion kernels of a map, without gammapy's intermediate region maps.

gammapy uses the kernel of the nearest pixel of an `EDispKernelMap`, without interpolation. So the
kernel of a pixel is cached, and used for all sources and positions in that pixel.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.likelihood.pixel_positions import pixel_at

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from gammapy.irf import EDispKernel, EDispKernelMap
    from gammapy.maps import MapAxis

EDGE_MARGIN = 1e-5  # of a pixel: this close to an edge, the nearest pixel depends on rounding


@attrs.define(eq=False, slots=False)
class EdispLookup:
    """Energy dispersion of a dataset, with the interface that gammapy's evaluator needs.

    Parameters
    ----------
    edisp : gammapy.irf.EDispKernelMap
        The energy dispersion.
    kernels : dict of EDispKernel
        Cached kernels, by column and row of the pixel.
    """

    edisp: EDispKernelMap
    kernels: dict[tuple[int, int], EDispKernel] = attrs.field(factory=dict)

    @cached_property
    def _is_valid(self) -> Any:
        """Whether each pixel has an energy dispersion, shape (y, x)."""
        return np.any(self.edisp.edisp_map.data > 0, axis=(0, 1))

    @cached_property
    def _image_geom(self) -> Any:
        return self.edisp.edisp_map.geom.to_image()

    def get_edisp_kernel(
        self, position: SkyCoord | None = None, energy_axis: MapAxis | None = None
    ) -> EDispKernel:
        """Return the kernel at a position, as `EDispKernelMap.get_edisp_kernel` does.

        Parameters
        ----------
        position : SkyCoord, optional
            The position; by default the centre of the map.
        energy_axis : MapAxis, optional
            The axis of reconstructed energy, which must be that of the map.

        Returns
        -------
        gammapy.irf.EDispKernel
            The kernel.
        """
        pixel = None if position is None else self._nearest_pixel(position)
        if pixel is None:
            return self.edisp.get_edisp_kernel(position=position, energy_axis=energy_axis)
        if pixel not in self.kernels:
            self.kernels[pixel] = self._create_kernel(*pixel, energy_axis)
        return self.kernels[pixel]

    def _create_kernel(self, column: int, row: int, energy_axis: MapAxis | None) -> EDispKernel:
        from gammapy.irf import EDispKernel

        geom = self.edisp.edisp_map.geom
        if energy_axis is not None:
            assert energy_axis == geom.axes["energy"]
        data = self.edisp.edisp_map.data[..., row, column]
        data = np.where(np.isfinite(data), data, 0)  # as gammapy's interpolation does
        return EDispKernel(axes=geom.axes[["energy_true", "energy"]], data=data)

    def _pixel_coordinates(self, position: SkyCoord) -> tuple[float, float]:
        geom = self._image_geom
        if position.isscalar and geom.is_regular and not geom.wcs.has_distortion:
            return pixel_at(position, geom)
        x, y = (float(np.squeeze(coordinate)) for coordinate in geom.coord_to_pix(position))
        return x, y

    def _nearest_pixel(self, position: SkyCoord) -> tuple[int, int] | None:
        """Return column and row of the nearest pixel.

        None if it depends on rounding, is outside the map, or has no energy dispersion.
        """
        x, y = self._pixel_coordinates(position)
        if not (np.isfinite(x) and np.isfinite(y)):
            return None
        column, row = round(x), round(y)
        if max(abs(x - column), abs(y - row)) > 0.5 - EDGE_MARGIN:
            return None
        height, width = self._is_valid.shape
        is_on_map = 0 <= column < width and 0 <= row < height
        return (column, row) if is_on_map and self._is_valid[row, column] else None
