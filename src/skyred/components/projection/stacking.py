"""Stacking of the cutout of a run onto a map dataset, without work on the rest of the map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from gammapy.datasets import MapDataset
from gammapy.irf import EDispKernelMap, PSFMap
from gammapy.maps import WcsNDMap
from numpy.typing import NDArray

from skyred.components.projection.cutouts import Slices, find_slices
from skyred.components.projection.interpolation import Array

if TYPE_CHECKING:
    from gammapy.maps import WcsGeom

MAPS = ("counts", "exposure", "background", "mask_safe")


@attrs.frozen
class Overlap:
    """The pixels of the total that a cutout covers.

    Parameters
    ----------
    pixels, irf_pixels : tuple of slice
        The slices in latitude and longitude, of the counts and of the IRF maps.
    """

    pixels: Slices
    irf_pixels: Slices

    @classmethod
    def find(cls, total: Any, dataset: Any) -> Overlap | None:
        """Return the pixels of a dataset in the total.

        Parameters
        ----------
        total, dataset : gammapy.datasets.MapDataset
            The datasets.

        Returns
        -------
        Overlap or None
            The pixels; None if gammapy must stack the dataset, because it is not a complete map
            dataset without models, or not a cutout of the total.
        """
        if not (_is_simple(total) and _is_simple(dataset)):
            return None
        pixels = _find_common([(getattr(total, name), getattr(dataset, name)) for name in MAPS])
        irf_pixels = _find_common(
            [
                maps
                for irf, part_irf in ((total.psf, dataset.psf), (total.edisp, dataset.edisp))
                for maps in (
                    (irf._irf_map, part_irf._irf_map),
                    (irf.exposure_map, part_irf.exposure_map),
                )
            ]
        )
        if pixels is None or irf_pixels is None or not _have_same_axes(total, dataset):
            return None
        return cls(pixels, irf_pixels)


def _find_common(pairs: list[tuple[WcsNDMap, WcsNDMap]]) -> Slices | None:
    """Return the pixels of cutouts in their maps; None unless all are the same."""
    first, *others = [find_slices(parent.geom, part.geom) for parent, part in pairs]
    return first if all(slices == first for slices in others) else None


def _is_simple(dataset: Any) -> bool:
    """Return whether a dataset has all parts on WCS maps, and neither models nor a fit mask."""
    return (
        type(dataset) is MapDataset
        and not dataset.models
        and dataset.mask_fit is None
        and all(type(getattr(dataset, name)) is WcsNDMap for name in MAPS)
        and type(dataset.psf) is PSFMap
        and type(dataset.edisp) is EDispKernelMap
        and dataset.psf.exposure_map is not None
        and dataset.edisp.exposure_map is not None
    )


def _have_same_axes(first: MapDataset, second: MapDataset) -> bool:
    if second.edisp.edisp_map.geom.axes["energy"] != second.counts.geom.axes["energy"]:
        return False  # gammapy interpolates the mask in energy
    pairs = [(getattr(first, name), getattr(second, name)) for name in MAPS]
    pairs += [
        (first.psf.psf_map, second.psf.psf_map),
        (first.edisp.edisp_map, second.edisp.edisp_map),
    ]
    equal: dict[tuple[int, int], bool] = {}  # datasets share their axes
    for parent, part in pairs:
        if parent.geom.axes.names != part.geom.axes.names:
            return False
        for axis, part_axis in zip(parent.geom.axes, part.geom.axes, strict=True):
            key = (id(axis), id(part_axis))
            if key not in equal:
                equal[key] = axis is part_axis or axis == part_axis
            if not equal[key]:
                return False
    return True


def stack_cutout(total: MapDataset, dataset: MapDataset, overlap: Overlap) -> None:
    """Stack a dataset onto a total, with the numbers of gammapy's `MapDataset.stack`.

    Good time intervals and metadata are not stacked.

    Parameters
    ----------
    total : gammapy.datasets.MapDataset
        The total, changed in place.
    dataset : gammapy.datasets.MapDataset
        The dataset, with its safe mask.
    overlap : Overlap
        The pixels of the dataset in the total.
    """
    mask = dataset.mask_safe.data
    image = mask.any(axis=0)
    for name, weights in (("counts", mask), ("exposure", image), ("background", mask)):
        _add(getattr(total, name), getattr(dataset, name), weights, overlap.pixels)
    _add_livetime(total, dataset, image)
    _stack_irf(total.psf, dataset.psf, _mask_psf(dataset, image), overlap.irf_pixels)
    _stack_irf(total.edisp, dataset.edisp, _mask_edisp(dataset), overlap.irf_pixels)
    total.mask_safe.data[(..., *overlap.pixels)] |= mask


def _add(total: WcsNDMap, part: WcsNDMap, weights: NDArray[np.bool_], pixels: Slices) -> None:
    total.data[(..., *pixels)] += _convert(part, total) * weights


def _convert(part: WcsNDMap, total: WcsNDMap) -> NDArray[Any]:
    """Return data in unit and type of the total, with 0 instead of values that are not finite."""
    return _convert_values(part.data, part, total)


def _convert_values(data: NDArray[Any], part: WcsNDMap, total: WcsNDMap) -> NDArray[Any]:
    if part.unit != total.unit:
        data = part.unit.to(total.unit, data)
    data = data.astype(total.data.dtype, copy=False)
    if not np.isfinite(data.sum()):
        data = np.where(np.isfinite(data), data, 0)
    return np.asarray(data)


def _add_livetime(total: MapDataset, dataset: MapDataset, image: NDArray[np.bool_]) -> None:
    livetime = dataset.exposure.meta.get("livetime")
    if livetime is None or not image.any():
        return
    if "livetime" in total.exposure.meta:
        total.exposure.meta["livetime"] = total.exposure.meta["livetime"] + livetime
    else:
        total.exposure.meta["livetime"] = livetime.copy()


def _stack_irf(total: Any, irf: Any, mask: NDArray[np.bool_], pixels: Slices) -> None:
    """Average an IRF with that of the total, weighted with the exposure.

    Parameters
    ----------
    total, irf : gammapy.irf.IRFMap
        The IRF of the total, changed in place, and that of the dataset.
    mask : numpy.ndarray of bool
        Whether the IRF is used, shape (energies or 1, latitude, longitude).
    pixels : tuple of slice
        The pixels of the IRF in the total.
    """
    in_total = (..., *pixels)
    if not total.exposure_map.data.any():  # empty datasets have a diagonal energy dispersion
        total._irf_map.data[...] = 0
    exposure = _convert(irf.exposure_map, total.exposure_map)
    weighted = _convert_values(
        irf._irf_map.data * irf.exposure_map.data, irf._irf_map, total._irf_map
    )
    sum_exposure, values = total.exposure_map.data[in_total], total._irf_map.data[in_total]
    may_cancel = (sum_exposure < 0).any() or (exposure < 0).any()
    values *= sum_exposure
    values += np.multiply(weighted, mask, out=weighted)
    sum_exposure += exposure * mask.any(axis=0)
    if not may_cancel:  # without exposure, the values are already 0
        sum_exposure = np.where(sum_exposure == 0, 1, sum_exposure)
    with np.errstate(invalid="ignore", divide="ignore"):
        values /= sum_exposure
    if not np.isfinite(values.sum()):
        np.nan_to_num(values, copy=False)


def _mask_psf(dataset: MapDataset, image: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the safe mask at the pixels of the PSF, shape (1, latitude, longitude)."""
    lon, lat = _pixel_positions(dataset.mask_safe.geom, dataset.psf.psf_map.geom)
    columns, rows = (np.floor(values + 0.5).astype(int) for values in (lon, lat))
    height, width = image.shape
    in_range = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    safe = image[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)] & in_range
    return np.asarray(safe[None])


def _mask_edisp(dataset: MapDataset) -> NDArray[np.bool_]:
    """Return the pixels of the energy dispersion next to a safe pixel, as gammapy.

    gammapy interpolates the mask linearly, and extrapolates it beyond the map; the energy
    dispersion is used where the result is not exactly 0.
    """
    geom, mask = dataset.mask_safe.geom, dataset.mask_safe.data
    lon, lat = _pixel_positions(geom, dataset.edisp.edisp_map.geom)
    energy = geom.axes["energy"]
    energy_index = np.asarray(energy.coord_to_pix(energy.center))
    rows, row_fraction = _split_index(lat, mask.shape[1])
    columns, column_fraction = _split_index(lon, mask.shape[2])
    safe = np.zeros((mask.shape[0], *lat.shape))
    for i, row_weight in enumerate((1 - row_fraction, row_fraction)):
        for j, column_weight in enumerate((1 - column_fraction, column_fraction)):
            if (i and mask.shape[1] == 1) or (j and mask.shape[2] == 1):
                continue
            pixels = mask[:, rows + i, columns + j].astype(float)
            values = _interpolate_index(pixels, energy_index, 0)
            safe += values * (row_weight * column_weight)
    return np.asarray(safe != 0)


def _interpolate_index(values: Array, index: Array, dimension: int) -> Array:
    lower, fraction = _split_index(index, values.shape[dimension])
    fraction = fraction.reshape(-1, *[1] * (values.ndim - 1 - dimension))
    low = values.take(lower, dimension)
    if values.shape[dimension] == 1:
        return low
    return np.asarray(low * (1 - fraction) + values.take(lower + 1, dimension) * fraction)


def _split_index(index: Array, size: int) -> tuple[NDArray[np.intp], Array]:
    """Return the pixel below a pixel coordinate, and the fraction of a pixel above it."""
    if size == 1:
        return np.zeros(index.shape, dtype=np.intp), np.zeros(index.shape)
    lower = np.clip(np.floor(index).astype(np.intp), 0, size - 2)
    return lower, index - lower


def _pixel_positions(geom: WcsGeom, irf_geom: WcsGeom) -> tuple[Array, Array]:
    """Return the pixel coordinates of the pixels of an IRF map, shape (latitude, longitude)."""
    height, width = irf_geom.data_shape[-2:]
    rows, columns = np.mgrid[:height, :width]
    position = irf_geom.wcs.wcs_pix2world(columns, rows, 0)
    lon, lat = geom.wcs.wcs_world2pix(*position, 0)
    return lon, lat
