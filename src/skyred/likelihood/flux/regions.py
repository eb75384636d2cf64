"""Spectra of regions of maps: counts, predicted background and predicted signal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.errors import FitError
from skyred.likelihood.flux.norm_terms import CashTerm, WStatTerm
from skyred.likelihood.flux.profile import Term
from skyred.likelihood.flux.slices import Slice
from skyred.likelihood.statistics import WStat
from skyred.likelihood.units import scale_of

if TYPE_CHECKING:
    from gammapy.datasets import MapDataset
    from gammapy.maps import MapAxis, WcsGeom
    from gammapy.modeling.models import SpectralModel
    from numpy.typing import NDArray
    from regions import SkyRegion

    Array = NDArray[np.float64]


class UnusableRegion(Exception):  # noqa: N818 - not an error: the reason is reported in the result
    """Raised for a region without a spectrum; the message contains the reason."""


def predict_background(dataset: MapDataset, sources: Sequence[str] | None) -> Array:
    """Return the predicted counts of the background, including sources that belong to it.

    Parameters
    ----------
    dataset : gammapy.datasets.MapDataset or MapDatasetOnOff
        The dataset, with models.
    sources : sequence of str or None
        Names of the sources that belong to the background; by default all.

    Returns
    -------
    array
        Predicted counts, shape (energies, y, x); zero for on-off maps, where the off counts
        determine the background.

    Raises
    ------
    FitError
        If the dataset is not a map, or has no exposure.
    """
    geom = getattr(getattr(dataset, "counts", None), "geom", None)
    if geom is None or geom.is_region or geom.is_hpx:
        raise FitError(f"the dataset {dataset.name!r} is not a map; expected a map dataset")
    if dataset.exposure is None:
        raise FitError(
            f"the dataset {dataset.name!r} has no exposure, which is needed to compute fluxes"
        )
    if dataset.stat_type == "wstat":
        return np.zeros(geom.data_shape)
    if sources is None:
        return np.asarray(dataset.npred().data, dtype=float)
    npred = np.zeros(geom.data_shape)
    if (background := dataset.npred_background()) is not None:
        npred += background.data
    if sources:
        npred += dataset.npred_signal(model_names=list(sources)).data
    return npred


class ImagePixels:
    """Pixels of an image, to find the pixels in a region.

    Parameters
    ----------
    geom : gammapy.maps.WcsGeom
        Geometry of the map.
    """

    def __init__(self, geom: WcsGeom) -> None:
        self.geom = geom.to_image()
        self.shape = self.geom.data_shape
        # with a margin of one pixel, to find regions that extend beyond the map
        self.rows, self.columns = np.indices([size + 2 for size in self.shape]) - 1

    def region_mask(self, region: SkyRegion) -> NDArray[np.bool_]:
        """Return the mask of the pixels with centres in a region.

        Parameters
        ----------
        region : SkyRegion
            The region.

        Returns
        -------
        array of bool
            The mask, shape (y, x).

        Raises
        ------
        UnusableRegion
            If the region extends beyond the image, or contains no pixel centre.
        """
        from regions import PixCoord

        pixel_region = region.to_pixel(self.geom.wcs)
        coordinates = PixCoord(self.columns, self.rows)
        mask_with_margin = np.asarray(pixel_region.contains(coordinates), dtype=np.bool_)
        mask = mask_with_margin[1:-1, 1:-1]
        (height, width), (x, y) = self.shape, pixel_region.center.xy
        if mask_with_margin.sum() > mask.sum() or not (-1 < x < width and -1 < y < height):
            raise UnusableRegion("the region extends beyond the map")
        if not mask.any():
            raise UnusableRegion("the region contains no pixel centre")
        return mask


class SpectrumExtractor:
    """Extraction of the spectra of regions from one map dataset.

    Parameters
    ----------
    dataset : gammapy.datasets.MapDataset or MapDatasetOnOff
        The dataset.
    background : array
        Predicted counts of the background, shape (energies, y, x); ignored for on-off maps.
    spectral : gammapy.modeling.models.SpectralModel
        The spectrum that the norm scales.
    """

    def __init__(self, dataset: MapDataset, background: Array, spectral: SpectralModel) -> None:
        self.dataset, self.name, self.background = dataset, str(dataset.name), background
        self.axis = dataset.counts.geom.axes["energy"]
        self.mask_safe = np.ones(dataset.counts.data.shape, dtype=bool)
        if dataset.mask_safe:
            self.mask_safe = dataset.mask_safe.data.astype(bool)
        self.mask = dataset.mask.data.astype(bool) if dataset.mask else self.mask_safe
        self.pixels = self.exposure_pixels = ImagePixels(dataset.counts.geom)
        if dataset.exposure.geom.to_image() != self.pixels.geom:
            self.exposure_pixels = ImagePixels(dataset.exposure.geom)
        edges = dataset.exposure.geom.axes["energy_true"].edges
        flux = spectral.integral(edges[:-1], edges[1:])
        self.flux = flux.value * scale_of(flux.unit)
        self.is_on_off = dataset.stat_type == "wstat"
        if self.is_on_off:
            # NaN (0 / 0) in bins with neither acceptance nor off counts
            self.off_background = np.nan_to_num(dataset.background.data.astype(float))
        self.migrations: dict[tuple[int, int], Array] = {}

    def spectrum(self, region: SkyRegion) -> RegionSpectrum:
        """Return the spectrum of a region.

        Parameters
        ----------
        region : SkyRegion
            The region.

        Returns
        -------
        RegionSpectrum
            The spectrum.

        Raises
        ------
        UnusableRegion
            If gammapy would raise an error: the region extends beyond the map, contains no pixel
            centre, or is only partly inside the mask.
        """
        in_region = self.pixels.region_mask(region)
        masks = self.mask[:, in_region]
        if not (masks.all(axis=1) | ~masks.any(axis=1)).all():
            raise UnusableRegion("the region is only partly inside the mask")
        weights = self.mask_safe & in_region
        in_exposure_region = in_region
        if self.exposure_pixels is not self.pixels:
            in_exposure_region = self.exposure_pixels.region_mask(region)
        exposure = self.dataset.exposure.data[:, in_exposure_region].mean(axis=1)
        exposure = np.nan_to_num(exposure * scale_of(self.dataset.exposure.unit))
        spectrum = RegionSpectrum(
            counts=_sum(self.dataset.counts.data, weights),
            signal=(self.flux * exposure) @ self._get_migration(region.center),
            background=_sum(self.background, weights),
            mask=np.asarray(masks.any(axis=1)),
        )
        if self.is_on_off:
            spectrum.off = _sum(self.dataset.counts_off.data, weights)
            spectrum.background = _sum(self.off_background, weights)
        return spectrum

    def _get_migration(self, center: Any) -> Array:
        """Return the energy dispersion at a position, shape (true, reconstructed energies)."""
        edisp = self.dataset.edisp
        if edisp is None:
            return self._diagonal_migration()
        geom = edisp.edisp_map.geom.to_image()
        # gammapy uses the nearest pixel of the map, so kernels can be cached by pixel
        x, y = (int(index.item()) for index in geom.coord_to_idx(center, clip=True))
        if (x, y) not in self.migrations:
            if edisp.tag == "edisp_kernel_map":
                self.migrations[x, y] = edisp.edisp_map.data[:, :, y, x].astype(float)
            else:
                local_edisp = edisp.to_region_nd_map(center)
                kernel = local_edisp.get_edisp_kernel(position=center, energy_axis=self.axis)
                self.migrations[x, y] = np.asarray(kernel.pdf_matrix, dtype=float)
        return self.migrations[x, y]

    def _diagonal_migration(self) -> Array:
        from gammapy.irf import EDispKernel

        axis_true = self.dataset.exposure.geom.axes["energy_true"]
        kernel = EDispKernel.from_diagonal_response(
            energy_axis_true=axis_true, energy_axis=self.axis
        )
        return np.asarray(kernel.pdf_matrix, dtype=float)


def _sum(cube: Array, weights: NDArray[np.bool_]) -> Array:
    return np.asarray(np.where(weights, cube, 0).sum(axis=(1, 2)), dtype=float)


@attrs.define(eq=False)
class RegionSpectrum:
    """Spectrum of a region in one dataset, in bins of reconstructed energy.

    Parameters
    ----------
    counts : array
        Counts, shape (energies,).
    signal : array
        Predicted counts of the source at norm one, shape (energies,).
    background : array
        Predicted counts of the background, shape (energies,); for on-off maps estimated from the
        off counts.
    mask : array of bool
        Mask of the energies at which the region is inside the mask of the dataset, shape
        (energies,).
    off : array, optional
        Off counts, shape (energies,).
    """

    counts: Array
    signal: Array
    background: Array
    mask: NDArray[np.bool_]
    off: Array | None = None

    def slice(self, name: str, axis: MapAxis, bins: tuple[int, int], sign: int = 1) -> Slice:
        """Return the spectrum in a range of energy bins.

        Parameters
        ----------
        name : str
            The name of the dataset.
        axis : gammapy.maps.MapAxis
            Its energy axis.
        bins : (int, int)
            First bin, and the bin after the last one.
        sign : {-1, 1}
            Sign of the flux, by which the signal is multiplied.

        Returns
        -------
        Slice
            The slice.
        """
        indices = np.flatnonzero(self.mask[slice(*bins)]) + bins[0]
        counts = self.counts[indices]
        edges = axis.edges[list(bins)]
        term = self._term(indices, counts, sign)
        return Slice(name, edges, int(counts.sum()), len(indices), term)

    def _term(self, indices: NDArray[np.int64], counts: Array, sign: int) -> Term:
        signal = sign * self.signal[indices]
        if self.off is None:
            return CashTerm(counts, signal, self.background[indices])
        off = self.off[indices]
        with np.errstate(all="ignore"):
            # alpha is the ratio of background to off counts; 0 without off counts, as in gammapy
            alpha = np.where(off > 0, self.background[indices] / off, 0.0)
        return WStatTerm(WStat(counts, off, alpha), signal, np.zeros(len(indices)))
