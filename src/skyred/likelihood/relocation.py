"""Relocation: where on the map a source that is not detected would be.

A fit that starts far from the source sees nothing of it: it goes to an amplitude of zero, where the
position has no effect. A score test then finds the pixels where the counts exceed the prediction in
the shape of the PSF (Rao 1948, Proc. Camb. Phil. Soc. 44, 50): with the score S and the expected
information I of an additional flux, S^2 / I is its significance squared.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs
import numpy as np
from scipy.ndimage import maximum_filter
from scipy.signal import fftconvolve

from skyred.likelihood.datasets import CountsDataset
from skyred.likelihood.source import Source
from skyred.likelihood.statistics import Cash, WStat

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.total import Total
    from skyred.objective import PixelGrid

    Array = NDArray[np.float64]

DETECTED = 25.0  # the test statistic from which a source stays where it is: 5 sigma
GAIN = 9.0  # in the test statistic, by which another place must be better, all else fixed
CANDIDATES = 3
SMALLEST = 1e-12  # predicted counts, below which a bin carries no information


@attrs.define(eq=False)
class Relocation:
    """Finds other places for the sources of a likelihood.

    Parameters
    ----------
    total : Total
        The compiled likelihood.
    """

    total: Total

    def __call__(self, x: Array, grids: tuple[PixelGrid, ...]) -> list[Array]:
        """Return vectors with an undetected source moved to where counts are in excess.

        Parameters
        ----------
        x : array
            The free parameters, shape (n,).
        grids : sequence of PixelGrid
            The sources with a free position.

        Returns
        -------
        list of array
            Vectors of all free parameters, the most significant place first; empty if all sources
            are detected.
        """
        starts: list[tuple[float, Array]] = []
        for grid in grids:
            if len(grid.places) == 2:
                starts += self._of_source(x, grid)
        starts.sort(key=lambda start: -start[0])
        return [start for _, start in starts]

    def _of_source(self, x: Array, grid: PixelGrid) -> Iterator[tuple[float, Array]]:
        norm = self._norm_place(grid)
        if norm is None:
            return
        without = x.copy()
        without[norm] = 0
        significance = self.total.stat(without) - self.total.stat(x)
        if x[norm] > 0 and significance > DETECTED:
            return
        # a fit without the source leaves its spectrum anywhere
        first = self.total.frozen[self.total.space.free]
        scale = abs(first[norm]) or 1.0
        score, information = self._maps(without, first, norm, scale, grid)
        if score is None:
            return
        with np.errstate(divide="ignore", invalid="ignore"):
            test = np.where((score > 0) & (information > 0), score**2 / information, 0)
        peaks = (test == maximum_filter(test, size=3)) & (test > max(DETECTED, significance + GAIN))
        rows = sorted(zip(*np.nonzero(peaks), strict=True), key=lambda pixel: -test[pixel])
        for row, column in rows[:CANDIDATES]:
            start = without.copy()
            start[grid.related] = first[grid.related]
            start[grid.places] = grid.to_sky(np.array([column, row], dtype=float), x)
            start[norm] = scale * score[row, column] / information[row, column]
            yield float(test[row, column]), start

    def _sources(self, grid: PixelGrid) -> Iterator[tuple[CountsDataset, Source]]:
        start = self.total.state(self.total.frozen[self.total.space.free])
        for dataset in self.total.datasets:
            if not isinstance(dataset, CountsDataset):
                continue
            for part in dataset.parts:
                if not isinstance(part, Source) or part.name != grid.name:
                    continue
                part.counts(start)  # with the IRFs of the start: it may have left the map since
                if part.contributes:
                    yield dataset, part

    def _norm_place(self, grid: PixelGrid) -> int | None:
        """Return where the amplitude of a source is in the vector; None if it is not free."""
        for _, source in self._sources(grid):
            if source.spectrum.norm is None:
                return None
            place = source.spectrum.share.places[source.spectrum.norm]
            index = np.flatnonzero(self.total.space.free == place)
            return int(index[0]) if len(index) else None
        return None

    def _maps(
        self, without: Array, first: Array, norm: int, scale: float, grid: PixelGrid
    ) -> tuple[Array | None, Array]:
        """Return score and information of an amplitude in each pixel, shape (y, x) each.

        Of the datasets with the same pixels; in units of the starting amplitude.
        """
        spectrum = first.copy()
        spectrum[norm] = scale
        state, flux_state = self.total.state(without), self.total.state(spectrum)
        score, information = None, np.zeros((0, 0))
        for dataset, source in self._sources(grid):
            kernels = _kernels(source, flux_state)  # before its cutout is another
            first_order, second_order = _weights(dataset, state)
            parts = [
                sum(
                    fftconvolve(plane, kernel[::-1, ::-1], mode="same")
                    for plane, kernel in zip(weights, shapes, strict=True)
                )
                for weights, shapes in ((first_order, kernels), (second_order, kernels**2))
            ]
            if score is None:
                score, information = parts
            elif score.shape == parts[0].shape:
                score, information = score + parts[0], information + parts[1]
        return score, information


def _weights(dataset: CountsDataset, state: Array) -> tuple[Array, Array]:
    """Return the derivatives of the log likelihood by the predicted counts, in every bin.

    The second with the expected counts in the place of the counts, and positive.
    """
    shape, mask = dataset.bins.mask.shape, dataset.bins.mask
    if isinstance(dataset.statistic, WStat):
        slopes = dataset.statistic.derivatives(dataset.predict(state)[0])
        both = np.zeros((2, mask.size))
        both[:, dataset.bins.chosen] = -slopes.first / 2, np.maximum(slopes.second / 2, 0)
        return both[0].reshape(shape), both[1].reshape(shape)
    if not isinstance(dataset.statistic, Cash):
        return np.zeros(shape), np.zeros(shape)
    predicted = dataset.npred(state)
    known = mask & (predicted > SMALLEST)
    inverse = np.where(known, 1 / np.where(known, predicted, 1), 0)
    return np.where(known, dataset.counts * inverse - 1, 0), inverse


def _kernels(source: Source, state: Array) -> Array:
    """Return the counts of a point in each energy bin, around the middle, shape (energies, k, k).

    The exposure is taken to be the mean of the cutout.
    """
    response = source.response
    exposure = response.exposure.mean(axis=(1, 2))
    kernel = np.ones((len(exposure), 1, 1)) if response.kernel is None else response.kernel
    by_energy = response.migration * (source.flux(state) * exposure)[:, None]
    return np.tensordot(by_energy, kernel.astype(float), axes=(0, 0))
