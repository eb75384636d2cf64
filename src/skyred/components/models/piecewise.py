"""The energies and norms of the norm model ``piecewise-norm``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy import units as u

from skyred.errors import Problem
from skyred.fields.parameter_entries import SubmodelError

EXPECTED = "expected at least two increasing energies, such as [1 TeV, 3 TeV, 10 TeV]"


def convert_energies(data: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the energies of a piecewise norm to gammapy's mapping of data and unit.

    Parameters
    ----------
    data : mapping
        The mapping of the model. Its energies are a list, or gammapy's mapping.

    Returns
    -------
    dict
        The mapping of the model, with gammapy's mapping of the energies.

    Raises
    ------
    SubmodelError
        If the energies are missing or not valid.
    """
    energies = data.get("energy")
    if energies is None:
        raise SubmodelError(Problem((), "missing key 'energy'", EXPECTED))
    try:
        if isinstance(energies, Mapping):
            quantity = u.Quantity(energies["data"], energies["unit"])
        else:
            quantity = u.Quantity([u.Quantity(energy) for energy in energies])
        values = np.atleast_1d(quantity.to_value("TeV"))
    except (TypeError, ValueError, KeyError) as error:
        raise SubmodelError(Problem(("energy",), f"invalid value: {error}", EXPECTED)) from error
    if len(values) < 2 or not (values[0] > 0 and np.all(np.diff(values) > 0)):
        raise SubmodelError(Problem(("energy",), f"invalid value {quantity}", EXPECTED))
    converted = {"data": np.atleast_1d(quantity.value).tolist(), "unit": quantity.unit.to_string()}
    return {"interp": "log", **data, "energy": converted}


def node_parameters(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a piecewise norm with their defaults: a norm of 1 at each energy.

    Parameters
    ----------
    data : mapping
        The mapping of the model, as returned by `convert_energies`.

    Returns
    -------
    dict of str to gammapy.modeling.Parameter
        The parameters ``norm_0``, ``norm_1`` and so on, by name.
    """
    from gammapy.modeling import Parameter

    names = [f"norm_{index}" for index in range(len(data["energy"]["data"]))]
    return {name: Parameter(name, 1.0) for name in names}
