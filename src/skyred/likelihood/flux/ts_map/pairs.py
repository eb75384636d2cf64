"""Pairs of a pixel and a bin that its kernel covers, with the data of the bin."""

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
    """Pairs of a pixel and a bin that its kernel covers, in order of the pixels.

    Parameters
    ----------
    size : int
        Number of pixels.
    pixel : array of int
        The pixel of each pair, shape (k,), increasing.
    counts : array
        Counts in the bin, shape (k,).
    background : array
        Predicted counts in the bin without the source, shape (k,).
    signal : array
        Predicted counts in the bin of a source of norm one in the pixel, shape (k,).
    """

    size: int
    pixel: Integers
    counts: Array
    background: Array
    signal: Array
    starts: Integers = attrs.field(init=False)
    present: Integers = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        ends = np.searchsorted(self.pixel, np.arange(self.size + 1))
        present = np.flatnonzero(np.diff(ends))
        object.__setattr__(self, "starts", ends[present])
        object.__setattr__(self, "present", present)

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
            reduced[self.present] = function.reduceat(values, self.starts)
        return reduced

    def sums(self, values: Array) -> Array:
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

    def predicted(self, norm: Array) -> Array:
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

    def floor(self) -> Array:
        """Return the lowest norms without negative predicted counts in any bin.

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
            The subset, shape (k,).

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
            All pairs, in order of the pixels.
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
    """Selected bins of a layer, in order of their columns, so that bins near a pixel are adjacent.

    Parameters
    ----------
    layer : Layer
        The layer.
    bins : array of int
        Flat indices of the bins in it, shape (m,).
    row, column : array of int
        Row and column of the bins, shape (m,).
    kernel_bins : array of int
        Flat indices of the bins in a kernel at pixel (0, 0), shape (m,).
    """

    layer: Layer
    bins: Integers
    row: Integers
    column: Integers
    kernel_bins: Integers

    @classmethod
    def from_layer(cls, layer: Layer, select: Callable[[Layer], Mask]) -> BinSelection:
        """Select the bins with exposure to a source.

        Parameters
        ----------
        layer : Layer
            The layer.
        select : callable
            Function that returns for a layer a mask of the shape of its counts.

        Returns
        -------
        BinSelection
            The selected bins.
        """
        group, row, column = np.nonzero(select(layer) & (layer.exposure > 0))
        order = np.argsort(column, kind="stable")
        group, row, column = group[order], row[order], column[order]
        bins = np.ravel_multi_index((group, row, column), layer.counts.shape)
        height, width = layer.size
        return cls(layer, bins, row, column, (group * height + row) * width + column)

    def pairs(self, rows: Integers, columns: Integers) -> PixelBinPairs:
        """Return the pairs of pixels and the selected bins that their kernels cover.

        Parameters
        ----------
        rows, columns : array of int
            Rows, increasing, and columns of the pixels, shape (n,).

        Returns
        -------
        PixelBinPairs
            The pairs with predicted counts of the source.
        """
        height, width = self.layer.size
        indices, kernel_bins, numbers = [], [], []
        for row in np.unique(rows) if len(rows) else [0]:
            candidates = np.flatnonzero((self.row >= row) & (self.row < row + height))
            pixels = columns[rows == row]
            sorted_columns = self.column[candidates]
            first, last = (np.searchsorted(sorted_columns, pixels + end) for end in (0, width))
            number = last - first
            steps = np.arange(number.sum()) - np.repeat(np.cumsum(number) - last, number)
            indices.append(candidates[steps])
            offsets = np.repeat(row * width + pixels, number)
            kernel_bins.append(self.kernel_bins[indices[-1]] - offsets)
            numbers.append(number)
        pixel = np.repeat(np.arange(len(rows)), np.concatenate(numbers))
        bins = self.bins[np.concatenate(indices)]
        counts, background, signal = self.layer.values(bins, np.concatenate(kernel_bins))
        pairs = PixelBinPairs(len(rows), pixel, counts, background, signal)
        return pairs if signal.all() else pairs.select(signal > 0)


def has_counts(layer: Layer) -> Mask:
    """Return whether each bin has counts.

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


def has_no_counts(layer: Layer) -> Mask:
    """Return whether each bin has no counts.

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
