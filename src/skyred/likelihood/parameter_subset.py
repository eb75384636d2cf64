"""The parameters of one model component, with their values in the state of all parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.likelihood.parameters import default_step

if TYPE_CHECKING:
    from gammapy.modeling import Parameter
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import ParameterSpace, Vector


@attrs.define(eq=False)
class ParameterSubset:
    """Parameters of one model component, and their indices in the state of all parameters.

    Parameters
    ----------
    parameters : list of Parameter
        The k parameters of the component.
    state_indices : array of int
        Indices of the parameters in the state, shape (k,).
    free : list of int
        Indices of the free parameters in `parameters`.
    steps : array
        Default steps of the parameters, shape (k,).
    """

    parameters: list[Parameter]
    state_indices: NDArray[np.int64]
    free: list[int]
    steps: Vector

    @classmethod
    def from_model(cls, model: Any, space: ParameterSpace) -> ParameterSubset:
        """Return the parameters of a model component.

        Parameters
        ----------
        model : gammapy.modeling.models.ModelBase or None
            The model component; None has no parameters.
        space : ParameterSpace
            The parameters of all models.

        Returns
        -------
        ParameterSubset
            The parameters.
        """
        parameters = [] if model is None else list(model.parameters)
        indices, free = space.indices_of(parameters), set(space.free.tolist())
        free_positions = [
            position for position, index in enumerate(indices.tolist()) if index in free
        ]
        return cls(
            parameters,
            indices,
            free_positions,
            np.array([default_step(parameter) for parameter in parameters]),
        )

    @property
    def free_indices(self) -> frozenset[int]:
        """State indices of the free parameters."""
        return frozenset(self.state_indices[self.free].tolist())

    def select_free(self, indices: frozenset[int]) -> list[tuple[int, int]]:
        """Return the free parameters with some indices in the state.

        Parameters
        ----------
        indices : frozenset of int
            State indices.

        Returns
        -------
        list of (int, int)
            Index of each parameter in `parameters`, and its index in the state.
        """
        state_indices = self.state_indices.tolist()
        pairs = [(index, state_indices[index]) for index in self.free]
        return [pair for pair in pairs if pair[1] in indices]

    def values(self, state: Vector) -> Vector:
        """Return the values of these parameters in a state.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        array
            Values of these parameters, shape (k,).
        """
        return state[self.state_indices]

    def set(self, values: Vector) -> None:
        """Set the values of these parameters, before gammapy evaluates the model.

        Parameters
        ----------
        values : array
            Values of these parameters, shape (k,).
        """
        for parameter, value in zip(self.parameters, values, strict=True):
            parameter.value = value

    def shift(self, values: Vector, index: int, fraction: float) -> tuple[Vector, Vector]:
        """Shift one parameter down and up, within its limits.

        Parameters
        ----------
        values : array
            Values of these parameters, shape (k,).
        index : int
            Index of the parameter to shift.
        fraction : float
            Size of the shift, as a fraction of the default step.

        Returns
        -------
        tuple of array
            The values with the parameter shifted down and up, shape (k,) each.
        """
        parameter, step = self.parameters[index], fraction * self.steps[index]
        low, high = values.copy(), values.copy()
        low[index] = np.fmax(values[index] - step, parameter.min)  # NaN: no limit
        high[index] = np.fmin(values[index] + step, parameter.max)
        return low, high

    def slopes(
        self,
        function: Callable[[Vector], Any],
        state: Vector,
        fraction: float,
        indices: frozenset[int],
    ) -> Iterator[tuple[int, Any]]:
        """Evaluate the derivatives of a function by finite differences.

        Parameters
        ----------
        function : callable
            Function of the values of these parameters, shape (k,).
        state : array
            Values of all parameters, shape (m,).
        fraction : float
            Step of the differences, as a fraction of the default step.
        indices : frozenset of int
            State indices of the parameters to differentiate with respect to.

        Yields
        ------
        int
            Index of a parameter in the state.
        object
            The derivative with respect to this parameter.
        """
        for index, state_index in self.select_free(indices):
            low, high = self.shift(self.values(state), index, fraction)
            difference = function(high) - function(low)
            yield state_index, difference / (high[index] - low[index])
