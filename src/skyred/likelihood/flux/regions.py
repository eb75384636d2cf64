"""Maps summed over regions: counts, what is predicted, and what a spectrum would give there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.errors import FitError
from skyred.likelihood.flux.profile import CashTerm, Term, WStatTerm
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


class Unusable(Exception):  # noqa: N818 - a verdict on a region, with its reason
    """A region that gives no spectrum."""


def rest_of(dataset: MapDataset, sources: Sequence[str] | None) -> Array:
    """Predict what is no signal: the background, with some sources or with all that there are.

    Raises
    ------
    FitError
        If the dataset is no map, or has no exposure.
    """
    geom = getattr(getattr(dataset, "counts", None), "geom", None)
    if geom is None or geom.is_region or geom.is_hpx:
        raise FitError(f"the dataset {dataset.name!r} is no map; a flux profile needs one")
    if dataset.exposure is None:
        raise FitError(f"the dataset {dataset.name!r} has no exposure, so no flux can be told")
    if dataset.stat_type == "wstat":
        return np.zeros(geom.data_shape)  # what the counts off stand for
    if sources is None:
        return np.asarray(dataset.npred().data, dtype=float)
    total = np.zeros(geom.data_shape)
    if (background := dataset.npred_background()) is not None:
        total += background.data
    if sources:
        total += dataset.npred_signal(model_names=list(sources)).data
    return total


class Pixels:
    """The pixels of an image, for looking up which of them lie in a region."""

    def __init__(self, geom: WcsGeom) -> None:
        self.geom = geom.to_image()
        self.shape = self.geom.data_shape
        # a frame of one pixel more: regions that reach into it leave the map
        self.rows, self.columns = np.indices([size + 2 for size in self.shape]) - 1

    def inside(self, region: SkyRegion) -> NDArray[np.bool_]:
        """Give the pixels whose centre lies in a region, shape (y, x).

        Raises
        ------
        Unusable
            If the region leaves the image, or holds no centre of a pixel.
        """
        from regions import PixCoord

        pixels = region.to_pixel(self.geom.wcs)
        found = np.asarray(pixels.contains(PixCoord(self.columns, self.rows)), dtype=np.bool_)
        inner = found[1:-1, 1:-1]
        (height, width), (x, y) = self.shape, pixels.center.xy
        if found.sum() > inner.sum() or not (-1 < x < width and -1 < y < height):
            raise Unusable("the region leaves the map")
        if not inner.any():
            raise Unusable("the region holds no centre of a pixel")
        return inner


class Sums:
    """One map dataset, to be summed over regions.

    Parameters
    ----------
    dataset : gammapy.datasets.MapDataset or MapDatasetOnOff
        The dataset.
    rest : array
        The predicted counts that are no signal, shape (energies, y, x); not used of on-off maps.
    spectral : gammapy.modeling.models.SpectralModel
        The spectrum whose norm is asked for.
    """

    def __init__(self, dataset: MapDataset, rest: Array, spectral: SpectralModel) -> None:
        self.dataset, self.name, self.rest = dataset, str(dataset.name), rest
        self.axis = dataset.counts.geom.axes["energy"]
        self.safe = np.ones(dataset.counts.data.shape, dtype=bool)
        if dataset.mask_safe:
            self.safe = dataset.mask_safe.data.astype(bool)
        self.mask = dataset.mask.data.astype(bool) if dataset.mask else self.safe
        self.pixels = self.exposed = Pixels(dataset.counts.geom)
        if dataset.exposure.geom.to_image() != self.pixels.geom:
            self.exposed = Pixels(dataset.exposure.geom)
        edges = dataset.exposure.geom.axes["energy_true"].edges
        flux = spectral.integral(edges[:-1], edges[1:])
        self.flux = flux.value * scale_of(flux.unit)
        self.on_off = dataset.stat_type == "wstat"
        if self.on_off:
            # 0 / 0 where there is neither acceptance nor counts off
            self.background = np.nan_to_num(dataset.background.data.astype(float))
        self.migrations: dict[tuple[int, int], Array] = {}

    def spectrum(self, region: SkyRegion) -> RegionSpectrum:
        """Sum over a region; raises `Unusable` if gammapy would refuse it."""
        inside = self.pixels.inside(region)
        uniform = self.mask[:, inside]
        if not (uniform.all(axis=1) | ~uniform.any(axis=1)).all():
            raise Unusable("the mask divides the region")
        weights = self.safe & inside
        exposed = inside if self.exposed is self.pixels else self.exposed.inside(region)
        exposure = self.dataset.exposure.data[:, exposed].mean(axis=1)
        exposure = np.nan_to_num(exposure * scale_of(self.dataset.exposure.unit))
        found = RegionSpectrum(
            counts=_sum(self.dataset.counts.data, weights),
            signal=(self.flux * exposure) @ self._migration(region.center),
            rest=_sum(self.rest, weights),
            mask=np.asarray(uniform.any(axis=1)),
        )
        if self.on_off:
            found.off = _sum(self.dataset.counts_off.data, weights)
            found.rest = _sum(self.background, weights)
        return found

    def _migration(self, center: Any) -> Array:
        """Give the energy dispersion at a position, shape (true, reconstructed energies)."""
        edisp = self.dataset.edisp
        if edisp is None:
            return self._diagonal()
        geom = edisp.edisp_map.geom.to_image()
        # gammapy takes the nearest pixel of the map, of which there are few
        x, y = (int(index.item()) for index in geom.coord_to_idx(center, clip=True))
        if (x, y) not in self.migrations:
            if edisp.tag == "edisp_kernel_map":
                self.migrations[x, y] = edisp.edisp_map.data[:, :, y, x].astype(float)
            else:
                here = edisp.to_region_nd_map(center)
                kernel = here.get_edisp_kernel(position=center, energy_axis=self.axis)
                self.migrations[x, y] = np.asarray(kernel.pdf_matrix, dtype=float)
        return self.migrations[x, y]

    def _diagonal(self) -> Array:
        from gammapy.irf import EDispKernel

        true = self.dataset.exposure.geom.axes["energy_true"]
        kernel = EDispKernel.from_diagonal_response(energy_axis_true=true, energy_axis=self.axis)
        return np.asarray(kernel.pdf_matrix, dtype=float)


def _sum(cube: Array, weights: NDArray[np.bool_]) -> Array:
    return np.asarray(np.where(weights, cube, 0).sum(axis=(1, 2)), dtype=float)


@attrs.define(eq=False)
class RegionSpectrum:
    """A region in one dataset, by reconstructed energy.

    Parameters
    ----------
    counts, signal, rest : array
        Counts, and those predicted by the spectrum and by the rest, shape (energies,); of on-off
        maps the rest is the background that the counts off stand for.
    mask : array of bool
        Which energies count, shape (energies,).
    off : array, optional
        Counts off.
    """

    counts: Array
    signal: Array
    rest: Array
    mask: NDArray[np.bool_]
    off: Array | None = None

    def slice(self, name: str, axis: MapAxis, bins: tuple[int, int], sign: int = 1) -> Slice:
        """Take a range of energies, the signal times the given sign."""
        rows = np.flatnonzero(self.mask[slice(*bins)]) + bins[0]
        counts = self.counts[rows]
        edges = axis.edges[list(bins)]
        return Slice(name, edges, int(counts.sum()), len(rows), self._term(rows, counts, sign))

    def _term(self, rows: NDArray[np.int64], counts: Array, sign: int) -> Term:
        signal = sign * self.signal[rows]
        if self.off is None:
            return CashTerm(counts, signal, self.rest[rows])
        off = self.off[rows]
        with np.errstate(all="ignore"):
            # so that the background is that of the map; without counts off gammapy takes none
            alpha = np.where(off > 0, self.rest[rows] / off, 0.0)
        return WStatTerm(WStat(counts, off, alpha), signal, np.zeros(len(rows)))
