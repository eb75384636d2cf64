"""Energy dispersion at a position: what `EDispKernelMap.get_edisp_kernel` gives, sooner.

gammapy goes by way of a region of the sky for the pixel that it takes.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from gammapy.irf import EDispKernel, EDispKernelMap
    from gammapy.maps import MapAxis


@attrs.define(eq=False, slots=False)
class MigrationMaker:
    """Looks kernels of one map up; stands in for its `EDispKernelMap` in gammapy's evaluator.

    Parameters
    ----------
    edisp : gammapy.irf.EDispKernelMap
        Energy dispersion kernels on a sky map.
    """

    edisp: EDispKernelMap

    @cached_property
    def valid(self) -> Any:
        """The map of positions where it is known; gammapy makes it anew at each question."""
        return self.edisp.mask_safe_image

    def get_edisp_kernel(
        self, position: SkyCoord | None = None, energy_axis: MapAxis | None = None
    ) -> EDispKernel:
        """Give the kernel of the nearest pixel at which it is known."""
        from gammapy.irf import EDispKernel

        kernels = self.edisp.edisp_map
        if position is None:  # of a model without a place
            position = kernels.geom.center_skydir
        if not np.nan_to_num(self.valid.get_by_coord(position))[0]:
            position = self.edisp._get_nearest_valid_position(position)
        x, y = kernels.geom.to_image().coord_to_idx(position, clip=True)
        axes = kernels.geom.axes[["energy_true", "energy"]]
        return EDispKernel(axes=axes, data=kernels.data[:, :, y.item(), x.item()])


def looked_up(edisp: Any) -> Any:
    """Give what looks kernels up: of kernels on a sky map a maker, else the map itself."""
    from gammapy.irf import EDispKernelMap

    plain = type(edisp) is EDispKernelMap and not edisp.edisp_map.geom.is_region
    return MigrationMaker(edisp) if plain else edisp
