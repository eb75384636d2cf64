"""Terms: what single bins add to the statistics of the pixels whose kernels cover them."""

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
class Terms:
    """Pairs of a pixel and a bin that its kernel covers, in order of the pixels.

    Parameters
    ----------
    size : int
        Number of pixels.
    pixel : array
        The pixel of each pair, shape (k,), rising.
    counts, background, signal : array
        Counts in the bin, those predicted without the source, and those of a source of norm one
        in the pixel; shape (k,).
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
        """Reduce values of pairs by pixel, shape (size,)."""
        reduced = np.full(self.size, empty)
        if len(values):
            reduced[self.present] = function.reduceat(values, self.starts)
        return reduced

    def sums(self, values: Array) -> Array:
        """Sum values of pairs by pixel, shape (size,)."""
        return self.reduce(np.add, values)

    def predicted(self, norm: Array) -> Array:
        """Give the predicted counts of each pair at the norms of the pixels."""
        return self.background + norm[self.pixel] * self.signal

    def floor(self) -> Array:
        """Give the norms below which some bin would have negative counts, shape (size,)."""
        return self.reduce(np.maximum, -self.background / self.signal, -np.inf)

    def pick(self, chosen: Mask) -> Terms:
        """Keep some pairs."""
        pixel, counts = self.pixel[chosen], self.counts[chosen]
        return Terms(self.size, pixel, counts, self.background[chosen], self.signal[chosen])

    @classmethod
    def joined(cls, parts: Sequence[Terms]) -> Terms:
        """Put the terms of the same pixels in several datasets together."""
        if len(parts) == 1:
            return parts[0]
        pixel = np.concatenate([part.pixel for part in parts])
        order = np.argsort(pixel, kind="stable")
        counts, background, signal = (
            np.concatenate([getattr(part, name) for part in parts])[order]
            for name in ("counts", "background", "signal")
        )
        return cls(parts[0].size, pixel[order], counts, background, signal)


@attrs.frozen(eq=False)
class OrderedBins:
    """Some bins of a layer, in order of their columns, so that those near a pixel lie together.

    Parameters
    ----------
    layer : Layer
        The layer.
    at : array of int
        Flat indices of the bins in it, shape (m,).
    row, column, place : array of int
        Their row and column, and their flat index in a kernel at pixel (0, 0), shape (m,).
    """

    layer: Layer
    at: Integers
    row: Integers
    column: Integers
    place: Integers

    @classmethod
    def chosen(cls, layer: Layer, choose: Callable[[Layer], Mask]) -> OrderedBins:
        """Choose bins in which a source can have counts."""
        group, row, column = np.nonzero(choose(layer) & (layer.exposure > 0))
        order = np.argsort(column, kind="stable")
        group, row, column = group[order], row[order], column[order]
        at = np.ravel_multi_index((group, row, column), layer.counts.shape)
        height, width = layer.size
        return cls(layer, at, row, column, (group * height + row) * width + column)

    def around(self, rows: Integers, columns: Integers) -> Terms:
        """Pair pixels, in order of their rows, with the bins that kernels there cover."""
        height, width = self.layer.size
        found, places, numbers = [], [], []
        for row in np.unique(rows) if len(rows) else [0]:
            near = np.flatnonzero((self.row >= row) & (self.row < row + height))
            pixels = columns[rows == row]
            first, last = (np.searchsorted(self.column[near], pixels + end) for end in (0, width))
            number = last - first
            steps = np.arange(number.sum()) - np.repeat(np.cumsum(number) - last, number)
            found.append(near[steps])
            places.append(self.place[found[-1]] - np.repeat(row * width + pixels, number))
            numbers.append(number)
        pixel = np.repeat(np.arange(len(rows)), np.concatenate(numbers))
        at, place = self.at[np.concatenate(found)], np.concatenate(places)
        counts, background, signal = self.layer.values(at, place)
        terms = Terms(len(rows), pixel, counts, background, signal)
        return terms if signal.all() else terms.pick(signal > 0)


def filled(layer: Layer) -> Mask:
    """Choose the bins with counts."""
    return layer.counts > 0


def empty(layer: Layer) -> Mask:
    """Choose the bins without counts."""
    return np.equal(layer.counts, 0)


def every(layer: Layer) -> Mask:
    """Choose all bins."""
    return np.ones(layer.counts.shape, dtype=bool)
