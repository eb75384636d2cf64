"""Search for the positions of undetected sources by a score test.

A fit that starts far from a source is not sensitive to its counts. The amplitude goes to zero,
where the position has no effect. The score test then finds pixels with an excess of counts in the
shape of the PSF. With the score S and the expected information I of an additional flux, S^2 / I is
its significance squared.

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

from skyred.likelihood.counts_dataset import CountsDataset
from skyred.likelihood.score_maps import ScoreMaps, point_kernels
from skyred.likelihood.source import SourceContribution

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import PixelGrid
    from skyred.likelihood.likelihood import CompiledLikelihood

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

DETECTION_TS = 25.0  # sources with a larger TS are detected: 5 sigma
MIN_GAIN = 9.0  # minimum increase of TS at another position
MAX_CANDIDATES = 3
MAX_OTHER_PARAMETERS = 40  # with more parameters of other models, their refit is neglected
RCOND = 1e-8  # of the scaled Fisher matrix: smaller relative eigenvalues are treated as zero


@attrs.define(eq=False)
class Relocation:
    """Search for better positions of sources that are undetected, or coincide with others.

    Parameters
    ----------
    likelihood : CompiledLikelihood
        The compiled likelihood.
    """

    likelihood: CompiledLikelihood

    def __call__(self, x: Array, grids: tuple[PixelGrid, ...]) -> list[Array]:
        """Return vectors in which an undetected or degenerate source is moved to an excess.

        Parameters
        ----------
        x : array
            The free parameters, shape (n,).
        grids : sequence of PixelGrid
            The sources with a free position.

        Returns
        -------
        list of array
            Vectors of all free parameters, the most significant position first; empty if no
            source is undetected or degenerate, or no other position is significantly better.
        """
        all_indices = {grid: self._norm_index(grid) for grid in grids if len(grid.indices) == 2}
        norm_indices = {grid: index for grid, index in all_indices.items() if index is not None}
        starts: list[tuple[float, Array]] = []
        for grid, norm_index in norm_indices.items():
            without_source = x.copy()
            without_source[norm_index] = 0
            ts = self.likelihood.stat(without_source) - self.likelihood.stat(x)
            if not x[norm_index] > 0 or ts <= DETECTION_TS:
                starts += self._better_positions(x, norm_index, grid, ts)
        if not starts and len(norm_indices) > 1:
            starts = list(self._relocate_degenerate_source(x, norm_indices))
        starts.sort(key=lambda start: -start[0])
        return [start for _, start in starts]

    def _relocate_degenerate_source(
        self, x: Array, norm_indices: dict[PixelGrid, int]
    ) -> Iterator[tuple[float, Array]]:
        """Yield TS and vector for other positions of the least significant source.

        Two models may describe the counts of one source, while an excess of counts remains
        elsewhere. Each of the models is significant if the other is fixed, but not if the other is
        refitted, according to the inverse Fisher matrix.
        """
        score, information = self._score_maps(
            x, *next((index, grid) for grid, index in norm_indices.items())
        )
        if score is None:
            return
        excess_ts = float(np.max(_test_statistic(score, information)))
        if excess_ts < DETECTION_TS + MIN_GAIN:
            return
        fisher = self.likelihood.fisher(x)
        scale = 1 / np.sqrt(np.where(np.diag(fisher) > 0, np.diag(fisher), np.inf))
        inverse = np.linalg.pinv(fisher * np.outer(scale, scale), rcond=RCOND, hermitian=True)
        variances = 2 * np.diag(inverse) * scale**2
        ts_by_grid = {
            grid: x[index] ** 2 / variances[index]
            for grid, index in norm_indices.items()
            if variances[index] > 0
        }
        if ts_by_grid and min(ts_by_grid.values()) < excess_ts - MIN_GAIN:
            grid = min(ts_by_grid, key=lambda candidate: ts_by_grid[candidate])
            yield from self._better_positions(x, norm_indices[grid], grid, ts_by_grid[grid])

    def _better_positions(
        self, x: Array, norm_index: int, grid: PixelGrid, current_ts: float
    ) -> Iterator[tuple[float, Array]]:
        """Yield TS and vector for positions at which a source is more significant."""
        without_source = x.copy()
        without_source[norm_index] = 0
        score, information = self._score_maps(without_source, norm_index, grid)
        if score is None:
            return
        # use the initial spectrum: a fit that has lost the source does not constrain it
        initial = self.likelihood.initial_state[self.likelihood.space.free]
        scale = abs(initial[norm_index]) or 1.0
        ts = _test_statistic(score, information)
        is_peak = (ts == maximum_filter(ts, size=3)) & (
            ts > max(DETECTION_TS, current_ts + MIN_GAIN)
        )
        peaks = sorted(zip(*np.nonzero(is_peak), strict=True), key=lambda pixel: -ts[pixel])
        for row, column in peaks[:MAX_CANDIDATES]:
            start = without_source.copy()
            start[grid.related] = initial[grid.related]
            start[grid.indices] = grid.to_sky(np.array([column, row], dtype=float), x)
            start[norm_index] = scale * score[row, column] / information[row, column]
            yield float(ts[row, column]), start

    def _sources(self, grid: PixelGrid) -> Iterator[tuple[CountsDataset, SourceContribution]]:
        start = self.likelihood.state(self.likelihood.initial_state[self.likelihood.space.free])
        for dataset in self.likelihood.datasets:
            if not isinstance(dataset, CountsDataset):
                continue
            for contribution in dataset.contributions:
                if (
                    not isinstance(contribution, SourceContribution)
                    or contribution.name != grid.name
                ):
                    continue
                # select the cutout of the start position: the fit may have moved it off the map
                contribution.counts(start)
                if contribution.contributes:
                    yield dataset, contribution

    def _norm_index(self, grid: PixelGrid) -> int | None:
        """Return the index of the amplitude of a source in the vector; None if there is none."""
        for _, source in self._sources(grid):
            if source.spectrum.norm is None:
                return None
            state_index = source.spectrum.subset.state_indices[source.spectrum.norm]
            indices = np.flatnonzero(self.likelihood.space.free == state_index)
            return int(indices[0]) if len(indices) else None
        return None

    def _score_maps(self, x: Array, norm_index: int, grid: PixelGrid) -> tuple[Array | None, Array]:
        """Return score and information of the amplitude of a source in each pixel.

        Both have the shape (y, x), and are derivatives with respect to the amplitude in units of
        its starting value. The score is None if the source contributes to no dataset. Datasets with
        a map shape that differs from that of the first are ignored. The information accounts for a
        refit of the other models, since a neighbouring source may have been fitted to the counts of
        this source.
        """
        start_values = self.likelihood.initial_state[self.likelihood.space.free]
        start_values[norm_index] = abs(start_values[norm_index]) or 1.0
        others = np.setdiff1d(np.arange(len(x), dtype=np.int64), grid.related)
        others = others if len(others) <= MAX_OTHER_PARAMETERS else others[:0]
        state, start_state = self.likelihood.state(x), self.likelihood.state(start_values)
        maps: ScoreMaps | None = None
        for dataset, source in self._sources(grid):
            kernels = point_kernels(source, start_state)  # before the next call changes its cutout
            dataset_maps = ScoreMaps.from_dataset(
                dataset, state, kernels, self.likelihood.space.free[others]
            )
            if maps is None:
                maps = dataset_maps
            elif maps.score.shape == dataset_maps.score.shape:
                maps = maps + dataset_maps
        return (
            (None, np.zeros((0, 0))) if maps is None else (maps.score, maps.profiled_information())
        )


def _test_statistic(score: Array, information: Array) -> Array:
    """Return the test statistic of a positive amplitude in each pixel, shape (y, x)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((score > 0) & (information > 0), score**2 / information, 0)
