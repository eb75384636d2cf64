"""Contributions of source models: predicted counts as flux times template, with caches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from skyred.likelihood.bins import Bins
from skyred.likelihood.contribution import Counts, RecentCache
from skyred.likelihood.cutout_grid import CutoutGrid
from skyred.likelihood.parameter_subset import ParameterSubset
from skyred.likelihood.response import DatasetIrfs, Response
from skyred.likelihood.shapes import Shape
from skyred.likelihood.source_cutout import SourceCutout
from skyred.likelihood.source_templates import Mixture, Template
from skyred.likelihood.spectra import SpectralFlux
from skyred.likelihood.timing import TimeFactor

if TYPE_CHECKING:
    from gammapy.modeling.models import SkyModel
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import ParameterSpace, Vector

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]
    Indices = frozenset[int]

MAX_CACHED_COUNTS = 4


class SourceContribution:
    """Contribution of one sky model to one dataset of counts.

    The predicted counts at reconstructed energy e in pixel p are a sum over true energies t:
    ``mu[e, p] = sum_t flux[t] S[t, p] X[t, p] D[t, e]``. Here S is the image of the source,
    convolved with the PSF, X the exposure and D the energy dispersion.

    Parameters
    ----------
    model : gammapy.modeling.models.SkyModel
        The source.
    dataset_irfs : DatasetIrfs
        The IRFs of the dataset.
    bins : Bins
        The bins of the dataset.
    space : ParameterSpace
        The parameters of all models.
    spectrum : SpectralFlux
        The flux of the source in the bins of true energy.
    """

    exact = True

    def __init__(
        self,
        model: SkyModel,
        dataset_irfs: DatasetIrfs,
        bins: Bins,
        space: ParameterSpace,
        spectrum: SpectralFlux,
    ) -> None:
        self.model, self.dataset_irfs = model, dataset_irfs
        self.bins, self.spectrum = bins, spectrum
        self.name = str(model.name)
        self.subset = ParameterSubset.from_model(model.spatial_model, space)
        self.state_indices = space.indices_of(model.parameters)
        self.free = frozenset(self.state_indices.tolist()) & frozenset(space.free.tolist())
        self.time = TimeFactor(model, dataset_irfs.dataset.gti, space)
        # by the values of the source's parameters; the spectrum and the time factor have own caches
        self.counts_cache = RecentCache[bytes, tuple[SourceCutout, Counts]](MAX_CACHED_COUNTS)
        self.cutouts = CutoutGrid(model, dataset_irfs, bins, self.subset)
        self.cutout = self.cutouts.select(self.cutouts.positions.reference)

    @property
    def may_be_non_smooth(self) -> set[int]:
        """The free spatial parameters; none for Gaussian models, since their images are smooth.

        Returns
        -------
        set of int
            Indices in the state.
        """
        from gammapy.modeling.models import GaussianSpatialModel, GeneralizedGaussianSpatialModel

        smooth = type(self.model.spatial_model) in (
            GaussianSpatialModel,
            GeneralizedGaussianSpatialModel,
        )
        return set() if smooth else set(self.subset.free_indices)

    def _select_cutout(self, values: Vector) -> SourceCutout:
        """Set the current cutout to that for values of the spatial parameters, and return it."""
        self.cutout = self.cutouts.select(values)
        return self.cutout

    def refresh(self, state: Vector) -> bool:
        """Look up the IRFs at the position of a state, as gammapy does for newly assigned models.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        bool
            Whether the IRFs were looked up again, since the spatial parameters have changed.
        """
        values = self.subset.values(state)
        if not self.cutouts.move_to(values):
            return False
        self.counts_cache.clear()
        self._select_cutout(values)
        return True

    def clear_caches(self) -> None:
        """Drop all cached values, and all cutouts except that at the reference position."""
        self.counts_cache.clear()
        self.cutouts.clear_caches()
        self._select_cutout(self.cutouts.positions.reference)

    @property
    def contributes(self) -> bool:
        """Whether the source at its last position contributes to the map."""
        return self.cutout.contributes

    @property
    def response(self) -> Response:
        """The IRFs of the current cutout."""
        return self.cutout.response

    @property
    def shape(self) -> Shape:
        """The shape in the current cutout."""
        return self.cutout.shape

    def shape_at(self, state: Vector) -> Shape | None:
        """Return the shape for a state.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        Shape or None
            The shape; None if the source does not contribute to the map, or has no free spatial
            parameters.
        """
        cutout = self._select_cutout(self.subset.values(state))
        return cutout.shape if cutout.contributes and self.subset.free else None

    def _template(self, state: Vector) -> Template | Mixture | None:
        values = self.subset.values(state)
        cutout = self._select_cutout(values)
        return cutout.template(values) if cutout.contributes else None

    def bin_indices(self) -> Index:
        """Return the bins in the current cutout.

        Returns
        -------
        array of int
            Indices among the selected bins, shape (k',).
        """
        return self.cutout.bin_indices

    def flux(self, state: Vector) -> Array:
        """Return the flux, multiplied by the mean of the temporal model if there is one.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        array
            Flux in each bin of true energy in cm-2 s-1, shape (true energies,).
        """
        return self.spectrum(state) * self.time(state)

    def counts(self, state: Vector) -> Counts:
        """Return the predicted counts.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        Counts
            The predicted counts.
        """
        key = state[self.state_indices].tobytes()
        cached = self.counts_cache.get(key)
        if cached is None:
            template = self._template(state)
            counts = Counts(np.zeros(0), 0.0)
            if template is not None:
                counts = template.counts(self.flux(state))
            cached = self.counts_cache.store(key, (self.cutout, counts))
        self.cutout = cached[0]
        return cached[1]

    def slopes(self, state: Vector, indices: Indices) -> Iterator[tuple[int, Counts]]:
        """Yield the derivatives of the predicted counts.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        indices : frozenset of int
            State indices of the parameters to differentiate with respect to.

        Yields
        ------
        int
            Index of a parameter in the state.
        Counts
            The derivatives with respect to this parameter.
        """
        template = self._template(state)
        if template is None:
            return
        for index, flux_slope in self._flux_slopes(state, indices):
            yield index, template.counts(flux_slope)
        flux, values = self.flux(state), self.subset.values(state)
        for index, state_index in self.subset.select_free(indices):
            yield state_index, self.cutout.slope(values, index).counts(flux)

    def gradient(
        self, state: Vector, weights: Array, weight_of_total: float, indices: Indices
    ) -> Iterator[tuple[int, float]]:
        """Yield the derivatives of a weighted sum of the predicted counts.

        The template is summed over the bins only once for all spectral parameters.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        weights : array
            Weights of the counts in the selected bins, shape (k,).
        weight_of_total : float
            Weight of the total counts.
        indices : frozenset of int
            State indices of the parameters to differentiate with respect to.

        Yields
        ------
        int
            Index of a parameter in the state.
        float
            The derivative with respect to this parameter.
        """
        template = self._template(state)
        if template is None:
            return
        cutout_weights = weights[self.bin_indices()]
        sum_by_energy = template.weighted_sum(cutout_weights, weight_of_total)
        for state_index, flux_slope in self._flux_slopes(state, indices):
            yield state_index, float(sum_by_energy @ flux_slope)
        flux, values = self.flux(state), self.subset.values(state)
        for index, state_index in self.subset.select_free(indices):
            yield (
                state_index,
                self.cutout.weighted_slope(values, index, flux, cutout_weights, weight_of_total),
            )

    def _flux_slopes(self, state: Vector, indices: Indices) -> Iterator[tuple[int, Array]]:
        factor = self.time(state)
        for index, slope in self.spectrum.slopes(state):
            if index in indices:
                yield index, slope * factor
        for index, factor_slope in self.time.slopes(state, indices):
            yield index, self.spectrum(state) * factor_slope

    def cube(self, state: Vector) -> Array:
        """Return the predicted counts in every bin.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        array
            Predicted counts, shape (energies, y, x).
        """
        if self._template(state) is None:
            return np.zeros(self.bins.mask.shape)
        image = self.shape.image(self.subset.values(state))
        return self.cutout.footprint.cube(image, self.flux(state))

    def slope_cubes(self, state: Vector, indices: Indices) -> Iterator[tuple[int, Array]]:
        """Yield the derivatives of the predicted counts in every bin, masked or not.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        indices : frozenset of int
            State indices of the parameters to differentiate with respect to.

        Yields
        ------
        int
            Index of a parameter in the state.
        array
            The derivatives with respect to this parameter, shape (energies, y, x).
        """
        if self._template(state) is None:
            return
        values, flux = self.subset.values(state), self.flux(state)
        image = self.shape.image(values)
        for index, flux_slope in self._flux_slopes(state, indices):
            yield index, self.cutout.footprint.cube(image, flux_slope)
        for index, state_index in self.subset.select_free(indices):
            image_slope = self.shape.image_slope(values, index)
            yield state_index, self.cutout.footprint.cube(image_slope, flux)

    def may_be_negative(self, state: Vector) -> bool:
        """Return whether any flux is negative.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        bool
            Whether any flux is negative.
        """
        return bool(np.min(self.flux(state), initial=0) < 0)
