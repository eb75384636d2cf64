"""A source in a dataset: flux by energy times template, each kept until its parameters change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from skyred.likelihood.bins import Bins, Footprint, Mixture, Template
from skyred.likelihood.parameters import Share
from skyred.likelihood.part import Counts, Recent
from skyred.likelihood.response import Instrument, Response
from skyred.likelihood.shapes import ExtendedShape, GeneralShape, PointShape, Shape
from skyred.likelihood.sky import Position, separation
from skyred.likelihood.spectra import Spectrum
from skyred.likelihood.timing import TimeFactor

if TYPE_CHECKING:
    from gammapy.modeling.models import SkyModel
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import ParameterSpace, Vector

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

STATES_KEPT = 4
MEMORY = 2**28  # bytes, for the templates of a source that are kept


class Source:
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
    spectrum : Spectrum
        The flux of the source in the bins of true energy.
    """

    exact = True

    def __init__(
        self,
        model: SkyModel,
        instrument: Instrument,
        bins: Bins,
        space: ParameterSpace,
        spectrum: Spectrum,
    ) -> None:
        self.model, self.instrument, self.bins, self.spectrum = model, instrument, bins, spectrum
        self.name = str(model.name)
        self.share = Share.of(model.spatial_model, space)
        self.own = space.places(model.parameters)
        self.time = TimeFactor(model, instrument.dataset.gti, space)
        # kept until a look up of responses: templates and their slopes by spatial values, and the
        # counts by all values; spectrum and time factor keep their last by their own
        self.templates = Recent[bytes, Template | Mixture](2 * len(self.share.free) + 4)
        self.slopes_known = Recent[tuple[int, bytes], Template | Mixture](2 * len(self.share.free))
        self.states = Recent[bytes, Counts](STATES_KEPT)
        self.evaluator = instrument.evaluator(model)
        local = self.evaluator.evaluation_mode == "local" and not instrument.geom.is_region
        self.place = Position(model.spatial_model) if local and self.share.free else None
        self._look_up()

    @property
    def rough(self) -> set[int]:
        """Its spatial parameters, but of shapes without edges: pixels are what makes kinks."""
        from gammapy.modeling.models import GaussianSpatialModel, GeneralizedGaussianSpatialModel

        smooth = type(self.model.spatial_model) in (
            GaussianSpatialModel,
            GeneralizedGaussianSpatialModel,
        )
        return set() if smooth else {int(self.share.places[each]) for each in self.share.free}

    # -- responses ------------------------------------------------------------------------------

    def _look_up(self) -> None:
        """Look the responses up at the present position."""
        self.evaluator.contributes = True  # gammapy never looks again at a source that once left
        self.instrument.update(self.evaluator)
        self.contributes = bool(self.evaluator.contributes)
        if self.place is not None:
            self.position = self.model.position_lonlat
        self.templates.clear()
        self.slopes_known.clear()
        self.states.clear()
        if self.contributes:
            self.response = Response.of(self.evaluator, self.instrument)
            self.footprint = Footprint(self.response, self.bins)
            self.shape = self._shape()
            room = MEMORY // max(self.footprint.per_bin.nbytes, 1)
            self.templates.size = max(2, min(2 * len(self.share.free) + 4, room))
            self.slopes_known.size = max(1, min(2 * len(self.share.free), room))

    def _shape(self) -> Shape:
        from gammapy.modeling.models import PointSpatialModel

        spatial, image = self.model.spatial_model, self.response.image
        kind: type[Shape] = GeneralShape
        if spatial is not None and not image.is_region and self.share.free:
            if type(spatial) is PointSpatialModel:
                kind = PointShape
            elif spatial.evaluation_radius is not None and _has_one_image(spatial):
                kind = ExtendedShape
        return kind(self.evaluator, self.response, self.footprint, self.share)

    def _follow(self, values: Vector) -> None:
        """Look the responses up anew where gammapy would: if the source left its cutout."""
        from gammapy.datasets.evaluator import CUTOUT_MARGIN

        if self.place is None:
            return
        away = separation(*self.place.radians(values), *self.position)
        if self.contributes and away <= CUTOUT_MARGIN.to_value("rad"):
            return
        self.share.set(values)
        reach = (self.model.evaluation_radius + CUTOUT_MARGIN).to_value("rad")
        if away > reach or not self.contributes:
            self._look_up()

    # -- predicted counts -----------------------------------------------------------------------

    def _template(self, state: Vector) -> Template | Mixture | None:
        values = self.share.values(state)
        key = values.tobytes()
        known = self.templates.get(key)
        if known is None:
            self._follow(values)
            if not self.contributes:
                return None
            known = self.templates.keep(key, self.shape.template(values))
        return known

    def rows(self) -> Index:
        """Tell which of the chosen bins lie under the source."""
        return self.footprint.rows if self.contributes else np.zeros(0, dtype=int)

    def flux(self, state: Vector) -> Array:
        """Give the flux in each bin of true energy, with the factor of a temporal model."""
        return self.spectrum(state) * self.time(state)

    def counts(self, state: Vector) -> Counts:
        """Give the predicted counts."""
        key = state[self.own].tobytes()
        known = self.states.get(key)
        if known is None:
            template = self._template(state)
            if template is None:
                return Counts(np.zeros(0), 0.0)
            known = self.states.keep(key, template.times(self.flux(state)))
        return known

    def slopes(self, state: Vector) -> Iterator[tuple[int, Counts]]:
        """Give the derivatives by the free parameters."""
        template = self._template(state)
        if template is None:
            return
        for place, slope in self._flux_slopes(state):
            yield place, template.times(slope)
        flux = self.flux(state)
        for place, slope_of_template in self._template_slopes(state):
            yield place, slope_of_template.times(flux)

    def gradient(self, state: Vector, weights: Array, weight: float) -> Iterator[tuple[int, float]]:
        """Give the weighted sums of the derivatives: first over bins, once for all spectra."""
        template = self._template(state)
        if template is None:
            return
        own = weights[self.rows()]
        by_flux = template.weighted(own, weight)
        for place, slope in self._flux_slopes(state):
            yield place, float(by_flux @ slope)
        flux = self.flux(state)
        for place, slope_of_template in self._template_slopes(state):
            yield place, float(slope_of_template.weighted(own, weight) @ flux)

    def _flux_slopes(self, state: Vector) -> Iterator[tuple[int, Array]]:
        factor = self.time(state)
        for place, slope in self.spectrum.slopes(state):
            yield place, slope * factor
        for place, change in self.time.slopes(state):
            yield place, self.spectrum(state) * change

    def _template_slopes(self, state: Vector) -> Iterator[tuple[int, Template | Mixture]]:
        values = self.share.values(state)
        for index in self.share.free:
            key = index, values.tobytes()
            known = self.slopes_known.get(key)
            if known is None:
                known = self.slopes_known.keep(key, self.shape.slope(values, index))
            yield int(self.share.places[index]), known

    def cube(self, state: Vector) -> Array:
        """Give the predicted counts in every bin."""
        if self._template(state) is None:
            return np.zeros(self.bins.mask.shape)
        return self.footprint.cube(self.shape.image(self.share.values(state)), self.flux(state))

    def may_be_negative(self, state: Vector) -> bool:
        """Tell whether any flux is negative."""
        return bool(np.min(self.flux(state), initial=0) < 0)


def _has_one_image(spatial: object) -> bool:
    names = {parameter.name for parameter in spatial.parameters}  # type: ignore[attr-defined]
    placed = {"lon_0", "lat_0"} <= names
    return placed and not spatial.is_energy_dependent  # type: ignore[attr-defined]
