"""IRFs at one position as plain arrays: exposure, energy dispersion and PSF kernel.

The interpolation and the size of cutouts are those of gammapy's evaluator, so the IRFs are equal.
They are computed by the modules `psf`, `edisp` and `cutouts` of this package if these support the
dataset, and by gammapy otherwise.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.likelihood.cutouts import ExposureCutouts
from skyred.likelihood.edisp import EdispLookup
from skyred.likelihood.psf import PsfLookup
from skyred.likelihood.units import scale_of

if TYPE_CHECKING:
    from gammapy.datasets import MapDataset
    from gammapy.datasets.evaluator import MapEvaluator
    from gammapy.modeling.models import SkyModel
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@contextmanager
def suppress_evaluator_warnings() -> Iterator[None]:
    """Suppress the warnings of gammapy's evaluator about sources outside the map.

    Yields
    ------
    None
        Nothing.
    """
    log = logging.getLogger("gammapy.datasets.evaluator")
    log_level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(log_level)


class DatasetIrfs:
    """The IRFs of a dataset, which can be looked up at the position of a source.

    Parameters
    ----------
    dataset : gammapy.datasets.MapDataset
        The dataset.
    fast_kernels : bool
        Whether `PsfLookup` may compute the PSF kernels; they equal gammapy's up to rounding.
    """

    def __init__(self, dataset: MapDataset, fast_kernels: bool = True) -> None:
        self.dataset, self.geom = dataset, dataset._geom
        self.mask_image = _mask_image(dataset)
        self.psf: Any = dataset.psf
        if fast_kernels and self.psf and not self.geom.is_region and self._has_exposure_energies():
            self.psf = PsfLookup(dataset.psf)
        self.edisp: Any = dataset.edisp
        if self._has_kernel_per_pixel():
            self.edisp = EdispLookup(dataset.edisp)
        self.cutouts = ExposureCutouts.from_maps(dataset.exposure, self.mask_image)

    def _has_kernel_per_pixel(self) -> bool:
        """Return whether the energy dispersion is a sky map of kernels."""
        from gammapy.irf import EDispKernelMap

        edisp = self.dataset.edisp
        return type(edisp) is EDispKernelMap and not edisp.edisp_map.geom.is_region

    def _has_exposure_energies(self) -> bool:
        """Return whether the PSF has the true energies of the exposure, as `PsfLookup` requires.

        The result is true without exposure, since no kernel is computed then.
        """
        if self.psf.energy_name != "energy_true" or self.dataset.exposure is None:
            return self.dataset.exposure is None
        psf_geom, exposure_geom = self.psf.psf_map.geom, self.dataset.exposure.geom
        return bool(psf_geom.axes["energy_true"] == exposure_geom.axes["energy_true"])

    @cached_property
    def area(self) -> Array:
        """Solid angles of the pixels of the dataset in sr, shape (y, x)."""
        return np.asarray(self.geom.to_image().solid_angle().to_value("sr"))

    def cutout_area(self, slices: tuple[slice, slice]) -> Array | None:
        """Return the solid angles of the pixels of a cutout.

        Parameters
        ----------
        slices : tuple of slice
            Rows and columns of the cutout.

        Returns
        -------
        array or None
            Solid angles in sr, shape (y, x); None for a region.
        """
        return None if self.geom.is_region else self.area[slices]

    def create_evaluator(self, model: SkyModel) -> MapEvaluator:
        """Create a gammapy evaluator for a model, separate from the dataset's own.

        Parameters
        ----------
        model : gammapy.modeling.models.SkyModel
            The model.

        Returns
        -------
        gammapy.datasets.evaluator.MapEvaluator
            The evaluator, not yet updated.
        """
        from gammapy.datasets.evaluator import MapEvaluator
        from gammapy.datasets.map import EVALUATION_MODE

        mode, gti = EVALUATION_MODE, self.dataset.gti
        return MapEvaluator(model, psf=self._common_kernel, gti=gti, evaluation_mode=mode)

    def irfs_follow_source(self, model: SkyModel) -> bool:
        """Return whether gammapy looks up the IRFs again when a source has left its cutout.

        Parameters
        ----------
        model : gammapy.modeling.models.SkyModel
            The model.

        Returns
        -------
        bool
            Whether the IRFs follow the source.
        """
        return not self.geom.is_region and self.create_evaluator(model).evaluation_mode == "local"

    @cached_property
    def _common_kernel(self) -> Any:
        """The PSF kernel of all positions; None if it depends on the position."""
        from gammapy.datasets.evaluator import PSF_CONTAINMENT, PSF_MAX_RADIUS

        # gammapy uses one kernel for all positions if the PSF map has a single position
        if not isinstance(self.psf, PsfLookup):
            return self.dataset._psf_kernel
        exposure = self.dataset.exposure
        if not self.psf.has_single_spatial_bin or exposure is None:
            return None
        return self.psf.get_psf_kernel(
            exposure.geom.center_skydir, exposure.geom, PSF_CONTAINMENT, PSF_MAX_RADIUS
        )

    def update(self, evaluator: MapEvaluator) -> tuple[slice, slice] | None:
        """Look up the IRFs at the current position of the evaluator's model.

        Parameters
        ----------
        evaluator : gammapy.datasets.evaluator.MapEvaluator
            The evaluator; afterwards it has the same state as after its own `update`.

        Returns
        -------
        tuple of slice or None
            The rows and columns of the cutout; None if gammapy creates the cutout, or the model
            does not contribute.
        """
        dataset, slices = self.dataset, None
        if self.cutouts is not None and evaluator.evaluation_mode == "local":
            self._update_kernels(evaluator)
            slices = self.cutouts.set_cutout(evaluator)
            evaluator.reset_cache_properties()
        else:
            mask = self.mask_image
            evaluator.update(dataset.exposure, self.psf, self.edisp, self.geom, mask)
        if getattr(evaluator.model, "spatial_model", None) is not None:
            # otherwise gammapy compares the next position with (0, 0), and recomputes the kernels
            evaluator._cached_position = evaluator.model.position_lonlat
        return slices

    def _update_kernels(self, evaluator: MapEvaluator) -> None:
        """Look up energy dispersion and PSF kernel, as the evaluator does for sky maps."""
        from gammapy.datasets.evaluator import PSF_CONTAINMENT, PSF_MAX_RADIUS
        from gammapy.irf import PSFKernel

        del evaluator.position, evaluator.cutout_width, evaluator._edisp_diagonal
        axis, position = self.geom.axes["energy"], evaluator.position
        evaluator._geom_reco_axis = axis
        if self.edisp:
            evaluator.edisp = self.edisp.get_edisp_kernel(position=position, energy_axis=axis)
        if not self.psf or (
            isinstance(evaluator.psf, PSFKernel) and self.psf.has_single_spatial_bin
        ):
            return
        geom = self.geom if self.psf.energy_name == "energy" else self.dataset.exposure.geom
        evaluator.psf = self.psf.get_psf_kernel(
            position=position, geom=geom, containment=PSF_CONTAINMENT, max_radius=PSF_MAX_RADIUS
        )


def _mask_image(dataset: MapDataset) -> Any:
    """Return the mask of the pixels that are fitted in at least one energy bin."""
    from gammapy.maps import Map

    if dataset.mask is None:
        return dataset.mask_image
    mask = dataset.mask
    return Map.from_geom(mask.geom.to_image(), data=mask.data.any(axis=0))


@attrs.define(eq=False)
class Response:
    """IRFs at one position, inside the cutout around the source.

    Parameters
    ----------
    slices : tuple of slice
        Rows and columns of the cutout in the image of the dataset.
    exposure : array
        Exposure in cm2 s, shape (true energies, y, x).
    migration : array
        Energy dispersion: probability of each reconstructed energy, shape (true energies,
        reconstructed energies).
    kernel : array or None
        The PSF kernels, shape (true energies, ky, kx), in float32 as in gammapy's convolution; None
        without PSF.
    image_geom : gammapy.maps.Geom
        The geometry of the cutout, without energy axis.
    area : callable
        Function that returns the solid angles of the pixels in sr, shape (y, x), or None for a
        region.
    """

    slices: tuple[slice, slice]
    exposure: Array
    migration: Array
    kernel: NDArray[np.float32] | None
    image_geom: Any
    area: Callable[[], Array | None]

    @classmethod
    def from_evaluator(
        cls,
        evaluator: MapEvaluator,
        dataset_irfs: DatasetIrfs,
        slices: tuple[slice, slice] | None = None,
    ) -> Response:
        """Copy the arrays of an evaluator that has been updated.

        Parameters
        ----------
        evaluator : gammapy.datasets.evaluator.MapEvaluator
            The evaluator.
        dataset_irfs : DatasetIrfs
            The IRFs of the dataset.
        slices : tuple of slice, optional
            Rows and columns of the cutout; by default they are computed.

        Returns
        -------
        Response
            The IRFs.
        """
        apply_irf, cutout = evaluator.model.apply_irf, evaluator.geom
        edisp = evaluator.edisp if apply_irf["edisp"] and evaluator.edisp else None
        edisp = edisp or evaluator._edisp_diagonal
        exposure = np.ones(cutout.data_shape)
        if apply_irf["exposure"]:
            exposure = evaluator.exposure.data * scale_of(evaluator.exposure.unit)
        kernel = None
        if evaluator.psf and apply_irf["psf"] and not cutout.is_region:
            kernel = evaluator.psf.psf_kernel_map.data.astype(np.float32)
        slices = _find_slices(cutout, dataset_irfs.geom) if slices is None else slices
        return cls(
            slices,
            _set_invalid_to_zero(exposure.astype(float)),
            np.asarray(edisp.pdf_matrix, dtype=float),
            kernel,
            cutout.to_image(),
            partial(dataset_irfs.cutout_area, slices),
        )


def _find_slices(cutout: Any, geom: Any) -> tuple[slice, slice]:
    shape = cutout.data_shape[1:]
    if cutout.is_region or shape == geom.data_shape[1:]:
        return slice(0, shape[0]), slice(0, shape[1])
    slices_by_map = cutout.to_image().cutout_slices(geom.to_image(), mode="trim")
    return slices_by_map["parent-slices"]  # type: ignore[no-any-return]


def _set_invalid_to_zero(exposure: Array) -> Array:
    """Set the exposure to zero, in place, in pixels where it is invalid at any true energy."""
    # gammapy sets the predicted counts of these pixels to zero
    exposure[:, ~np.isfinite(exposure).all(axis=0)] = 0
    return exposure
