"""Search for the positions of undetected sources by a score test.

A fit that starts far from a source is not sensitive to it: it goes to an amplitude of zero, where
the position has no effect. A score test then finds the pixels where the counts exceed the
prediction in the shape of the PSF: with the score S and the expected information I of an
additional flux, S^2 / I is its significance squared.

References
----------
Rao 1948, Proc. Camb. Phil. Soc. 44, 50.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs
import numpy as np
from scipy.ndimage import maximum_filter

from skyred.likelihood.datasets import CountsDataset
from skyred.likelihood.score_maps import Maps, point_kernels
from skyred.likelihood.source import SourceContribution

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import PixelGrid
    from skyred.likelihood.likelihood import CompiledLikelihood

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

DETECTED = 25.0  # the test statistic above which a source is not moved: 5 sigma
GAIN = 9.0  # in the test statistic, by which another position must be better, all else fixed
CANDIDATES = 3
MOST_OTHERS = 40  # parameters of other models that are fitted again
SINGULAR = 1e-8  # of the largest eigenvalue of the scaled Fisher matrix


@attrs.define(eq=False)
class Relocation:
    """Search for other positions of the sources of a likelihood.

    Parameters
    ----------
    total : CompiledLikelihood
        The compiled likelihood.
    """

    total: CompiledLikelihood

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
            Vectors of all free parameters, the most significant position first; empty if all
            sources are detected.
        """
        norms = {grid: self._norm_position(grid) for grid in grids if len(grid.indices) == 2}
        placed = {grid: norm for grid, norm in norms.items() if norm is not None}
        starts: list[tuple[float, Array]] = []
        for grid, norm in placed.items():
            without = x.copy()
            without[norm] = 0
            significance = self.total.stat(without) - self.total.stat(x)
            if not x[norm] > 0 or significance <= DETECTED:
                starts += self._elsewhere(x, norm, grid, significance)
        if not starts and len(placed) > 1:
            starts = list(self._of_shared(x, placed))
        starts.sort(key=lambda start: -start[0])
        return [start for _, start in starts]

    def _of_shared(self, x: Array, placed: dict[PixelGrid, int]) -> Iterator[tuple[float, Array]]:
        """Return other positions of the least significant source, if an excess remains.

        Two sources may share the counts of one: either seems to be detected as long as the other
        is fixed, but not if the other is fitted again, as in the inverse Fisher matrix.
        """
        score, information = self._maps(x, *next((norm, grid) for grid, norm in placed.items()))
        if score is None:
            return
        excess = float(np.max(_tests(score, information)))
        if excess < DETECTED + GAIN:
            return
        fisher = self.total.fisher(x)
        size = 1 / np.sqrt(np.where(np.diag(fisher) > 0, np.diag(fisher), np.inf))
        inverse = np.linalg.pinv(fisher * np.outer(size, size), rcond=SINGULAR, hermitian=True)
        variances = 2 * np.diag(inverse) * size**2
        missed = {
            grid: x[norm] ** 2 / variances[norm]
            for grid, norm in placed.items()
            if variances[norm] > 0
        }
        if missed and min(missed.values()) < excess - GAIN:
            grid = min(missed, key=lambda candidate: missed[candidate])
            yield from self._elsewhere(x, placed[grid], grid, missed[grid])

    def _elsewhere(
        self, x: Array, norm: int, grid: PixelGrid, significance: float
    ) -> Iterator[tuple[float, Array]]:
        """Yield positions where a source is more significant than at its present position."""
        without = x.copy()
        without[norm] = 0
        score, information = self._maps(without, norm, grid)
        if score is None:
            return
        # a fit without the source leaves its spectrum unconstrained
        first = self.total.initial_state[self.total.space.free]
        scale = abs(first[norm]) or 1.0
        test = _tests(score, information)
        peaks = (test == maximum_filter(test, size=3)) & (test > max(DETECTED, significance + GAIN))
        rows = sorted(zip(*np.nonzero(peaks), strict=True), key=lambda pixel: -test[pixel])
        for row, column in rows[:CANDIDATES]:
            start = without.copy()
            start[grid.related] = first[grid.related]
            start[grid.indices] = grid.to_sky(np.array([column, row], dtype=float), x)
            start[norm] = scale * score[row, column] / information[row, column]
            yield float(test[row, column]), start

    def _sources(self, grid: PixelGrid) -> Iterator[tuple[CountsDataset, SourceContribution]]:
        start = self.total.state(self.total.initial_state[self.total.space.free])
        for dataset in self.total.datasets:
            if not isinstance(dataset, CountsDataset):
                continue
            for contribution in dataset.contributions:
                if (
                    not isinstance(contribution, SourceContribution)
                    or contribution.name != grid.name
                ):
                    continue
                contribution.counts(start)  # with the IRFs of the start: it may have left the map
                if contribution.contributes:
                    yield dataset, contribution

    def _norm_position(self, grid: PixelGrid) -> int | None:
        """Return the position of an amplitude among the free parameters; None if it is fixed."""
        for _, source in self._sources(grid):
            if source.spectrum.norm is None:
                return None
            state_index = source.spectrum.subset.state_indices[source.spectrum.norm]
            positions = np.flatnonzero(self.total.space.free == state_index)
            return int(positions[0]) if len(positions) else None
        return None

    def _maps(self, without: Array, norm: int, grid: PixelGrid) -> tuple[Array | None, Array]:
        """Return score and information of an amplitude in each pixel, shape (y, x) each.

        Only datasets with the same pixels are used; in units of the starting amplitude. The
        information is that with the parameters of the other models fitted again: a neighbour may
        have been fitted to the counts of the source, and leave no excess.
        """
        spectrum = self.total.initial_state[self.total.space.free]
        spectrum[norm] = abs(spectrum[norm]) or 1.0
        others = np.setdiff1d(np.arange(len(without), dtype=np.int64), grid.related)
        others = others if len(others) <= MOST_OTHERS else others[:0]
        state, flux_state = self.total.state(without), self.total.state(spectrum)
        maps: Maps | None = None
        for dataset, source in self._sources(grid):
            kernels = point_kernels(source, flux_state)  # before its cutout changes
            dataset_maps = Maps.of(dataset, state, kernels, self.total.space.free[others])
            if maps is None:
                maps = dataset_maps
            elif maps.score.shape == dataset_maps.score.shape:
                maps = maps + dataset_maps
        return (None, np.zeros((0, 0))) if maps is None else (maps.score, maps.remaining())


def _tests(score: Array, information: Array) -> Array:
    """Return the test statistic of a positive amplitude in each pixel, shape (y, x)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((score > 0) & (information > 0), score**2 / information, 0)
