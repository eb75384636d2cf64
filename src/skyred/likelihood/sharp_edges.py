"""Sources with sharp edges, for which the likelihood is not differentiable.

gammapy evaluates a spatial model at the centres of pixels, or of oversampled pixels. When a model
with a sharp edge moves, such as a disk or a shell, these points cross the edge one by one. The
statistic is therefore not differentiable, and has many local minima within the errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from skyred.interfaces.objective import SharpEdgedSource
from skyred.likelihood.parameter_subset import ParameterSubset
from skyred.likelihood.parameters import default_step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.likelihood import CompiledLikelihood
    from skyred.likelihood.source import SourceContribution

    Array = NDArray[np.float64]

# images are compared at the positions OFFSET + STEPS * STEP * DIRECTION relative to the source, in
# pixels along longitude and latitude
STEP = 0.03
STEPS = np.arange(-4, 5)
DIRECTION = np.array([0.0, 1.0])
OFFSET = np.array([0.31, 0.17])  # without it, points would cross the edge of a source in pairs
MIN_SHARPNESS = 0.15  # relative second difference: 0.1 for a Gaussian of 0.3 pixels, 0.4 for disks
SLOPE_STEP = 0.1  # pixels: with smaller steps, single points at an edge dominate the derivatives
STEP_FRACTION = 0.3  # of the default step, for eccentricities and angles
ROTATIONS = ("phi",)


def has_sharp_edges(
    image: Callable[[Array], Array], values: Array, axes: Sequence[int], pixel_scales: Array
) -> bool:
    """Return whether an image has sharp edges.

    Parameters
    ----------
    image : callable
        Function from values of the spatial parameters, shape (k,), to the image without the PSF.
    values : array
        Values of the spatial parameters, shape (k,).
    axes : sequence of int
        Indices of longitude and latitude among the spatial parameters.
    pixel_scales : array
        The size of a pixel in the units of longitude and latitude, shape (2,).

    Returns
    -------
    bool
        Whether the second differences of the image between nearby positions are not small compared
        with the first differences.
    """
    images = []
    for step in STEPS:
        shifted_values = values.copy()
        shifted_values[axes] += (OFFSET + step * DIRECTION * STEP) * pixel_scales
        images.append(image(shifted_values))
    first_differences, second_differences = np.diff(images, axis=0), np.diff(images, 2, axis=0)
    return bool(
        np.linalg.norm(second_differences)
        > MIN_SHARPNESS * np.linalg.norm(first_differences[1:] + first_differences[:-1])
    )


def pixel_sizes(subset: ParameterSubset, pixel_scale: float) -> Array:
    """Return the size of a pixel in the unit of each spatial parameter.

    Parameters
    ----------
    subset : ParameterSubset
        The spatial parameters.
    pixel_scale : float
        The size of a pixel in degrees.

    Returns
    -------
    array
        Sizes, shape (k,). For rotations, and for parameters that are not angles, the size is chosen
        such that `SLOPE_STEP` times the size is `STEP_FRACTION` times the default step.
    """
    return np.array(
        [
            pixel_scale / parameter.unit.to("deg")
            if parameter.unit.is_equivalent("deg") and parameter.name not in ROTATIONS
            else default_step(parameter) * STEP_FRACTION / SLOPE_STEP
            for parameter in subset.parameters
        ]
    )


def sharp_edged_sources(likelihood: CompiledLikelihood, x: Array) -> list[SharpEdgedSource]:
    """Return the sources with sharp edges and free spatial parameters.

    Parameters
    ----------
    likelihood : CompiledLikelihood
        The compiled likelihood.
    x : array
        The free parameters, shape (n,).

    Returns
    -------
    list of SharpEdgedSource
        One for each set of free spatial parameters, even if the source is in several datasets.
    """
    unique: dict[tuple[int, ...], SharpEdgedSource] = {}
    for source in _iter_sharp_edged_sources(likelihood, x):
        unique.setdefault(tuple(source.indices.tolist()), source)
    return list(unique.values())


def _iter_sharp_edged_sources(
    likelihood: CompiledLikelihood, x: Array
) -> Iterator[SharpEdgedSource]:
    state = likelihood.state(x)
    index_in_free = {index: i for i, index in enumerate(likelihood.space.free.tolist())}
    for contribution in likelihood.contributions:
        shape = contribution.shape_at(state) if hasattr(contribution, "shape_at") else None
        if shape is None or not shape.has_sharp_edges(contribution.subset.values(state)):
            continue
        free = contribution.subset.free
        sizes = [index for index in free if _is_size(contribution.subset, index)]

        def to_free_indices(
            indices: list[int], contribution: SourceContribution = contribution
        ) -> NDArray[np.int64]:
            return np.array(
                [index_in_free[int(contribution.subset.state_indices[index])] for index in indices],
                int,
            )

        related = [
            index_in_free[index]
            for index in contribution.state_indices.tolist()
            if index in index_in_free
        ]
        yield SharpEdgedSource(
            name=contribution.name,
            indices=to_free_indices(free),
            pixels=shape.pixel_sizes[free],
            sizes=to_free_indices(sizes),
            related=np.unique(related),
        )


def _is_size(subset: ParameterSubset, index: int) -> bool:
    parameter = subset.parameters[index]
    is_angle = parameter.unit.is_equivalent("deg")
    return is_angle and parameter.name not in (*ROTATIONS, "lon_0", "lat_0")
