"""A source in a dataset: flux by energy times template, each kept until its parameters change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np

from skyred.likelihood.bins import Bins, Footprint, Mixture, Template
from skyred.likelihood.contribution import Counts, Recent
from skyred.likelihood.irf_positions import IrfPositions
from skyred.likelihood.parameters import Share
from skyred.likelihood.response import Instrument, Response, quiet_evaluator
from skyred.likelihood.shapes import Shape
from skyred.likelihood.source_cutout import SourceCutout
from skyred.likelihood.spectra import SpectralFlux
from skyred.likelihood.timing import TimeFactor

if TYPE_CHECKING:
    from gammapy.datasets.evaluator import MapEvaluator
    from gammapy.modeling.models import SkyModel
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import ParameterSpace, Vector

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]
    Places = frozenset[int]

STATES_KEPT = 4
CUTOUTS_KEPT = 9  # a search fits sources in the eight pixels around


class SourceContribution:
    """One sky model in one dataset of counts.

    Its predicted counts in a bin of reconstructed energy e and pixel p are
    ``mu[e, p] = sum_t flux[t] S[t, p] X[t, p] D[t, e]`` over true energies t: S is its image after
    the PSF, X the exposure and D the energy dispersion.

    Parameters
    ----------
    model : gammapy.modeling.models.SkyModel
        The source.
    instrument : Instrument
        The responses of the dataset.
    bins : Bins
        Its bins.
    space : ParameterSpace
        Where the parameters are found.
    spectrum : SpectralFlux
        The flux of the source in the bins of true energy.
    """

    exact = True

    def __init__(
        self,
        model: SkyModel,
        instrument: Instrument,
        bins: Bins,
        space: ParameterSpace,
        spectrum: SpectralFlux,
    ) -> None:
        self.model, self.instrument, self.bins, self.spectrum = model, instrument, bins, spectrum
        self.name = str(model.name)
        self.share = Share.of(model.spatial_model, space)
        self.own = space.places(model.parameters)
        self.free = frozenset(self.own.tolist()) & frozenset(space.free.tolist())
        self.time = TimeFactor(model, instrument.dataset.gti, space)
        # counts by all values; spectrum and time factor keep their last by their own
        self.states = Recent[bytes, tuple[SourceCutout, Counts]](STATES_KEPT)
        self.cutouts = Recent[tuple[int, int], SourceCutout](CUTOUTS_KEPT)
        self.positions = IrfPositions(model.spatial_model, self.share, instrument.moves(model))
        self.cutout = self._select(self.positions.reference)

    @property
    def may_be_non_smooth(self) -> set[int]:
        """Its spatial parameters, but of shapes without edges: pixels are what makes kinks."""
        from gammapy.modeling.models import GaussianSpatialModel, GeneralizedGaussianSpatialModel

        smooth = type(self.model.spatial_model) in (
            GaussianSpatialModel,
            GeneralizedGaussianSpatialModel,
        )
        return set() if smooth else {int(self.share.places[each]) for each in self.share.free}

    # -- IRFs -----------------------------------------------------------------------------------

    def _select(self, values: Vector) -> SourceCutout:
        """Make the cutout for values of the spatial parameters the present one."""
        node = self.positions.node(values)
        known = self.cutouts.get(node)
        if known is None:
            self.share.set(self.positions.values_at(node))
            # where a search goes on its way is no news: gammapy warns of the start alone
            with quiet_evaluator() if hasattr(self, "cutout") else nullcontext():
                cutout = SourceCutout(self.model, self.instrument, self.bins, self.share)
            known = self.cutouts.keep(node, cutout)
        self.cutout = known
        return known

    def refresh(self, state: Vector) -> bool:
        """Look the IRFs up at the values in a state, as gammapy does for newly assigned models.

        Returns
        -------
        bool
            Whether the values are others than at the last look-up.
        """
        values = self.share.values(state)
        if not self.share.free or not self.positions.move_to(values):
            return False
        self.cutouts.clear()
        self.states.clear()
        self._select(values)
        return True

    @property
    def contributes(self) -> bool:
        """Whether the source reaches the map from where it was evaluated last."""
        return self.cutout.contributes

    @property
    def evaluator(self) -> MapEvaluator:
        """gammapy's evaluator of the present cutout."""
        return self.cutout.evaluator

    @property
    def response(self) -> Response:
        """The response of the present cutout."""
        return self.cutout.response

    @property
    def footprint(self) -> Footprint:
        """The footprint of the present cutout."""
        return self.cutout.footprint

    @property
    def shape(self) -> Shape:
        """The shape in the present cutout."""
        return self.cutout.shape

    def shape_at(self, state: Vector) -> Shape | None:
        """Return the shape for a state, if it has free parameters; None of what is not reached."""
        cutout = self._select(self.share.values(state))
        return cutout.shape if cutout.contributes and self.share.free else None

    # -- predicted counts -----------------------------------------------------------------------

    def _template(self, state: Vector) -> Template | Mixture | None:
        values = self.share.values(state)
        cutout = self._select(values)
        return cutout.template(values) if cutout.contributes else None

    def rows(self) -> Index:
        """Return which of the chosen bins lie in the present cutout."""
        return self.cutout.rows

    def flux(self, state: Vector) -> Array:
        """Give the flux in each bin of true energy, with the factor of a temporal model."""
        return self.spectrum(state) * self.time(state)

    def counts(self, state: Vector) -> Counts:
        """Return the predicted counts."""
        key = state[self.own].tobytes()
        known = self.states.get(key)
        if known is None:
            template = self._template(state)
            counts = Counts(np.zeros(0), 0.0)
            if template is not None:
                counts = template.times(self.flux(state))
            known = self.states.keep(key, (self.cutout, counts))
        self.cutout = known[0]
        return known[1]

    def slopes(self, state: Vector, wanted: Places) -> Iterator[tuple[int, Counts]]:
        """Return the derivatives by the wanted parameters."""
        template = self._template(state)
        if template is None:
            return
        for place, slope in self._flux_slopes(state, wanted):
            yield place, template.times(slope)
        flux = self.flux(state)
        for place, slope_of_template in self._template_slopes(state, wanted):
            yield place, slope_of_template.times(flux)

    def gradient(
        self, state: Vector, weights: Array, weight: float, wanted: Places
    ) -> Iterator[tuple[int, float]]:
        """Give the weighted sums of the derivatives: first over bins, once for all spectra."""
        template = self._template(state)
        if template is None:
            return
        own = weights[self.rows()]
        by_flux = template.weighted(own, weight)
        for place, slope in self._flux_slopes(state, wanted):
            yield place, float(by_flux @ slope)
        flux, values = self.flux(state), self.share.values(state)
        for index in self.share.free:
            if int(self.share.places[index]) in wanted:
                slope_of_sum = self.cutout.weighted_slope(values, index, flux, own, weight)
                yield int(self.share.places[index]), slope_of_sum

    def _flux_slopes(self, state: Vector, wanted: Places) -> Iterator[tuple[int, Array]]:
        factor = self.time(state)
        for place, slope in self.spectrum.slopes(state):
            if place in wanted:
                yield place, slope * factor
        for place, change in self.time.slopes(state, wanted):
            yield place, self.spectrum(state) * change

    def _template_slopes(
        self, state: Vector, wanted: Places
    ) -> Iterator[tuple[int, Template | Mixture]]:
        values = self.share.values(state)
        for index in self.share.free:
            if int(self.share.places[index]) in wanted:
                yield int(self.share.places[index]), self.cutout.slope(values, index)

    def cube(self, state: Vector) -> Array:
        """Give the predicted counts in every bin."""
        if self._template(state) is None:
            return np.zeros(self.bins.mask.shape)
        return self.footprint.cube(self.shape.image(self.share.values(state)), self.flux(state))

    def may_be_negative(self, state: Vector) -> bool:
        """Tell whether any flux is negative."""
        return bool(np.min(self.flux(state), initial=0) < 0)
