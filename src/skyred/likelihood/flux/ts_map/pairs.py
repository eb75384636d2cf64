"""Pairs of a pixel and a bin inside the kernel around it, with the data of the bin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.flux.ts_map.layers import Layer

    Array = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Mask = NDArray[np.bool_]


@attrs.frozen(eq=False)
class PixelBinPairs:
    """Pairs of a pixel and a bin inside the kernel around it, in the order of the pixels.

    Parameters
    ----------
    size : int
        Number of pixels.
    pixel : array of int
        The pixel of each pair, 0 to size - 1, shape (k,), increasing.
    counts : array
        Counts in the bin, shape (k,).
    background : array
        Predicted counts in the bin without the source, shape (k,).
    signal : array
        Predicted counts in the bin for a source of norm one in the pixel, shape (k,).

    Attributes
    ----------
    pixels_with_pairs : array of int
        The pixels that belong to at least one pair.
    starts : array of int
        Index of the first pair of each of these pixels.
    """

    size: int
    pixel: Integers
    counts: Array
    background: Array
    signal: Array
    starts: Integers = attrs.field(init=False)
    pixels_with_pairs: Integers = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        starts = np.searchsorted(self.pixel, np.arange(self.size + 1))
        pixels_with_pairs = np.flatnonzero(np.diff(starts))
        object.__setattr__(self, "starts", starts[pixels_with_pairs])
        object.__setattr__(self, "pixels_with_pairs", pixels_with_pairs)

    def reduce(self, function: np.ufunc, values: Array, empty: float = 0.0) -> Array:
        """Reduce values of pairs by pixel.

        Parameters
        ----------
        function : numpy.ufunc
            The function that reduces the values of a pixel.
        values : array
            Values by pair, shape (k,).
        empty : float
            Value of pixels without pairs.

        Returns
        -------
        array
            Reduced values, shape (size,).
        """
        reduced = np.full(self.size, empty)
        if len(values):
            reduced[self.pixels_with_pairs] = function.reduceat(values, self.starts)
        return reduced

    def sum_by_pixel(self, values: Array) -> Array:
        """Sum values of pairs by pixel.

        Parameters
        ----------
        values : array
            Values by pair, shape (k,).

        Returns
        -------
        array
            The sums, shape (size,).
        """
        return self.reduce(np.add, values)

    def predict(self, norm: Array) -> Array:
        """Return the predicted counts of each pair at the norms of the pixels.

        Parameters
        ----------
        norm : array
            Norm of each pixel, shape (size,).

        Returns
        -------
        array
            Predicted counts, shape (k,).
        """
        return self.background + norm[self.pixel] * self.signal

    def lowest_norms(self) -> Array:
        """Return the lowest norms for which no pair has negative predicted counts.

        Returns
        -------
        array
            The norms, shape (size,); -inf without pairs.
        """
        return self.reduce(np.maximum, -self.background / self.signal, -np.inf)

    def select(self, mask: Mask) -> PixelBinPairs:
        """Return a subset of the pairs.

        Parameters
        ----------
        mask : array of bool
            Mask of the subset, shape (k,).

        Returns
        -------
        PixelBinPairs
            The selected pairs.
        """
        pixel, counts = self.pixel[mask], self.counts[mask]
        return PixelBinPairs(self.size, pixel, counts, self.background[mask], self.signal[mask])

    @classmethod
    def concatenate(cls, pairs_by_dataset: Sequence[PixelBinPairs]) -> PixelBinPairs:
        """Join the pairs of the same pixels in several datasets.

        Parameters
        ----------
        pairs_by_dataset : sequence of PixelBinPairs
            The pairs of each dataset.

        Returns
        -------
        PixelBinPairs
            All pairs, in the order of the pixels.
        """
        if len(pairs_by_dataset) == 1:
            return pairs_by_dataset[0]
        pixel = np.concatenate([pairs.pixel for pairs in pairs_by_dataset])
        order = np.argsort(pixel, kind="stable")
        counts, background, signal = (
            np.concatenate([getattr(pairs, name) for pairs in pairs_by_dataset])[order]
            for name in ("counts", "background", "signal")
        )
        return cls(pairs_by_dataset[0].size, pixel[order], counts, background, signal)


@attrs.frozen(eq=False)
class BinSelection:
    """Selected bins of a layer, sorted by column, to find the bins near a pixel by bisection.

    Parameters
    ----------
    layer : Layer
        The layer.
    bins : array of int
        Flat indices of the selected bins in the layer, shape (m,).
    row, column : array of int
        Row and column of the bins, shape (m,).
    kernel_bins : array of int
        Flat indices of the bins in a kernel around pixel (0, 0), shape (m,).
    """

    layer: Layer
    bins: Integers
    row: Integers
    column: Integers
    kernel_bins: Integers

    @classmethod
    def from_layer(cls, layer: Layer, select: Callable[[Layer], Mask]) -> BinSelection:
        """Select bins in which a source can have predicted counts.

        Parameters
        ----------
        layer : Layer
            The layer.
        select : callable
            Function that returns the mask of the bins to select for a layer, in the shape of its
            counts.

        Returns
        -------
        BinSelection
            The selected bins.
        """
        group, row, column = np.nonzero(select(layer) & (layer.npred_per_norm > 0))
        order = np.argsort(column, kind="stable")
        group, row, column = group[order], row[order], column[order]
        bins = np.ravel_multi_index((group, row, column), layer.counts.shape)
        height, width = layer.kernel_shape
        return cls(layer, bins, row, column, (group * height + row) * width + column)

    def pairs(self, rows: Integers, columns: Integers) -> PixelBinPairs:
        """Return the pairs of pixels and selected bins inside their kernels.

        Parameters
        ----------
        rows, columns : array of int
            Rows, increasing, and columns of the pixels, shape (n,).

        Returns
        -------
        PixelBinPairs
            The pairs for which a source in the pixel predicts counts in the bin.
        """
        height, width = self.layer.kernel_shape
        indices, kernel_bins, bins_per_pixel = [], [], []
        for row in np.unique(rows) if len(rows) else [0]:
            candidates = np.flatnonzero((self.row >= row) & (self.row < row + height))
            row_columns = columns[rows == row]
            sorted_columns = self.column[candidates]
            first, last = (np.searchsorted(sorted_columns, row_columns + end) for end in (0, width))
            n_bins = last - first
            # first[0], ..., last[0] - 1, first[1], ...: indices in the candidates
            positions = np.arange(n_bins.sum()) - np.repeat(np.cumsum(n_bins) - last, n_bins)
            indices.append(candidates[positions])
            offsets = np.repeat(row * width + row_columns, n_bins)
            kernel_bins.append(self.kernel_bins[indices[-1]] - offsets)
            bins_per_pixel.append(n_bins)
        pixel = np.repeat(np.arange(len(rows)), np.concatenate(bins_per_pixel))
        bins = self.bins[np.concatenate(indices)]
        counts, background, signal = self.layer.values(bins, np.concatenate(kernel_bins))
        pairs = PixelBinPairs(len(rows), pixel, counts, background, signal)
        return pairs if signal.all() else pairs.select(signal > 0)


def bins_with_counts(layer: Layer) -> Mask:
    """Return the mask of the bins with counts.

    Parameters
    ----------
    layer : Layer
        The layer.

    Returns
    -------
    array of bool
        The mask, of the shape of the counts.
    """
    return layer.counts > 0


def bins_without_counts(layer: Layer) -> Mask:
    """Return the mask of the bins without counts.

    Parameters
    ----------
    layer : Layer
        The layer.

    Returns
    -------
    array of bool
        The mask, of the shape of the counts.
    """
    return np.equal(layer.counts, 0)


def all_bins(layer: Layer) -> Mask:
    """Return a mask that selects all bins.

    Parameters
    ----------
    layer : Layer
        The layer.

    Returns
    -------
    array of bool
        The mask, of the shape of the counts.
    """
    return np.ones(layer.counts.shape, dtype=bool)
