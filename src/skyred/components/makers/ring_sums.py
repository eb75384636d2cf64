"""Sums over rings, as arrays: off counts and off acceptance of each pixel."""

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
    """Off counts and off acceptance of each pixel, and the pixels that have them.

    Parameters
    ----------
    counts : numpy.ndarray
        Off counts, shape (height, width).
    acceptance : numpy.ndarray
        Sum of the background template over the ring, same shape; 0 if the ring has none.
    valid : numpy.ndarray of bool
        Whether the ring has background, and enough of it if one of several rings is selected; same
        shape.
    """

    counts: Image
    acceptance: Image
    valid: Mask


def sum_around(counts: Image, background: Image, mask: Mask, kernel: Image) -> OffMaps:
    """Sum counts and background within a mask over a kernel around each pixel.

    Parameters
    ----------
    counts : numpy.ndarray
        Counts, shape (height, width).
    background : numpy.ndarray
        Background template, same shape.
    mask : numpy.ndarray of bool
        The pixels that are summed, same shape.
    kernel : numpy.ndarray
        Positive for the pixels of the sum; may be larger than the images.

    Returns
    -------
    OffMaps
        The sums, same shape.
    """
    footprint = (kernel > 0).astype(float)
    pixel_counts = np.rint(_convolve(mask, footprint))
    counts_off = np.round(_convolve(counts * mask, footprint), 6)
    acceptance = _convolve(background * mask, footprint)
    # sums by Fourier transform have rounding errors, so the sum over an empty ring may not be 0
    has_background = (pixel_counts > 0) & (acceptance > 1e-12 * np.max(acceptance, initial=0))
    return OffMaps(
        np.where(has_background, counts_off, 0),
        np.where(has_background, acceptance, 0),
        has_background,
    )


def select_first_sufficient_ring(
    rings: Iterable[OffMaps], own_background: Image, max_alpha: float
) -> OffMaps:
    """Select the first ring of each pixel with enough acceptance.

    Parameters
    ----------
    rings : iterable of OffMaps
        The sums over rings, from the smallest ring to the largest.
    own_background : numpy.ndarray
        The background within a disc around each pixel, shape (height, width).
    max_alpha : float
        The largest ratio of `own_background` to the acceptance of the ring.

    Returns
    -------
    OffMaps
        The sums over the selected rings, same shape. Pixels without a sufficient ring are
        not valid.
    """
    counts, acceptance = np.zeros_like(own_background), np.zeros_like(own_background)
    valid = np.zeros(own_background.shape, dtype=bool)
    for ring in rings:
        newly_valid = ~valid & ring.valid & (own_background <= max_alpha * ring.acceptance)
        counts[newly_valid], acceptance[newly_valid] = (
            ring.counts[newly_valid],
            ring.acceptance[newly_valid],
        )
        valid |= newly_valid
        if valid.all():
            break
    return OffMaps(counts, acceptance, valid)


def _convolve(image: Any, kernel: Image) -> Image:
    """Convolve an image with a kernel by Fourier transform.

    Parameters
    ----------
    image : numpy.ndarray
        The image, shape (height, width).
    kernel : numpy.ndarray
        The kernel; may be larger than the image.

    Returns
    -------
    numpy.ndarray
        The convolved image, shape (height, width).
    """
    from scipy.signal import fftconvolve

    return np.asarray(fftconvolve(np.asarray(image, dtype=float), kernel, mode="same"))
