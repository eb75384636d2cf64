"""Differences between a model and the model that is created from its dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u

# of parameters; limits of uniform priors are also limits of the parameter
ATTRIBUTES = ("value", "frozen", "prior", "min", "max", "link")
QUANTITIES = ("value", "min", "max")
PARAMETER_RTOL = 1e-9
OPTION_RTOL = 1e-6


def find_different_attribute(parameter: Any, second: Any) -> str:
    """Return the first attribute of a parameter that a second one does not have.

    Parameters
    ----------
    parameter, second : gammapy.modeling.Parameter
        The parameters. Their units may differ.

    Returns
    -------
    str
        The attribute, such as ``"min"``; "" if all are equal.
    """
    for name in ATTRIBUTES:
        value, value_of_second = (_get_attribute(item, name) for item in (parameter, second))
        if not is_equal(value, value_of_second, rtol=PARAMETER_RTOL):
            return name
    return ""


def _get_attribute(parameter: Any, name: str) -> Any:
    if name in QUANTITIES:
        return u.Quantity(getattr(parameter, name), parameter.unit)
    if name == "prior":
        return None if parameter.prior is None else parameter.prior.to_dict()
    return parameter._link_label_io if name == "link" else bool(parameter.frozen)


def is_equal(value: Any, second: Any, rtol: float = OPTION_RTOL) -> bool:
    """Return whether two plain values, quantities, arrays, or collections of them are equal.

    Parameters
    ----------
    value, second : object
        The values. NaN is equal to NaN, a tuple to a list, a text such as "3 TeV" to the quantity,
        and a path to its text. Objects of other types are always equal.
    rtol : float
        The relative tolerance of numbers.

    Returns
    -------
    bool
        Whether they are equal.
    """
    value, second = (str(item) if isinstance(item, Path) else item for item in (value, second))
    if isinstance(value, Mapping) and isinstance(second, Mapping):
        return value.keys() == second.keys() and all(
            is_equal(item, second[key], rtol) for key, item in value.items()
        )
    if all(isinstance(item, (list, tuple)) for item in (value, second)):
        return len(value) == len(second) and all(
            is_equal(*items, rtol) for items in zip(value, second, strict=True)
        )
    if any(item is None or isinstance(item, (str, bool)) for item in (value, second)) and not any(
        isinstance(item, u.Quantity) for item in (value, second)
    ):
        return _is_same(value, second)
    try:
        return _is_close(u.Quantity(value), u.Quantity(second), rtol)
    except (TypeError, ValueError):  # not numbers
        return _is_same(value, second)


def _is_close(value: u.Quantity, second: u.Quantity, rtol: float) -> bool:
    if value.dtype.names or second.dtype.names:  # tables
        return value.dtype.names == second.dtype.names and all(
            is_equal(value[name], second[name], rtol) for name in value.dtype.names
        )
    return (
        value.shape == second.shape
        and value.unit.is_equivalent(second.unit)
        and bool(u.allclose(value, second, rtol=rtol, atol=0 * value.unit, equal_nan=True))
    )


def _is_same(value: Any, second: Any) -> bool:
    """Return whether two texts, booleans, None or arrays of texts are equal."""
    plain_types = (str, bool, int, float, complex, np.generic, np.ndarray, u.Quantity, type(None),
                   list, tuple, Mapping)  # fmt: skip
    if not all(isinstance(item, plain_types) for item in (value, second)):
        return True
    return np.array_equal(np.asarray(value, dtype=object), np.asarray(second, dtype=object))
