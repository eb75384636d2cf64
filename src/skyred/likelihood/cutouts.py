"""Cutouts around sources, equal to those of gammapy's evaluator, but faster to create.

`MapEvaluator.update` cuts out the mask twice and the exposure once, and copies and transforms a
geometry each time. If mask and exposure have the same pixels, the cutout of the mask is a slice of
its array, and that of the exposure only needs a shifted WCS.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.likelihood.pixel_positions import pixel_at

if TYPE_CHECKING:
    from astropy import units as u
    from gammapy.datasets.evaluator import MapEvaluator
    from gammapy.maps import WcsNDMap
    from numpy.typing import NDArray

    Slices = tuple[slice, slice]

log = logging.getLogger("gammapy.datasets.evaluator")  # the warning is a copy of gammapy's


@attrs.define(eq=False)
class ExposureCutouts:
    """Cutouts of the exposure around sources in one dataset.

    Parameters
    ----------
    exposure : gammapy.maps.WcsNDMap
        The exposure.
    mask : gammapy.maps.WcsNDMap
        Mask of the pixels that are fitted in at least one energy bin, on the same pixels as the
        exposure.
    """

    exposure: WcsNDMap
    mask: WcsNDMap
    pixel_scales: Any = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.pixel_scales = self.exposure.geom.pixel_scales

    @classmethod
    def from_maps(cls, exposure: Any, mask: Any) -> ExposureCutouts | None:
        """Create the cutouts for an exposure and a mask.

        Parameters
        ----------
        exposure : gammapy.maps.Map
            The exposure.
        mask : gammapy.maps.Map
            Mask of the pixels that are fitted in at least one energy bin.

        Returns
        -------
        ExposureCutouts or None
            The cutouts; None if gammapy has to create them, because the maps are not regular WCS
            maps with the same pixels and without distortion.
        """
        from gammapy.maps import WcsNDMap

        if type(exposure) is not WcsNDMap or type(mask) is not WcsNDMap:
            return None
        geom, mask_geom = exposure.geom, mask.geom
        is_regular = geom.is_regular and mask_geom.is_regular and not geom.wcs.has_distortion
        has_same_shape = geom.data_shape[-2:] == mask_geom.data_shape[-2:]
        has_same_pixels = (
            has_same_shape
            and geom.frame == mask_geom.frame
            and geom.wcs.wcs.compare(mask_geom.wcs.wcs)
        )
        return cls(exposure, mask) if is_regular and has_same_pixels else None

    def set_cutout(self, evaluator: MapEvaluator) -> Slices | None:
        """Set the exposure of an evaluator to the cutout at the position of its model.

        Parameters
        ----------
        evaluator : gammapy.datasets.evaluator.MapEvaluator
            The evaluator, with the PSF of that position. Its exposure and `contributes` are set.

        Returns
        -------
        tuple of slice or None
            The rows and columns of the cutout; None if the model does not contribute.
        """
        from gammapy.datasets.evaluator import CUTOUT_MARGIN

        evaluator.exposure = self.exposure
        model = evaluator.model
        pixel = np.array(pixel_at(evaluator.position, self.exposure.geom))
        width = 2 * model.evaluation_radius + CUTOUT_MARGIN
        evaluator.contributes = self._overlaps_mask(pixel, width + evaluator.psf_width)
        if not evaluator.contributes:
            return None
        if not self._overlaps_mask(pixel, width):
            log.warning(
                "Model %s is outside the target geom but contributes inside through the psf. "
                "This contribution cannot be estimated precisely. Consider extending the dataset "
                "geom and/or the masked margin in the mask_fit.",
                model.name,
            )
        slices = self._slices(pixel, evaluator.cutout_width, odd=True)
        evaluator.exposure = self._exposure_view(slices)
        return slices

    def _overlaps_mask(self, pixel: NDArray[np.float64], width: u.Quantity) -> bool:
        """Return whether the mask is true in any pixel of a cutout."""
        from astropy.nddata.utils import NoOverlapError

        try:
            return bool(self.mask.data[self._slices(pixel, width)].any())
        except (NoOverlapError, ValueError):
            return False

    def _slices(
        self, pixel: NDArray[np.float64], width: u.Quantity, *, odd: bool = False
    ) -> Slices:
        """Return the rows and columns of a cutout, computed as in `WcsGeom.cutout`."""
        from astropy.nddata.utils import overlap_slices
        from gammapy.maps.wcs.geom import round_up_to_odd

        sides = np.clip((width.to("deg") / self.pixel_scales).to_value(""), 1, None)
        sides = round_up_to_odd(sides) if odd else np.round(sides).astype(int)
        shape = self.mask.data.shape[-2:]
        return overlap_slices(shape, tuple(sides[::-1]), pixel[::-1], mode="trim")[0]  # type: ignore[no-any-return]

    def _exposure_view(self, slices: Slices) -> WcsNDMap:
        """Return a cutout of the exposure that shares its data."""
        from gammapy.maps import Map, WcsGeom

        geom, (rows, columns) = self.exposure.geom, slices
        wcs, shape = geom.wcs.deepcopy(), (rows.stop - rows.start, columns.stop - columns.start)
        wcs.wcs.crpix -= (columns.start, rows.start)
        wcs.array_shape = shape
        cutout = WcsGeom(
            wcs, npix=shape[::-1], cdelt=geom._cdelt, crpix=geom._crpix, axes=geom.axes
        )
        data = self.exposure.data[..., rows, columns]
        return Map.from_geom(geom=cutout, data=data, unit=self.exposure.unit)
