"""Temporal models: the factor by which they scale the flux in a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.likelihood.parameter_subset import ParameterSubset

if TYPE_CHECKING:
    from gammapy.modeling.models import SkyModel

    from skyred.likelihood.parameters import ParameterSpace, Vector

SLOPE_STEP = 1e-3  # of a parameter's default step


class TimeFactor:
    """Mean of a temporal model over the good time intervals, as gammapy evaluates it.

    Parameters
    ----------
    model : gammapy.modeling.models.SkyModel
        The source; without a temporal model the factor is 1.
    gti : gammapy.data.GTI
        The good time intervals.
    space : ParameterSpace
        The parameters of all models.
    """

    def __init__(self, model: SkyModel, gti: Any, space: ParameterSpace) -> None:
        self.model, self.gti = model.temporal_model, gti
        self.subset = ParameterSubset.from_model(self.model, space)
        self.cached_factor: tuple[bytes | None, float] = (None, 1.0)

    def __call__(self, state: Vector) -> float:
        """Return the factor for the values of all parameters."""
        return 1.0 if self.model is None else self._factor(self.subset.values(state))

    def _factor(self, values: Vector) -> float:
        if values.tobytes() != self.cached_factor[0]:
            self.subset.set(values)
            integral = self.model.integral(self.gti.time_start, self.gti.time_stop)
            mean = np.sum(integral)  # gammapy divides the integrals by the total duration
            factor = mean.to_value("") if hasattr(mean, "to_value") else mean
            self.cached_factor = values.tobytes(), float(factor)
        return self.cached_factor[1]

    def slopes(self, state: Vector, indices: frozenset[int]) -> Iterator[tuple[int, float]]:
        """Return the derivatives of the factor.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        indices : frozenset of int
            State indices of the parameters to differentiate with respect to.

        Returns
        -------
        iterator of (int, float)
            Index of a parameter in the state, and the derivative with respect to it.
        """
        return self.subset.slopes(self._factor, state, SLOPE_STEP, indices)
