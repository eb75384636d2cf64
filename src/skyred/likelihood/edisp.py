"""Energy dispersion kernels of a map, without gammapy's intermediate region maps.

gammapy uses the kernel of the nearest pixel of an `EDispKernelMap`, without interpolation. Within
a pixel it is the same for all positions, so it is cached for the next source or position.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.likelihood.sky import pixel_at

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from gammapy.irf import EDispKernel, EDispKernelMap
    from gammapy.maps import MapAxis

TIE = 1e-5  # of a pixel, around its sides, where the nearest pixel depends on rounding


@attrs.define(eq=False, slots=False)
class EdispLookup:
    """Energy dispersion of a dataset, with the interface that gammapy's evaluator needs.

    Parameters
    ----------
    edisp : gammapy.irf.EDispKernelMap
        The energy dispersion.
    kernels : dict
        Cached kernels, by column and row of the pixel.
    """

    edisp: EDispKernelMap
    kernels: dict[tuple[int, int], EDispKernel] = attrs.field(factory=dict)

    @cached_property
    def _valid(self) -> Any:
        """Whether each pixel has an energy dispersion, shape (y, x)."""
        return np.any(self.edisp.edisp_map.data > 0, axis=(0, 1))

    @cached_property
    def _image(self) -> Any:
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
        key = None if position is None else self._pixel(position)
        if key is None:
            return self.edisp.get_edisp_kernel(position=position, energy_axis=energy_axis)
        if key not in self.kernels:
            self.kernels[key] = self._kernel(*key, energy_axis)
        return self.kernels[key]

    def _kernel(self, column: int, row: int, energy_axis: MapAxis | None) -> EDispKernel:
        from gammapy.irf import EDispKernel

        geom = self.edisp.edisp_map.geom
        if energy_axis is not None:
            assert energy_axis == geom.axes["energy"]
        data = self.edisp.edisp_map.data[..., row, column]
        data = np.where(np.isfinite(data), data, 0)  # as interpolation replaces them
        return EDispKernel(axes=geom.axes[["energy_true", "energy"]], data=data)

    def _at(self, position: SkyCoord) -> tuple[float, float]:
        image = self._image
        if position.isscalar and image.is_regular and not image.wcs.has_distortion:
            return pixel_at(position, image)
        x, y = (float(np.squeeze(coordinate)) for coordinate in image.coord_to_pix(position))
        return x, y

    def _pixel(self, position: SkyCoord) -> tuple[int, int] | None:
        """Return the nearest pixel; None if that is not certain, or it has no energy dispersion."""
        x, y = self._at(position)
        if not (np.isfinite(x) and np.isfinite(y)):
            return None
        column, row = round(x), round(y)
        if max(abs(x - column), abs(y - row)) > 0.5 - TIE:
            return None
        height, width = self._valid.shape
        is_on_map = 0 <= column < width and 0 <= row < height
        return (column, row) if is_on_map and self._valid[row, column] else None
