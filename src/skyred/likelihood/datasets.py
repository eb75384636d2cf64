"""Datasets, flat: their parts, their statistic, and the derivatives of both together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import attrs
import numpy as np

from skyred.likelihood.bins import Bins
from skyred.likelihood.contribution import Contribution, Recent, Refreshable
from skyred.likelihood.fisher import ContributionGradient, fisher_matrix
from skyred.likelihood.fixed_counts import FixedCounts, FixedDataset, sum_of_counts
from skyred.likelihood.statistics import Cash, ChiSquare, Derivatives, WStat

if TYPE_CHECKING:
    from gammapy.datasets import Dataset
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import ParameterSpace, Vector

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]
    Places = frozenset[int]


class FlatDataset(Protocol):
    """A dataset, as far as the likelihood needs it.

    Attributes
    ----------
    name : str
        Its name.
    """

    name: str

    @property
    def exact(self) -> bool:
        """Whether its derivatives are exact."""
        ...

    def stat(self, state: Vector) -> float:
        """Give the fit statistic for a state of all parameters."""
        ...

    def gradient(self, state: Vector, wanted: Places) -> dict[int, float]:
        """Return the derivatives by the wanted parameters that it depends on, by their place."""
        ...

    def fisher(self, state: Vector, wanted: Places) -> tuple[Index, Array]:
        """Return the Fisher matrix by wanted parameters that it depends on, and their places."""
        ...

    @property
    def may_be_non_smooth(self) -> set[int]:
        """The places of the parameters along which the statistic may have kinks."""
        ...

    def clips(self, state: Vector) -> bool:
        """Tell whether the derivatives do not hold, since what is predicted is clipped."""
        ...

    def refresh(self, state: Vector) -> bool:
        """Look the IRFs up at the values in a state; return whether any differ from before."""
        ...

    def condition(self, state: Vector, wanted: Places) -> FlatDataset:
        """Return the dataset as a function of the wanted parameters, the others as in a state."""
        ...

    def npred(self, state: Vector) -> Array:
        """Return the predicted counts with the background, in the shape of the data."""
        ...


@attrs.define(eq=False)
class Prediction:
    """Predicted counts in the chosen bins and summed over the mask, and what follows from them."""

    chosen: Array
    total: float
    derivatives: Derivatives | None = None


@attrs.define(eq=False)
class CountsDataset:
    """Counts in bins, predicted by parts that add up.

    Parameters
    ----------
    name : str
        The name of the dataset.
    parts : sequence of Contribution
        What adds predicted counts.
    bins : Bins
        The chosen bins.
    counts : array
        Counts in every bin, shape (energies, y, x).
    statistic : Cash, WStat or ChiSquare
        Of the chosen bins.
    on_off : WStat, optional
        The statistic of all bins of on-off data, masked or not, for the predicted background.
    """

    name: str
    parts: Sequence[Contribution]
    bins: Bins
    counts: Array
    statistic: Cash | WStat | ChiSquare
    on_off: WStat | None = None
    last: Recent[bytes, Prediction] = attrs.field(init=False, factory=lambda: Recent(1))

    @property
    def exact(self) -> bool:
        """Whether the derivatives of all parts are exact."""
        return all(part.exact for part in self.parts)

    @property
    def may_be_non_smooth(self) -> set[int]:
        """The places of the parameters along which any part has kinks."""
        return set().union(*(part.may_be_non_smooth for part in self.parts))

    def predict(self, state: Vector) -> tuple[Array, float]:
        """Return the predicted counts in the chosen bins, and summed over the mask."""
        prediction = self._prediction(state)
        return prediction.chosen, prediction.total

    def _prediction(self, state: Vector) -> Prediction:
        """Return the prediction, kept for the derivatives at the same values."""
        key = state.tobytes()
        known = self.last.get(key)
        if known is None:
            counts = sum_of_counts(self.parts, len(self.bins), state)
            known = self.last.keep(key, Prediction(*counts))
        return known

    def _derivatives(self, state: Vector) -> Derivatives:
        """Return the derivatives of the statistic by the predicted counts."""
        prediction = self._prediction(state)
        if prediction.derivatives is None:
            prediction.derivatives = self.statistic.derivatives(prediction.chosen)
        return prediction.derivatives

    def stat(self, state: Vector) -> float:
        """Give the fit statistic."""
        if self.clips(state):
            return self._clipped(state)
        return self.statistic.value(*self.predict(state))

    def clips(self, state: Vector) -> bool:
        """Tell whether negative predicted counts may have to be set to zero, bin by bin."""
        # the sum over all bins is linear in the flux only while none has to be
        if not isinstance(self.statistic, Cash):
            return False
        return any(part.may_be_negative(state) for part in self.parts)

    def refresh(self, state: Vector) -> bool:
        """Look the IRFs up at the values in a state; return whether any differ from before."""
        changes = [part.refresh(state) for part in self.parts if isinstance(part, Refreshable)]
        self.last.clear()
        return any(changes)

    def condition(self, state: Vector, wanted: Places) -> FlatDataset:
        """Return the dataset as a function of the wanted parameters, the others as in a state."""
        moving = [part for part in self.parts if not wanted.isdisjoint(part.free)]
        if not moving:
            return FixedDataset(self, state)
        others = [part for part in self.parts if wanted.isdisjoint(part.free)]
        return attrs.evolve(self, parts=[FixedCounts(others, self.bins, state), *moving])

    def _clipped(self, state: Vector) -> float:
        """Give the statistic bin by bin, with negative predicted counts set to zero."""
        predicted = np.maximum(self._signal(state)[self.bins.mask], 0)
        return Cash(self.counts[self.bins.mask]).value(predicted, float(predicted.sum()))

    def gradient(self, state: Vector, wanted: Places) -> dict[int, float]:
        """Return the derivatives of the statistic by the wanted parameters that it depends on."""
        gradient: dict[int, float] = {}
        by_counts = self._derivatives(state)
        for part in self.parts:
            if wanted.isdisjoint(part.free):
                continue
            for place, slope in part.gradient(state, by_counts.first, by_counts.total, wanted):
                gradient[place] = gradient.get(place, 0.0) + slope
        return gradient

    def fisher(self, state: Vector, wanted: Places) -> tuple[Index, Array]:
        """Return the places of the wanted parameters that it depends on, and their Fisher matrix.

        Second derivatives of the statistic without those of the predicted counts, shape (k, k).
        """
        contributions = [
            ContributionGradient.of(part, state, wanted)
            for part in self.parts
            if not wanted.isdisjoint(part.free)
        ]
        if not contributions:
            return np.zeros(0, dtype=int), np.zeros((0, 0))
        weights = self._derivatives(state).second
        return fisher_matrix(contributions, weights)

    def npred(self, state: Vector) -> Array:
        """Return the predicted counts in every bin, with the background.

        That of on-off data is the most likely one, as in gammapy's `npred`. Of flux points the
        predicted flux, in cm-2 s-1 TeV-1.
        """
        signal = self._signal(state)
        if isinstance(self.statistic, ChiSquare):
            return signal
        if self.on_off is not None:
            with np.errstate(all="ignore"):
                background = self.on_off.alpha * self.on_off.background(signal.ravel())
            signal = signal + np.nan_to_num(background).reshape(signal.shape)
        return np.maximum(signal, 0)

    def _signal(self, state: Vector) -> Array:
        """Return the sum of all contributions in every bin; without the background of on-off."""
        cube = np.zeros(self.bins.mask.shape)
        for part in self.parts:
            cube += part.cube(state)
        return cube


class GammapyDataset:
    """A dataset whose statistic gammapy evaluates, for what cannot be laid out flat.

    Parameters
    ----------
    dataset : gammapy.datasets.Dataset
        The dataset.
    space : ParameterSpace
        Where the parameters are found.
    """

    def __init__(self, dataset: Dataset, space: ParameterSpace) -> None:
        self.dataset, self.space, self.name = dataset, space, str(dataset.name)
        self.places: dict[Any, tuple[float, ...]] = {}
        self.looked_up: dict[Any, tuple[float, ...]] = {}

    def stat(self, state: Vector) -> float:
        """Give the statistic."""
        self._set(state)
        return float(self.dataset.stat_sum())

    @property
    def exact(self) -> bool:
        """Whether the derivatives are known: if there is nothing to derive by."""
        return not self.may_be_non_smooth

    def gradient(self, state: Vector, wanted: Places) -> dict[int, float]:
        """Return no derivatives: no parameter is free."""
        return {}

    def fisher(self, state: Vector, wanted: Places) -> tuple[Index, Array]:
        """Return no derivatives: no parameter is free."""
        return np.zeros(0, dtype=int), np.zeros((0, 0))

    @property
    def may_be_non_smooth(self) -> set[int]:
        """All free ones of its models: what gammapy does is not known."""
        own = [each for model in self.dataset.models or () for each in model.parameters]
        return set(self.space.places(own).tolist()) & set(self.space.free.tolist())

    def clips(self, state: Vector) -> bool:
        """Never: there are no derivatives anyway."""
        return False

    def refresh(self, state: Vector) -> bool:
        """Look the IRFs up at the values in a state; return whether any differ from before."""
        self._set(state)
        changed = False
        for evaluator in self._placed_evaluators():
            parameters = evaluator.model.spatial_model.parameters
            values = tuple(parameters.value)
            if parameters.free_parameters and self.looked_up.get(evaluator) != values:
                self.looked_up[evaluator], changed = values, True
                evaluator.contributes, evaluator.exposure = True, None
                evaluator._cached_parameter_values = None
        return changed

    def condition(self, state: Vector, wanted: Places) -> FlatDataset:
        """Return itself: gammapy evaluates the whole."""
        return self

    def npred(self, state: Vector) -> Array:
        """Give the predicted counts; of flux points the flux, in cm-2 s-1 TeV-1."""
        self._set(state)
        if self.dataset.tag != "FluxPointsDataset":
            return np.asarray(self.dataset.npred().data, dtype=float)
        flux = np.zeros(self.dataset.data.dnde.data.shape)
        if self.dataset.models:
            flux += self.dataset.flux_pred().to_value("cm-2 s-1 TeV-1")
        return flux

    def _set(self, state: Vector) -> None:
        for parameter, value in zip(self.space.all, state, strict=True):
            parameter.value = value
        self._wake_sources()

    def _wake_sources(self) -> None:
        # gammapy never looks again at a source that once left the map: without this, whatever a
        # fitter tries after such a step is a map without the source
        for evaluator in self._placed_evaluators():
            place = tuple(evaluator.model.spatial_model.parameters.value)
            if not evaluator.contributes and self.places.get(evaluator) != place:
                evaluator.contributes, evaluator.exposure = True, None
            self.places[evaluator] = place

    def _placed_evaluators(self) -> Iterator[Any]:
        for evaluator in (getattr(self.dataset, "evaluators", None) or {}).values():
            if getattr(evaluator.model, "spatial_model", None) is not None:
                yield evaluator
