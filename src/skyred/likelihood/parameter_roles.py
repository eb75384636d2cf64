"""Roles of the free parameters in a likelihood: norms, costly parameters, independent blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skyred.likelihood.point_shape import PointShape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.likelihood import CompiledLikelihood

    Index = NDArray[np.int64]
    Mask = NDArray[np.bool_]


def costly_parameters(likelihood: CompiledLikelihood) -> Mask:
    """Return a mask of the spatial parameters of sources that are not points.

    Parameters
    ----------
    likelihood : CompiledLikelihood
        The compiled likelihood, with n free parameters.

    Returns
    -------
    array of bool
        The mask, shape (n,).
    """
    return likelihood.space.free_mask(
        index
        for contribution in likelihood.contributions
        if hasattr(contribution, "cutout") and contribution.contributes
        if not isinstance(contribution.shape, PointShape)
        for index in contribution.subset.free_indices
    )


def norm_parameters(likelihood: CompiledLikelihood) -> Mask:
    """Return a mask of the norms and amplitudes of sources.

    Parameters
    ----------
    likelihood : CompiledLikelihood
        The compiled likelihood, with n free parameters.

    Returns
    -------
    array of bool
        The mask, shape (n,).
    """
    spectra = [
        contribution.spectrum
        for contribution in likelihood.contributions
        if hasattr(contribution, "spectrum")
    ]
    return likelihood.space.free_mask(
        int(spectrum.subset.state_indices[spectrum.norm])
        for spectrum in spectra
        if spectrum.norm is not None
    )


def independent_blocks(likelihood: CompiledLikelihood) -> list[Index]:
    """Return groups of free parameters; no model contribution depends on more than one group.

    Parameters
    ----------
    likelihood : CompiledLikelihood
        The compiled likelihood.

    Returns
    -------
    list of array of int
        Sorted indices in the vector of free parameters, for each group. The list is empty if a free
        parameter does not belong to any contribution.
    """
    positions = {index: position for position, index in enumerate(likelihood.space.free.tolist())}
    blocks: list[set[int]] = []
    for contribution in likelihood.contributions:
        group = set(contribution.free)
        disjoint = [block for block in blocks if block.isdisjoint(group)]
        overlapping = [block for block in blocks if not block.isdisjoint(group)]
        blocks = [*disjoint, group.union(*overlapping)]
    sorted_blocks = [
        np.array(sorted(positions[index] for index in block)) for block in blocks if block
    ]
    is_complete = sum(map(len, sorted_blocks)) == len(positions)
    return sorted(sorted_blocks, key=lambda block: int(block[0])) if is_complete else []
