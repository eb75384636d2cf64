"""All pixels of a map, in blocks: what is wanted of each norm, as maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.flux.ts_map.layers import Layer
from skyred.likelihood.flux.ts_map.solve import (
    Norms,
    falls,
    rises,
    roots,
    sensitivities,
)
from skyred.likelihood.flux.ts_map.terms import OrderedBins, Terms, empty, every, filled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Mask = NDArray[np.bool_]

PAIRS = 300_000  # of a pixel and a bin that are looked at together: bounds the memory


@attrs.frozen
class Wanted:
    """What is wanted beside the norm, its error and its significance.

    Parameters
    ----------
    n_sigma : float
        Width of the errors.
    errors : bool
        Asymmetric errors.
    limit, sensitivity : float, optional
        Upper limits and sensitivities, at some sigma.
    """

    n_sigma: float = 1.0
    errors: bool = False
    limit: float | None = None
    sensitivity: float | None = None


@attrs.define(eq=False)
class NormMaps:
    """Maps of the norm, shape (ny, nx) each; NaN where nothing is known.

    The columns are those of gammapy's `FluxMaps` of the same names.
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


def norm_maps(layers: Sequence[Layer], mask: Mask, wanted: Wanted) -> NormMaps:
    """Fit the norm of a source in each pixel, the rest held: Cash statistic, datasets joint.

    Parameters
    ----------
    layers : sequence of Layer
        The datasets, on one pixel grid.
    mask : array of bool
        Where to, shape (ny, nx).
    wanted : Wanted
        What else is asked for.
    """
    null = np.sum([layer.stat_null() for layer in layers], axis=0)
    background = np.sum([layer.inside(layer.background) for layer in layers], axis=0)
    solver = Solver(layers, mask, wanted)
    blocks = [solver.solve(*pixels) for pixels in _blocks(mask, solver.bins)]
    found = {
        name: _onto(mask, [getattr(block, name) for block in blocks])
        for name in attrs.fields_dict(PixelResults)
        if getattr(blocks[0], name) is not None
    }
    success = np.nan_to_num(found.pop("success")).astype(bool)
    return NormMaps(
        **found,
        npred=background + found["npred_excess"],
        stat=null - found["ts"],
        stat_null=np.where(mask, null, np.nan),
        success=success,
    )


@attrs.frozen(eq=False)
class PixelResults:
    """What is found for the pixels of one block."""

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


class Solver:
    """Solves blocks of pixels.

    Parameters
    ----------
    layers, mask, wanted
        As for `norm_maps`.
    """

    def __init__(self, layers: Sequence[Layer], mask: Mask, wanted: Wanted) -> None:
        self.wanted = wanted
        self.signal = np.sum([layer.signal() for layer in layers], axis=0)
        self.floor = np.max([layer.floor(mask) for layer in layers], axis=0)
        self.filled, self.empty, self.every = (
            [OrderedBins.chosen(layer, choose) for layer in layers]
            for choose in (filled, empty, every)
        )
        self.bins = sum(layer.bins for layer in layers)
        if not wanted.errors and wanted.sensitivity is None:  # bins with counts are enough
            self.bins = int(np.sum([layer.inside(filled(layer)) for layer in layers], axis=0).max())

    def solve(self, rows: Integers, columns: Integers) -> PixelResults:
        """Solve pixels, in order of their rows."""
        wanted, signal = self.wanted, self.signal[rows, columns]
        pairs = _around(self.filled, rows, columns)
        found = roots(pairs, signal)
        best = Norms.at(found, self.floor[rows, columns], pairs, signal)
        errn = errp = limit = sensitivity = None
        if wanted.errors:
            errp = rises(pairs, signal, best, wanted.n_sigma)
            below = _around(self.empty, rows, columns)
            below = below.pick(below.predicted(best.pole) < 0)
            errn = falls(pairs, below, signal, best, wanted.n_sigma)
        if wanted.limit is not None:
            limit = best.value + rises(pairs, signal, best, wanted.limit)
        if wanted.sensitivity is not None:
            every = _around(self.every, rows, columns)
            sensitivity = sensitivities(every, signal, wanted.sensitivity)
        lit = signal > 0  # elsewhere the source has no counts: there is no norm, and no gain
        return PixelResults(
            np.where(lit, best.ts, 0),
            best.value,
            found.niter.astype(float),
            best.error * wanted.n_sigma,
            np.where(lit, best.value * signal, 0),
            (found.success & lit).astype(float),
            errn,
            errp,
            limit,
            sensitivity,
        )


def _around(bins: Sequence[OrderedBins], rows: Integers, columns: Integers) -> Terms:
    return Terms.joined([each.around(rows, columns) for each in bins])


def _blocks(mask: Mask, bins: int) -> Iterator[tuple[Integers, Integers]]:
    """Divide the pixels, in order of their rows, such that each has as many pairs as fit."""
    rows, columns = np.nonzero(mask)
    step = max(1, PAIRS // max(1, bins))
    for first in range(0, max(1, len(rows)), step):
        part = slice(first, first + step)
        yield rows[part], columns[part]


def _onto(mask: Mask, parts: list[Array]) -> Array:
    plane = np.full(mask.shape, np.nan)
    plane[mask] = np.concatenate(parts)
    return plane
