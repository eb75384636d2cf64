"""The parameters of the models of datasets: each once, as one vector in their own units."""

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

# A source known to 0.02 deg is a good guess for any Cherenkov telescope. Steps of degrees, Minuit's
# default here, make gammapy rebuild its PSF kernels at each of them.
POSITION_STEP = {"deg": 0.02, "rad": 0.02 * np.pi / 180}
RELATIVE_STEP = 0.1
TIME_STEP = 0.01  # days: reference times are MJD, so a part of their values would be years


@attrs.define(eq=False)
class ParameterSpace:
    """The parameters of all models, linked ones once; a vector holds the free ones.

    Parameters that share one value without being the same object, as gammapy's
    `NestedModelSelection` makes them, are linked too.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        Whose models they are of.
    models : gammapy.modeling.models.DatasetModels
        The models.
    all : list of Parameter
        Every parameter, free or frozen, once; a `state` holds a value for each, shape (m,).
    free : array of int
        Where the free ones are among them, shape (n,); parameters whose limits leave their value
        alone are not free, as in gammapy.
    """

    datasets: Datasets
    models: DatasetModels
    all: list[Parameter]
    free: NDArray[np.int64]

    @classmethod
    def of(cls, datasets: Datasets) -> ParameterSpace:
        """Collect the parameters."""
        models = datasets.models  # made anew at each access, which takes 5 ms
        found = unique_parameters(models.parameters)
        free = [place for place, parameter in enumerate(found) if not is_fixed(parameter)]
        return cls(datasets, models, found, np.array(free, dtype=int))

    @property
    def free_parameters(self) -> list[Parameter]:
        """The free parameters, in the order of the vector."""
        return [self.all[place] for place in self.free]

    def places(self, parameters: Iterable[Parameter]) -> NDArray[np.int64]:
        """Find parameters of a model in the state, shape (number of parameters,)."""
        index = {value_key(parameter): place for place, parameter in enumerate(self.all)}
        return np.array([index[value_key(parameter)] for parameter in parameters], dtype=int)

    def state(self, x: Vector | None = None) -> Vector:
        """Give the values of all parameters, with the free ones replaced by a vector."""
        state = np.array([parameter.value for parameter in self.all], dtype=float)
        if x is not None:
            state[self.free] = x
        return state

    def set(self, x: Vector) -> None:
        """Set the free parameters."""
        for parameter, value in zip(self.free_parameters, x, strict=True):
            parameter.value = value

    def names(self) -> list[str]:
        """Name the free parameters: ``crab.spectral.index``; linked ones by their first model."""
        known: dict[int, str] = {}
        names = self.models.parameters_unique_names
        for parameter, name in zip(self.models.parameters, names, strict=True):
            known.setdefault(value_key(parameter), name)
        return [known[value_key(parameter)] for parameter in self.free_parameters]

    def units(self) -> list[str]:
        """Give the units of the free parameters."""
        return [str(parameter.unit) for parameter in self.free_parameters]

    def limits(self) -> list[tuple[float, float]]:
        """Give the limits of the free parameters; infinite where there are none."""
        pairs = [(parameter.min, parameter.max) for parameter in self.free_parameters]
        return [
            (-np.inf if np.isnan(low) else low, np.inf if np.isnan(high) else high)
            for low, high in pairs
        ]

    def steps(self) -> Vector:
        """Guess the errors of the free parameters, shape (n,)."""
        return np.array([step_of(parameter) for parameter in self.free_parameters], dtype=float)

    def write_back(self, result: FitResult) -> None:
        """Write values, errors and covariance of a fit to the models.

        Errors that are not known become 0, as in gammapy before a fit: of NaN, gammapy makes 1 when
        models are copied or written.
        """
        from gammapy.modeling import Covariance

        self.set(result.values)
        parameters = self.models.parameters
        free = self.free_parameters
        index = {value_key(parameter): place for place, parameter in enumerate(free)}
        places = [index.get(value_key(parameter), -1) for parameter in parameters]
        known = np.array([place >= 0 for place in places])
        matrix = np.zeros((len(places), len(places)))
        chosen = [place for place in places if place >= 0]
        matrix[np.ix_(known, known)] = np.nan_to_num(result.covariance)[np.ix_(chosen, chosen)]
        covariance = Covariance(parameters, matrix)
        self.models.covariance = covariance
        # `Datasets.models` takes the errors from here: without it they are lost
        self.datasets._covariance = covariance


@attrs.define(eq=False)
class Share:
    """The parameters of one part of a model, and where they are found.

    Parameters
    ----------
    parameters : list of Parameter
        Its parameters; `values` has one for each, shape (k,).
    places : array of int
        Where they are in the state, shape (k,).
    free : list of int
        Which of them are free.
    steps : array
        What they usually vary by, shape (k,).
    """

    parameters: list[Parameter]
    places: NDArray[np.int64]
    free: list[int]
    steps: Vector

    @classmethod
    def of(cls, model: Any, space: ParameterSpace) -> Share:
        """Take the parameters of a model; none of None."""
        parameters = [] if model is None else list(model.parameters)
        places, free = space.places(parameters), set(space.free.tolist())
        chosen = [index for index, place in enumerate(places.tolist()) if place in free]
        return cls(parameters, places, chosen, np.array([usual_step(each) for each in parameters]))

    @property
    def free_places(self) -> frozenset[int]:
        """The places of the free ones in the state."""
        return frozenset(self.places[self.free].tolist())

    def values(self, state: Vector) -> Vector:
        """Take their values out of a state."""
        return state[self.places]

    def set(self, values: Vector) -> None:
        """Set them, for gammapy to evaluate."""
        for parameter, value in zip(self.parameters, values, strict=True):
            parameter.value = value

    def sides(self, values: Vector, index: int, fraction: float) -> tuple[Vector, Vector]:
        """Step to both sides by a fraction of the usual step, but not over a limit."""
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
        wanted: frozenset[int],
    ) -> Iterator[tuple[int, Any]]:
        """Return, for each wanted one, its place in the state and the slope of a function."""
        for index in self.free:
            if int(self.places[index]) not in wanted:
                continue
            low, high = self.sides(self.values(state), index, fraction)
            rise = function(high) - function(low)
            yield int(self.places[index]), rise / (high[index] - low[index])


def is_fixed(parameter: Parameter) -> bool:
    """Return whether a parameter is frozen, or held by equal limits."""
    return bool(parameter.frozen or parameter.min == parameter.max == parameter.value)


def value_key(parameter: Parameter) -> int:
    """Return a key that parameters have in common if setting one sets the others.

    They are one object if they are linked by gammapy's models. `NestedModelSelection` of gammapy
    shares the ``__dict__`` of parameters instead.
    """
    return id(parameter.__dict__)


def unique_parameters(parameters: Iterable[Parameter]) -> list[Parameter]:
    """Return parameters in their order, of those that share one value the first."""
    unique: dict[int, Parameter] = {}
    for parameter in parameters:
        unique.setdefault(value_key(parameter), parameter)
    return list(unique.values())


def share_values(models: DatasetModels, copies: DatasetModels) -> None:
    """Share values among copied parameters wherever the original ones do.

    Copies of models keep gammapy's links, but not a common ``__dict__``.

    Parameters
    ----------
    models : gammapy.modeling.models.DatasetModels
        The original models.
    copies : gammapy.modeling.models.DatasetModels
        Their copies, in the same order.
    """
    first: dict[int, Parameter] = {}
    for original, parameter in zip(models.parameters, copies.parameters, strict=True):
        parameter.__dict__ = first.setdefault(value_key(original), parameter).__dict__


def names_sharing_values(models: DatasetModels) -> list[str]:
    """Return the names of free parameters that share the value of another without being linked."""
    first: dict[int, tuple[Parameter, str]] = {}
    names: dict[str, None] = {}
    for parameter, name in zip(models.parameters, models.parameters_unique_names, strict=True):
        other, other_name = first.setdefault(value_key(parameter), (parameter, name))
        if other is not parameter and not parameter.frozen:
            names |= dict.fromkeys((other_name, name))
    return list(names)


def step_of(parameter: Parameter) -> float:
    """Guess the error of a parameter: its present one, or what is usual for its kind."""
    return float(parameter.error) if parameter.error > 0 else usual_step(parameter)


def usual_step(parameter: Parameter) -> float:
    """Say what a parameter of this kind and value usually varies by."""
    if parameter.name in ("lon_0", "lat_0") and str(parameter.unit) in POSITION_STEP:
        return POSITION_STEP[str(parameter.unit)]
    if parameter.name == "t_ref":
        return TIME_STEP
    return abs(parameter.value) * RELATIVE_STEP or RELATIVE_STEP
