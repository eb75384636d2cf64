"""Temporal models: the factor that they put on the flux of a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.likelihood.parameters import Share

if TYPE_CHECKING:
    from gammapy.modeling.models import SkyModel

    from skyred.likelihood.parameters import ParameterSpace, Vector

SLOPE_STEP = 1e-3  # of a parameter's usual step


class TimeFactor:
    """The integral of a temporal model over the good time intervals, as gammapy evaluates it.

    Parameters
    ----------
    model : gammapy.modeling.models.SkyModel
        The source; without a temporal model the factor is 1.
    gti : gammapy.data.GTI
        The good time intervals.
    space : ParameterSpace
        Where the parameters are found.
    """

    def __init__(self, model: SkyModel, gti: Any, space: ParameterSpace) -> None:
        self.model, self.gti = model.temporal_model, gti
        self.share = Share.of(self.model, space)
        self.known: tuple[bytes | None, float] = (None, 1.0)

    def __call__(self, state: Vector) -> float:
        """Give the factor."""
        return 1.0 if self.model is None else self._at(self.share.values(state))

    def _at(self, values: Vector) -> float:
        if values.tobytes() != self.known[0]:
            self.share.set(values)
            integral = self.model.integral(self.gti.time_start, self.gti.time_stop)
            total = np.sum(integral)
            factor = total.to_value("") if hasattr(total, "to_value") else total
            self.known = values.tobytes(), float(factor)
        return self.known[1]

    def slopes(self, state: Vector, wanted: frozenset[int]) -> Iterator[tuple[int, float]]:
        """Return, for each wanted parameter, its place in the state and the derivative."""
        return self.share.slopes(self._at, state, SLOPE_STEP, wanted)
