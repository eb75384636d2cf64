"""The parameters of the models of datasets, as one vector in their own units."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling import Parameter
    from gammapy.modeling.models import DatasetModels
    from numpy.typing import NDArray

    from skyred.interfaces.records import FitResult

    Vector = NDArray[np.float64]

# Cherenkov telescopes typically locate a source to 0.02 deg. Steps of degrees, gammapy's default,
# would make gammapy recompute its PSF kernels at each step.
POSITION_STEP = {"deg": 0.02, "rad": 0.02 * np.pi / 180}
RELATIVE_STEP = 0.1
TIME_STEP = 0.01  # days: reference times are MJD, so a fraction of their values would be years


@attrs.define(eq=False)
class ParameterSpace:
    """Parameters of all models; linked parameters are listed once.

    Parameters that share one value without being the same object, as in gammapy's
    `NestedModelSelection`, are linked too.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        The datasets.
    models : gammapy.modeling.models.DatasetModels
        The models of the datasets.
    parameters : list of Parameter
        The unique parameters, free and frozen; a `state` contains their values, shape (m,).
    free : array of int
        Indices of the free parameters in `parameters`, shape (n,). As in gammapy, parameters with
        limits equal to their value are not free.
    """

    datasets: Datasets
    models: DatasetModels
    parameters: list[Parameter]
    free: NDArray[np.int64]

    @classmethod
    def from_datasets(cls, datasets: Datasets) -> ParameterSpace:
        """Collect the parameters of datasets.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            Datasets with models assigned.

        Returns
        -------
        ParameterSpace
            The parameters.
        """
        models = datasets.models  # gammapy rebuilds them at each access, which takes 5 ms
        parameters = unique_parameters(models.parameters)
        free = [index for index, parameter in enumerate(parameters) if not is_fixed(parameter)]
        return cls(datasets, models, parameters, np.array(free, dtype=int))

    @property
    def free_parameters(self) -> list[Parameter]:
        """The free parameters, in the order of the vector."""
        return [self.parameters[index] for index in self.free]

    def indices_of(self, parameters: Iterable[Parameter]) -> NDArray[np.int64]:
        """Return the indices of parameters in the state.

        Parameters
        ----------
        parameters : iterable of Parameter
            Parameters of the models.

        Returns
        -------
        array of int
            Indices, shape (number of parameters,).
        """
        index_by_key = {
            value_key(parameter): index for index, parameter in enumerate(self.parameters)
        }
        return np.array([index_by_key[value_key(parameter)] for parameter in parameters], dtype=int)

    def state(self, x: Vector | None = None) -> Vector:
        """Return the values of all parameters.

        Parameters
        ----------
        x : array, optional
            Values of the free parameters, shape (n,); by default their current values.

        Returns
        -------
        array
            Values of all parameters, shape (m,).
        """
        state = np.array([parameter.value for parameter in self.parameters], dtype=float)
        if x is not None:
            state[self.free] = x
        return state

    def set(self, x: Vector) -> None:
        """Set the values of the free parameters.

        Parameters
        ----------
        x : array
            The free parameters, shape (n,).
        """
        for parameter, value in zip(self.free_parameters, x, strict=True):
            parameter.value = value

    def names(self) -> list[str]:
        """Return the names of the free parameters, such as ``crab.spectral.index``.

        Returns
        -------
        list of str
            The names; linked parameters have the name of their first model.
        """
        names_by_key: dict[int, str] = {}
        names = self.models.parameters_unique_names
        for parameter, name in zip(self.models.parameters, names, strict=True):
            names_by_key.setdefault(value_key(parameter), name)
        return [names_by_key[value_key(parameter)] for parameter in self.free_parameters]

    def units(self) -> list[str]:
        """Return the units of the free parameters.

        Returns
        -------
        list of str
            The units.
        """
        return [str(parameter.unit) for parameter in self.free_parameters]

    def limits(self) -> list[tuple[float, float]]:
        """Return the limits of the free parameters.

        Returns
        -------
        list of (float, float)
            Minimum and maximum; infinite if there is no limit.
        """
        pairs = [(parameter.min, parameter.max) for parameter in self.free_parameters]
        return [
            (-np.inf if np.isnan(low) else low, np.inf if np.isnan(high) else high)
            for low, high in pairs
        ]

    def steps(self) -> Vector:
        """Return estimates of the errors of the free parameters, see `parameter_step`.

        Returns
        -------
        array
            The estimates, in the units of the parameters, shape (n,).
        """
        return np.array(
            [parameter_step(parameter) for parameter in self.free_parameters], dtype=float
        )

    def write_back(self, result: FitResult) -> None:
        """Write values, errors and covariance of a fit to the models.

        Errors that are NaN are set to 0, gammapy's value before a fit: gammapy would change NaN to
        1 when the models are copied or written.

        Parameters
        ----------
        result : FitResult
            The result.
        """
        from gammapy.modeling import Covariance

        self.set(result.values)
        parameters = self.models.parameters
        free = self.free_parameters
        position_by_key = {
            value_key(parameter): position for position, parameter in enumerate(free)
        }
        positions = [position_by_key.get(value_key(parameter), -1) for parameter in parameters]
        is_free = np.array([position >= 0 for position in positions])
        matrix = np.zeros((len(positions), len(positions)))
        free_positions = [position for position in positions if position >= 0]
        matrix[np.ix_(is_free, is_free)] = np.nan_to_num(result.covariance)[
            np.ix_(free_positions, free_positions)
        ]
        covariance = Covariance(parameters, matrix)
        self.models.covariance = covariance
        # `Datasets.models` reads the errors from this attribute
        self.datasets._covariance = covariance


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
        for index in self.free:
            if int(self.state_indices[index]) not in indices:
                continue
            low, high = self.shift(self.values(state), index, fraction)
            difference = function(high) - function(low)
            yield int(self.state_indices[index]), difference / (high[index] - low[index])


def is_fixed(parameter: Parameter) -> bool:
    """Return whether a parameter is frozen, or fixed by limits that are equal to its value.

    Parameters
    ----------
    parameter : gammapy.modeling.Parameter
        The parameter.

    Returns
    -------
    bool
        Whether it is fixed.
    """
    return bool(parameter.frozen or parameter.min == parameter.max == parameter.value)


def value_key(parameter: Parameter) -> int:
    """Return a key that is the same for parameters that share one value.

    Parameters that are linked in gammapy are the same object. Those of its `NestedModelSelection`
    are different objects with the same ``__dict__``.

    Parameters
    ----------
    parameter : gammapy.modeling.Parameter
        The parameter.

    Returns
    -------
    int
        The key.
    """
    return id(parameter.__dict__)


def unique_parameters(parameters: Iterable[Parameter]) -> list[Parameter]:
    """Return the first of each group of parameters that share one value.

    Parameters
    ----------
    parameters : iterable of Parameter
        The parameters.

    Returns
    -------
    list of Parameter
        The unique parameters, in the same order.
    """
    unique: dict[int, Parameter] = {}
    for parameter in parameters:
        unique.setdefault(value_key(parameter), parameter)
    return list(unique.values())


def share_values(models: DatasetModels, copies: DatasetModels) -> None:
    """Make copied parameters share values if the parameters of the original models do.

    Copies of models preserve gammapy's links, but not a shared ``__dict__``.

    Parameters
    ----------
    models : gammapy.modeling.models.DatasetModels
        The original models.
    copies : gammapy.modeling.models.DatasetModels
        Their copies, in the same order; they are changed.
    """
    first_by_key: dict[int, Parameter] = {}
    for original, parameter in zip(models.parameters, copies.parameters, strict=True):
        parameter.__dict__ = first_by_key.setdefault(value_key(original), parameter).__dict__


def names_sharing_values(models: DatasetModels) -> list[str]:
    """Return the names of free parameters that share one value without being the same object.

    Parameters
    ----------
    models : gammapy.modeling.models.DatasetModels
        The models.

    Returns
    -------
    list of str
        Unique names of the parameters.
    """
    first_by_key: dict[int, tuple[Parameter, str]] = {}
    names: dict[str, None] = {}
    for parameter, name in zip(models.parameters, models.parameters_unique_names, strict=True):
        first_parameter, first_name = first_by_key.setdefault(
            value_key(parameter), (parameter, name)
        )
        if first_parameter is not parameter and not parameter.frozen:
            names |= dict.fromkeys((first_name, name))
    return list(names)


def parameter_step(parameter: Parameter) -> float:
    """Return the error of a parameter, or its default step if it has none.

    Parameters
    ----------
    parameter : gammapy.modeling.Parameter
        The parameter.

    Returns
    -------
    float
        The step, in the unit of the parameter.
    """
    return float(parameter.error) if parameter.error > 0 else default_step(parameter)


def default_step(parameter: Parameter) -> float:
    """Return the default step of a parameter, which depends on its name, unit and value.

    Parameters
    ----------
    parameter : gammapy.modeling.Parameter
        The parameter.

    Returns
    -------
    float
        The step, in the unit of the parameter.
    """
    if parameter.name in ("lon_0", "lat_0") and str(parameter.unit) in POSITION_STEP:
        return POSITION_STEP[str(parameter.unit)]
    if parameter.name == "t_ref":
        return TIME_STEP
    return abs(parameter.value) * RELATIVE_STEP or RELATIVE_STEP
