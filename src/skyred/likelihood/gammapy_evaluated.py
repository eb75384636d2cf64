"""gammapy's own evaluation, for what cannot be laid out flat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.likelihood.bins import Bins
from skyred.likelihood.contribution import Counts, Recent, weighted
from skyred.likelihood.irf_positions import IrfPositions
from skyred.likelihood.parameters import Share
from skyred.likelihood.response import Instrument

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import ParameterSpace, Vector

    Array = NDArray[np.float64]
    Places = frozenset[int]

SLOPE_STEP = 0.01  # of a parameter's usual step
EVALUATORS_KEPT = 4


class OpaqueCounts:
    """Predicted counts that a function of gammapy's gives, bin by bin.

    Parameters
    ----------
    model : object
        The model, for its parameters.
    predict : callable
        Gives the predicted counts in every bin at the present values of the parameters.
    bins : Bins
        The bins of the dataset.
    space : ParameterSpace
        Where the parameters are found.
    look_up : callable, optional
        Looks the IRFs up at the present values; returns whether they are others than before.
    """

    def __init__(
        self,
        model: Any,
        predict: Callable[[], Array],
        bins: Bins,
        space: ParameterSpace,
        look_up: Callable[[], bool] | None = None,
    ) -> None:
        self.predict, self.bins, self.share = predict, bins, Share.of(model, space)
        self.look_up = look_up
        self.name = str(model.name)
        self.free = self.share.free_places
        self.exact = not self.share.free
        self.known: tuple[bytes | None, Array] = (None, np.zeros(bins.mask.shape))

    @property
    def may_be_non_smooth(self) -> set[int]:
        """All that are free: what gammapy does is not known."""
        return {int(self.share.places[each]) for each in self.share.free}

    def rows(self) -> slice:
        """All of the chosen bins."""
        return slice(None)

    def refresh(self, state: Vector) -> bool:
        """Look the IRFs up at the values in a state; return whether they differ from before."""
        self.share.set(self.share.values(state))
        if self.look_up is None or not self.look_up():
            return False
        self.known = (None, self.known[1])
        return True

    def _cube(self, values: Vector) -> Array:
        if values.tobytes() != self.known[0]:
            self.share.set(values)
            self.known = values.tobytes(), np.nan_to_num(self.predict())
        return self.known[1]

    def _counts(self, cube: Array) -> Counts:
        return Counts(self.bins.of(cube), float(cube[self.bins.mask].sum()))

    def counts(self, state: Vector) -> Counts:
        """Give the predicted counts."""
        return self._counts(self._cube(self.share.values(state)))

    def slopes(self, state: Vector, wanted: Places) -> Iterator[tuple[int, Counts]]:
        """Give the derivatives, by differences."""
        for place, slope in self.share.slopes(self._cube, state, SLOPE_STEP, wanted):
            yield place, self._counts(slope)

    def gradient(
        self, state: Vector, weights: Array, weight: float, wanted: Places
    ) -> Iterator[tuple[int, float]]:
        """Give the weighted sums of the derivatives."""
        return weighted(self, state, weights, weight, wanted)

    def cube(self, state: Vector) -> Array:
        """Give the predicted counts in every bin."""
        return self._cube(self.share.values(state)).copy()

    def may_be_negative(self, state: Vector) -> bool:
        """Tell whether any predicted counts are negative."""
        return bool(self._cube(self.share.values(state)).min() < 0)


class Prediction:
    """gammapy's predicted counts of one model, on the whole map of a dataset.

    Parameters
    ----------
    model : object
        The model.
    instrument : Instrument
        The IRFs of the dataset.
    space : ParameterSpace
        Where its parameters are found.
    """

    def __init__(self, model: Any, instrument: Instrument, space: ParameterSpace) -> None:
        self.model, self.instrument = model, instrument
        spatial = getattr(model, "spatial_model", None)
        self.share = Share.of(spatial, space)
        self.positions = IrfPositions(spatial, self.share, instrument.moves(model))
        self.evaluators = Recent[tuple[int, int], Any](EVALUATORS_KEPT)

    def refresh(self) -> bool:
        """Look the IRFs up at the present values; return whether they differ from before."""
        if not self.share.free or not self.positions.move_to(self._values()):
            return False
        self.evaluators.clear()
        return True

    def _values(self) -> Array:
        return np.array([parameter.value for parameter in self.share.parameters], dtype=float)

    def _evaluator(self) -> Any:
        values = self._values()
        node = self.positions.node(values)
        known = self.evaluators.get(node)
        if known is None:
            self.share.set(self.positions.values_at(node))
            known = self.evaluators.keep(node, self.instrument.evaluator(self.model))
            self.instrument.update(known)
            self.share.set(values)
        return known

    def __call__(self) -> Array:
        """Return them for the present values of the model's parameters."""
        from gammapy.maps import Map

        onto, evaluator = Map.from_geom(self.instrument.geom, dtype=float), self._evaluator()
        if evaluator.contributes:
            onto.stack(evaluator.compute_npred())
        return np.asarray(onto.data, dtype=float)
