"""The parameters of the models of datasets, as one vector in their own units."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.shared_values import unique_parameters, value_key

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

    def free_mask(self, indices: Iterable[int]) -> NDArray[np.bool_]:
        """Return a mask of the free parameters with some indices in the state.

        Parameters
        ----------
        indices : iterable of int
            State indices.

        Returns
        -------
        array of bool
            The mask, shape (n,).
        """
        return np.isin(self.free, list(indices))

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
