"""The state of models: their parameters, attributes and covariances, and its restoration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import attrs
import numpy as np
from numpy.typing import NDArray

NUMBERS = ("value", "error", "min", "max", "frozen")
ATTRIBUTES = (
    *("_name", "datasets_names", "apply_irf"),
    *("_spectral_model", "_spatial_model", "_temporal_model"),
)


@attrs.frozen(eq=False)
class ParameterState:
    """A parameter with its attributes.

    Parameters
    ----------
    parameter : gammapy.modeling.Parameter
        The parameter.
    numbers : tuple of float
        Its value, error and limits, and whether it is frozen.
    unit : astropy.units.Unit
        Its unit.
    prior : gammapy.modeling.models.Prior or None
        Its prior.
    prior_values : tuple of float
        The values of the parameters of the prior.
    """

    parameter: Any
    numbers: tuple[float, ...]
    unit: Any
    prior: Any
    prior_values: tuple[float, ...]

    @classmethod
    def read(cls, parameter: Any) -> Self:
        """Return the state of a parameter.

        Parameters
        ----------
        parameter : gammapy.modeling.Parameter
            The parameter.

        Returns
        -------
        ParameterState
            The state.
        """
        prior = parameter.prior
        return cls(
            parameter,
            tuple(float(getattr(parameter, name)) for name in NUMBERS),
            parameter.unit,
            prior,
            () if prior is None else tuple(float(item.value) for item in prior.parameters),
        )

    def has_changed(self, state: ParameterState | None) -> bool:
        """Return whether another state differs from this one.

        Parameters
        ----------
        state : ParameterState or None
            The other state.

        Returns
        -------
        bool
            Whether it differs.
        """
        return state is None or not (
            np.array_equal(self.numbers, state.numbers, equal_nan=True)
            and self.unit == state.unit
            and self.prior is state.prior
            and np.array_equal(self.prior_values, state.prior_values, equal_nan=True)
        )

    def restore(self) -> None:
        """Set the parameter to this state."""
        self.parameter.unit = self.unit
        self.parameter.prior = self.prior
        for name, value in zip(NUMBERS, self.numbers, strict=True):
            setattr(self.parameter, name, bool(value) if name == "frozen" else value)
        for item, value in zip(
            () if self.prior is None else self.prior.parameters, self.prior_values, strict=True
        ):
            item.value = value


@attrs.frozen(eq=False)
class ModelState:
    """The state of models.

    Parameters
    ----------
    models : gammapy.modeling.models.DatasetModels or None
        The models.
    attributes : dict of str to tuple
        Each model and its attributes, by name.
    parameters : dict of str to ParameterState
        The parameters, by model and name.
    covariances : dict of str to tuple
        Each spectral, spatial or temporal model and its covariance matrix, by name.
    """

    models: Any
    attributes: dict[str, tuple[Any, dict[str, Any]]]
    parameters: dict[str, ParameterState]
    covariances: dict[str, tuple[Any, NDArray[np.float64]]]

    @classmethod
    def read(cls, models: Any) -> Self:
        """Return the state of models.

        Parameters
        ----------
        models : gammapy.modeling.models.DatasetModels or None
            The models.

        Returns
        -------
        ModelState
            The state.
        """
        return cls(
            models,
            {model.name: (model, _read_attributes(model)) for model in models or ()},
            dict(_iter_parameters(models)),
            {name: (part, np.array(part.covariance.data)) for name, part in _iter_parts(models)},
        )

    def find_changes(self, models: Any) -> list[str]:
        """Return the names of models and parameters that differ from this state.

        Parameters
        ----------
        models : gammapy.modeling.models.DatasetModels or None
            The models.

        Returns
        -------
        list of str
            The names; empty if nothing has changed.
        """
        state = ModelState.read(models)
        changes = [
            f"the model {name}"
            for name in {**self.attributes, **state.attributes}
            if not _are_same(self.attributes.get(name), state.attributes.get(name))
        ]
        changes += [
            f"the parameter {name}"
            for name, parameter in self.parameters.items()
            if parameter.has_changed(state.parameters.get(name))
        ]
        if not changes:
            changes = [
                f"the covariance of {name}"
                for name, (_, covariance) in self.covariances.items()
                if not np.array_equal(covariance, state.covariances[name][1], equal_nan=True)
            ]
        return changes

    def restore(self) -> None:
        """Set the models to this state."""
        for model, attributes in self.attributes.values():
            for name, value in attributes.items():
                setattr(model, name, value)
        for parameter in self.parameters.values():
            parameter.restore()
        for part, covariance in self.covariances.values():
            part.covariance = covariance


def _read_attributes(model: Any) -> dict[str, Any]:
    attributes = {name: vars(model)[name] for name in ATTRIBUTES if name in vars(model)}
    return {
        name: type(value)(value) if isinstance(value, list | dict) else value
        for name, value in attributes.items()
    }


def _are_same(
    first: tuple[Any, dict[str, Any]] | None, second: tuple[Any, dict[str, Any]] | None
) -> bool:
    if first is None or second is None or first[0] is not second[0]:
        return False
    first_attributes, second_attributes = first[1], second[1]
    return first_attributes.keys() == second_attributes.keys() and all(
        value is second_attributes[name]
        or (isinstance(value, list | dict | str) and value == second_attributes[name])
        for name, value in first_attributes.items()
    )


def _iter_parameters(models: Any) -> Iterator[tuple[str, ParameterState]]:
    for model in models or ():
        for parameter in model.parameters:
            yield f"{model.name}.{parameter.name}", ParameterState.read(parameter)


def _iter_parts(models: Any) -> Iterator[tuple[str, Any]]:
    """Yield the spectral, spatial and temporal models, which gammapy reads covariances from."""
    for model in models or ():
        for name in ("spectral_model", "spatial_model", "temporal_model"):
            if (part := getattr(model, name, None)) is not None:
                yield f"the {name.replace('_', ' ')} of {model.name}", part
