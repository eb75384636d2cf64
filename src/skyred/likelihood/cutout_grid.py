"""Cutouts of a source, with the IRFs at the nodes of a grid of positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skyred.likelihood.bins import Bins
from skyred.likelihood.contribution import RecentCache
from skyred.likelihood.irf_positions import REFERENCE_NODE, IrfPositions
from skyred.likelihood.parameter_subset import ParameterSubset
from skyred.likelihood.response import DatasetIrfs, suppress_evaluator_warnings
from skyred.likelihood.source_cutout import SourceCutout

if TYPE_CHECKING:
    from gammapy.modeling.models import SkyModel
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MAX_CACHED_CUTOUTS = 9  # a node of the grid of IRF positions and its eight neighbours


class CutoutGrid:
    """Cutouts of a source in one dataset, created when the source first moves to their nodes.

    Parameters
    ----------
    model : gammapy.modeling.models.SkyModel
        The source.
    dataset_irfs : DatasetIrfs
        The IRFs of the dataset.
    bins : Bins
        The bins of the dataset.
    subset : ParameterSubset
        The spatial parameters.

    Attributes
    ----------
    positions : IrfPositions
        The nodes.
    """

    def __init__(
        self, model: SkyModel, dataset_irfs: DatasetIrfs, bins: Bins, subset: ParameterSubset
    ) -> None:
        self.model, self.dataset_irfs, self.bins = model, dataset_irfs, bins
        self.subset = subset
        self.positions = IrfPositions(
            model.spatial_model, subset, dataset_irfs.irfs_follow_source(model)
        )
        self.cutouts = RecentCache[tuple[int, int], SourceCutout](MAX_CACHED_CUTOUTS)
        self.cutouts.store(REFERENCE_NODE, self._create_cutout(REFERENCE_NODE))

    def _create_cutout(self, node: tuple[int, int]) -> SourceCutout:
        self.subset.set(self.positions.values_at(node))
        return SourceCutout(self.model, self.dataset_irfs, self.bins, self.subset)

    def select(self, values: Array) -> SourceCutout:
        """Return the cutout with the IRFs for values of the spatial parameters.

        Parameters
        ----------
        values : array
            Values of the spatial parameters, shape (k,).

        Returns
        -------
        SourceCutout
            The cutout.
        """
        node = self.positions.node(values)
        cutout = self.cutouts.get(node)
        if cutout is None:
            # gammapy warns at the start, but not at every step of a fit
            with suppress_evaluator_warnings():
                cutout = self.cutouts.store(node, self._create_cutout(node))
        return cutout

    def move_to(self, values: Array) -> bool:
        """Set the reference position, and discard all cutouts if it has changed.

        Parameters
        ----------
        values : array
            Values of the spatial parameters, shape (k,).

        Returns
        -------
        bool
            Whether the cutouts were discarded.
        """
        if not self.subset.free or not self.positions.move_to(values):
            return False
        self.cutouts.clear()
        return True

    def clear_caches(self) -> None:
        """Discard all cutouts except that at the reference position, which drops its caches."""
        reference = self.cutouts.get(REFERENCE_NODE)
        self.cutouts.clear()
        if reference is not None:
            reference.clear_caches()
            self.cutouts.store(REFERENCE_NODE, reference)
