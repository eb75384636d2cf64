"""Sums over rings: off counts and off acceptance of each pixel, on plain arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]


@attrs.frozen(eq=False)
class OffMaps:
    """Off counts and off acceptance of each pixel, and where there is anything to take them from.

    Parameters
    ----------
    counts : array
        Off counts, shape (height, width).
    acceptance : array
        Background of the template in the same pixels; 0 where nothing is found.
    found : array of bool
        Where the ring holds background.
    """

    counts: Image
    acceptance: Image
    found: Mask


def add_around(counts: Image, background: Image, inside: Mask, kernel: Image) -> OffMaps:
    """Sum what is inside a mask over a kernel around each pixel.

    Parameters
    ----------
    counts, background : array
        Images of shape (height, width).
    inside : array of bool
        Pixels that are summed, same shape.
    kernel : array
        Positive where a pixel is part of the sum; may be larger than the images.
    """
    shape = (kernel > 0).astype(float)
    pixels = np.rint(_sum(inside, shape))
    off, acceptance = _sum(counts * inside, shape), _sum(background * inside, shape)
    # sums by Fourier transform are off by rounding: gammapy finds a little where nothing is
    found = (pixels > 0) & (acceptance > 1e-12 * np.max(acceptance, initial=0))
    return OffMaps(np.where(found, np.round(off, 6), 0), np.where(found, acceptance, 0), found)


def first_enough(rings: Iterable[OffMaps], near: Image, largest_alpha: float) -> OffMaps:
    """Take for each pixel the first ring whose acceptance is large beside that near the pixel."""
    counts, acceptance = np.zeros_like(near), np.zeros_like(near)
    found = np.zeros(near.shape, dtype=bool)
    for ring in rings:
        new = ~found & ring.found & (near <= largest_alpha * ring.acceptance)
        counts[new], acceptance[new] = ring.counts[new], ring.acceptance[new]
        found |= new
        if found.all():
            break
    return OffMaps(counts, acceptance, found)


def _sum(image: Any, kernel: Image) -> Image:
    from scipy.signal import fftconvolve

    return np.asarray(fftconvolve(np.asarray(image, dtype=float), kernel, mode="same"))
