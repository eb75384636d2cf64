"""Norms of all pixels of a map, fitted in blocks of pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.interfaces.tasks import SERIAL_TASKS, Tasks
from skyred.likelihood.flux.ts_map.estimate import NormEstimate, find_significant_roots
from skyred.likelihood.flux.ts_map.layers import Layer
from skyred.likelihood.flux.ts_map.pairs import (
    BinSelection,
    PixelBinPairs,
    all_bins,
    bins_with_counts,
    bins_without_counts,
)
from skyred.likelihood.flux.ts_map.precision import DEFAULT_PRECISION, Precision
from skyred.likelihood.flux.ts_map.scan import scan_norms, scan_statistic
from skyred.likelihood.flux.ts_map.solve import (
    Norms,
    find_distances_down,
    find_distances_up,
    find_roots,
    find_sensitivities,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Mask = NDArray[np.bool_]

MAX_PAIRS = 300_000  # pairs of a pixel and a bin that are evaluated together: limits the memory


@attrs.frozen
class MapSelection:
    """Selection of maps in addition to the norm, its error and its significance.

    Parameters
    ----------
    n_sigma : float
        Number of sigma of the errors.
    asymmetric_errors : bool
        Whether to compute asymmetric errors.
    n_sigma_ul, n_sigma_sensitivity : float, optional
        Number of sigma of the upper limits and of the sensitivity; by default these maps are not
        computed.
    stat_scan : bool
        Whether to compute the statistic at several norms.
    scan_norms : tuple of float
        These norms; by default, they are chosen around the best norm of each pixel.
    limits : tuple of float
        Lowest and highest allowed norm; errors and upper limits that exceed them are NaN.
    """

    n_sigma: float = 1.0
    asymmetric_errors: bool = False
    n_sigma_ul: float | None = None
    n_sigma_sensitivity: float | None = None
    stat_scan: bool = False
    scan_norms: tuple[float, ...] = ()
    limits: tuple[float, float] = (-np.inf, np.inf)


@attrs.define(eq=False)
class NormMaps:
    """Maps of the norm, shape (ny, nx) each, with the names of the maps in gammapy's `FluxMaps`.

    Parameters
    ----------
    ts : array
        Gain in the statistic over norm zero.
    norm : array
        Best norm; NaN where it was not fitted.
    niter : array
        Number of Newton steps.
    norm_err : array
        Error of the norm, times `n_sigma`; NaN where it was not fitted.
    npred, npred_excess : array
        Predicted counts in the bins that the kernel covers, of all models and of the source.
    stat, stat_null : array
        Statistic at the best norm and at norm zero.
    success : array of bool
        Whether the norm has been fitted.
    norm_errn, norm_errp : array, optional
        Asymmetric errors, downwards and upwards.
    norm_ul : array, optional
        Upper limit of the norm.
    norm_sensitivity : array, optional
        Norm with an expected significance of `n_sigma_sensitivity`.
    dnde_scan_values, stat_scan : array, optional
        Norms of the scan, and the statistic at these norms minus that at norm zero, shape
        (m, ny, nx).
    """

    ts: Array
    norm: Array
    niter: Array
    norm_err: Array
    npred: Array
    npred_excess: Array
    stat: Array
    stat_null: Array
    success: Mask
    norm_errn: Array | None = None
    norm_errp: Array | None = None
    norm_ul: Array | None = None
    norm_sensitivity: Array | None = None
    dnde_scan_values: Array | None = None
    stat_scan: Array | None = None


def fit_norm_maps(
    layers: Sequence[Layer],
    mask: Mask,
    optional_maps: MapSelection,
    tasks: Tasks = SERIAL_TASKS,
    precision: Precision = DEFAULT_PRECISION,
    estimate: NormEstimate | None = None,
) -> NormMaps:
    """Fit the norm of a source in each pixel, with all other parameters fixed.

    The sum of the Cash statistics of all datasets is minimised.

    Parameters
    ----------
    layers : sequence of Layer
        The datasets, with the same pixels.
    mask : array of bool
        Pixels to fit, shape (ny, nx).
    optional_maps : MapSelection
        The optional maps.
    tasks : Tasks
        Runs the blocks of pixels.
    precision : Precision
        Precision at which the fits stop.
    estimate : NormEstimate, optional
        Norms that are not fitted if they are not significant.

    Returns
    -------
    NormMaps
        The maps.
    """
    stat_null = np.sum([layer.stat_null() for layer in layers], axis=0)
    background = np.sum([layer.box_sums(layer.background) for layer in layers], axis=0)
    solver = Solver(layers, mask, optional_maps, precision, estimate)
    blocks = tasks.map(_solve_block, solver, list(_blocks(mask, solver.bins_per_pixel)))
    maps = {
        name: _to_map(mask, [getattr(block, name) for block in blocks])
        for name in attrs.fields_dict(PixelResults)
        if getattr(blocks[0], name) is not None
    }
    success = np.nan_to_num(maps.pop("success")).astype(bool)
    return NormMaps(
        **maps,
        npred=background + maps["npred_excess"],
        stat=stat_null - maps["ts"],
        stat_null=np.where(mask, stat_null, np.nan),
        success=success,
    )


@attrs.frozen(eq=False)
class PixelResults:
    """Results for the pixels of one block; see `NormMaps`.

    Parameters
    ----------
    ts, norm, niter, norm_err, npred_excess, success : array
        Values of the maps in each pixel, shape (n,).
    norm_errn, norm_errp, norm_ul, norm_sensitivity : array, optional
        Values of the optional maps in each pixel, shape (n,).
    dnde_scan_values, stat_scan : array, optional
        Norms and statistic of the scan in each pixel, shape (n, m).
    """

    ts: Array
    norm: Array
    niter: Array
    norm_err: Array
    npred_excess: Array
    success: Array
    norm_errn: Array | None
    norm_errp: Array | None
    norm_ul: Array | None
    norm_sensitivity: Array | None
    dnde_scan_values: Array | None
    stat_scan: Array | None


class Solver:
    """Fit of the norms of pixels, block by block.

    Parameters
    ----------
    layers : sequence of Layer
        The datasets, with the same pixels.
    mask : array of bool
        Pixels to fit, shape (ny, nx).
    optional_maps : MapSelection
        The optional maps.
    precision : Precision
        Precision at which the fits stop.
    estimate : NormEstimate, optional
        Norms that are not fitted if they are not significant.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        mask: Mask,
        optional_maps: MapSelection,
        precision: Precision,
        estimate: NormEstimate | None,
    ) -> None:
        self.optional_maps = optional_maps
        self.precision, self.estimate = precision, estimate
        self.signal = np.sum([layer.signal() for layer in layers], axis=0)
        self.lowest_norms = np.max([layer.lowest_norms(mask) for layer in layers], axis=0)
        self.with_counts, self.without_counts, self.all_bins = (
            [BinSelection.from_layer(layer, select) for layer in layers]
            for select in (bins_with_counts, bins_without_counts, all_bins)
        )
        self.bins_per_pixel = sum(layer.n_kernel_bins for layer in layers)
        needs_all_bins = optional_maps.stat_scan or optional_maps.n_sigma_sensitivity is not None
        if not optional_maps.asymmetric_errors and not needs_all_bins:
            # only bins with counts are evaluated
            n_bins = np.sum([layer.box_sums(bins_with_counts(layer)) for layer in layers], axis=0)
            self.bins_per_pixel = int(n_bins.max())

    def solve(self, rows: Integers, columns: Integers) -> PixelResults:
        """Fit the norms of a block of pixels.

        Parameters
        ----------
        rows, columns : array of int
            Rows, increasing, and columns of the pixels, shape (n,).

        Returns
        -------
        PixelResults
            The results.
        """
        selection, signal = self.optional_maps, self.signal[rows, columns]
        pairs = _pairs(self.with_counts, rows, columns)
        lowest_norms = self.lowest_norms[rows, columns]
        if self.estimate is None:
            roots = find_roots(pairs, signal, self.precision)
        else:
            norm = np.maximum(self.estimate.norm[rows, columns], lowest_norms)
            norm = np.clip(norm, *selection.limits)
            threshold = self.estimate.threshold
            roots = find_significant_roots(pairs, signal, norm, threshold, self.precision)
        best = Norms.from_roots(roots, lowest_norms, pairs, signal, selection.limits)
        errn = errp = limit = sensitivity = None
        converged = np.where(roots.success, 1.0, np.nan)
        if selection.asymmetric_errors:
            errp = converged * self._distances_up(pairs, signal, best, selection.n_sigma)
            errp = np.where(errp <= selection.limits[1] - best.value, errp, np.nan)
            empty_bins = _pairs(self.without_counts, rows, columns)
            empty_bins = empty_bins.select(empty_bins.predict(best.pole) < 0)
            errn = converged * find_distances_down(
                pairs, empty_bins, signal, best, selection.n_sigma, self.precision
            )
            errn = np.where(errn <= best.value - selection.limits[0], errn, np.nan)
        if selection.n_sigma_ul is not None:
            distances = self._distances_up(pairs, signal, best, selection.n_sigma_ul)
            limit = converged * (best.value + distances)
            limit = np.where(limit <= selection.limits[1], limit, np.nan)
        norms = scan = None
        if selection.stat_scan or selection.n_sigma_sensitivity is not None:
            all_pairs = _pairs(self.all_bins, rows, columns)
        if selection.stat_scan:
            norms = scan_norms(best)
            if selection.scan_norms:
                norms = np.tile(selection.scan_norms, (len(rows), 1))
            scan = scan_statistic(all_pairs, norms)
        if selection.n_sigma_sensitivity is not None:
            sensitivity = find_sensitivities(
                all_pairs, signal, selection.n_sigma_sensitivity, self.precision
            )
        has_signal = signal > 0  # elsewhere the source predicts no counts, and the norm is NaN
        return PixelResults(
            np.where(has_signal, best.ts, 0),
            best.value,
            roots.niter.astype(float),
            best.error * selection.n_sigma,
            np.where(has_signal, best.value * signal, 0),
            (roots.success & has_signal).astype(float),
            errn,
            errp,
            limit,
            sensitivity,
            norms,
            scan,
        )

    def _distances_up(
        self, pairs: PixelBinPairs, signal: Array, best: Norms, sigma: float
    ) -> Array:
        return find_distances_up(pairs, signal, best, sigma, self.precision)


def _solve_block(solver: Solver, pixels: tuple[Integers, Integers]) -> PixelResults:
    return solver.solve(*pixels)


def _pairs(selections: Sequence[BinSelection], rows: Integers, columns: Integers) -> PixelBinPairs:
    """Return the pairs of pixels and selected bins of all datasets."""
    return PixelBinPairs.concatenate([selection.pairs(rows, columns) for selection in selections])


def _blocks(mask: Mask, bins_per_pixel: int) -> Iterator[tuple[Integers, Integers]]:
    """Yield rows and columns of blocks of pixels, each with about `MAX_PAIRS` pairs at most.

    The pixels are sorted by row.
    """
    rows, columns = np.nonzero(mask)
    step = max(1, MAX_PAIRS // max(1, bins_per_pixel))
    for first in range(0, max(1, len(rows)), step):
        block = slice(first, first + step)
        yield rows[block], columns[block]


def _to_map(mask: Mask, blocks: list[Array]) -> Array:
    """Return a map with the values of the pixels in the mask, and NaN outside.

    Values of the shape (n, m) become a map of the shape (m, ny, nx).
    """
    values = np.concatenate(blocks)
    image = np.full((*values.shape[1:], *mask.shape), np.nan)
    image[..., mask] = values.T
    return image
