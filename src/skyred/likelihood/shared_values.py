"""Parameters that share one value: linked parameters, and those of gammapy's nested models.

Parameters that are linked in gammapy are the same object. Those of its `NestedModelSelection` are
different objects with the same ``__dict__``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gammapy.modeling import Parameter
    from gammapy.modeling.models import DatasetModels


def value_key(parameter: Parameter) -> int:
    """Return a key that is the same for parameters that share one value.

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
