"""Sharp edges: sources whose image changes unevenly when they move by a part of a pixel.

gammapy evaluates a spatial model at the centres of pixels, or of divided pixels. Where the model
has a sharp edge, such as a disk or a shell, these points pass the edge one after the other, and
the statistic has kinks and many minima within the errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from skyred.interfaces.objective import SharpSource
from skyred.likelihood.parameters import Share, usual_step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.likelihood import Total
    from skyred.likelihood.source import SourceContribution

    Array = NDArray[np.float64]

STEP = 0.03  # pixels, between the positions at which images are compared
STEPS = np.arange(-4, 5)
ALONG = np.array([0.0, 1.0])
ASIDE = np.array([0.31, 0.17])  # pixels: centred on a pixel, points pass an edge in pairs
UNEVEN = 0.15  # of the changes, by which they vary: 0.1 for a Gaussian of 0.3 pixels, disks 0.4
SLOPE_STEP = 0.1  # pixels: derivatives over less are of single points that pass an edge
PART_OF_STEP = 0.3  # the same for eccentricities and angles, of their usual step
ROTATIONS = ("phi",)


def changes_unevenly(
    image: Callable[[Array], Array], values: Array, axes: Sequence[int], pixels: Array
) -> bool:
    """Return whether an image has sharp edges.

    Parameters
    ----------
    image : callable
        From values of the spatial parameters, shape (k,), to the image before the PSF.
    values : array
        Of the spatial parameters, shape (k,).
    axes : sequence of int
        Which of them are the position.
    pixels : array
        The size of a pixel in the unit of each of the two, shape (2,).

    Returns
    -------
    bool
        Whether the second differences of the image between nearby positions are not small beside
        the first.
    """
    images = []
    for step in STEPS:
        moved = values.copy()
        moved[axes] += (ASIDE + step * ALONG * STEP) * pixels
        images.append(image(moved))
    rises, bends = np.diff(images, axis=0), np.diff(images, 2, axis=0)
    return bool(np.linalg.norm(bends) > UNEVEN * np.linalg.norm(rises[1:] + rises[:-1]))


def pixels_of(share: Share, pixel: float) -> Array:
    """Return the size of a pixel in the unit of each spatial parameter, shape (k,).

    Parameters
    ----------
    share : Share
        The spatial parameters.
    pixel : float
        The size of a pixel in degrees.

    Returns
    -------
    array
        For parameters that are no angles, and for rotations, their usual step.
    """
    return np.array(
        [
            pixel / each.unit.to("deg")
            if each.unit.is_equivalent("deg") and each.name not in ROTATIONS
            else usual_step(each) * PART_OF_STEP / SLOPE_STEP
            for each in share.parameters
        ]
    )


def sharp_sources(total: Total, x: Array) -> list[SharpSource]:
    """Return the sources with sharp edges and free spatial parameters.

    Parameters
    ----------
    total : Total
        The compiled likelihood.
    x : array
        The free parameters, shape (n,).

    Returns
    -------
    list of SharpSource
        One for each set of spatial parameters, however many datasets the source is in.
    """
    found: dict[tuple[int, ...], SharpSource] = {}
    for source in _sources(total, x):
        found.setdefault(tuple(source.places.tolist()), source)
    return list(found.values())


def _sources(total: Total, x: Array) -> Iterator[SharpSource]:
    state = total.state(x)
    vector = {place: index for index, place in enumerate(total.space.free.tolist())}
    for dataset in total.datasets:
        for part in getattr(dataset, "parts", ()):
            shape = part.shape_at(state) if hasattr(part, "shape_at") else None
            if shape is None or not shape.is_sharp(part.share.values(state)):
                continue
            free, sizes = part.share.free, [i for i in part.share.free if _is_size(part.share, i)]

            def at(indices: list[int], part: SourceContribution = part) -> NDArray[np.int64]:
                return np.array([vector[int(part.share.places[index])] for index in indices], int)

            related = [vector[place] for place in part.own.tolist() if place in vector]
            yield SharpSource(
                name=part.name,
                places=at(free),
                pixels=shape.pixels[free],
                sizes=at(sizes),
                related=np.unique(related),
            )


def _is_size(share: Share, index: int) -> bool:
    each = share.parameters[index]
    return each.unit.is_equivalent("deg") and each.name not in (*ROTATIONS, "lon_0", "lat_0")
