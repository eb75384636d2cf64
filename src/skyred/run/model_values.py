"""Values of models at a few points, compared with those of their copies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.time import Time

N_ENERGIES = 50
DEFAULT_ENERGIES = np.geomspace(0.1, 100, N_ENERGIES) * u.TeV
DAYS = (-100, -1, 0, 0.01, 0.1, 1, 10, 100) * u.day  # since the reference time
N_PIXELS = 9
NEGLIGIBLE = 1e-9  # of the largest value; differences of smaller values are compared with this


def true_energies(datasets: Iterable[Any]) -> u.Quantity:
    """Return energies in the range of true energies of datasets.

    Parameters
    ----------
    datasets : iterable of gammapy.datasets.Dataset
        The datasets; those without exposure, such as flux points, are not used.

    Returns
    -------
    astropy.units.Quantity
        The energies, from 0.1 to 100 TeV without datasets.
    """
    exposures = [getattr(dataset, "exposure", None) for dataset in datasets]
    edges = [
        exposure.geom.axes["energy_true"].edges for exposure in exposures if exposure is not None
    ]
    if not edges:
        return DEFAULT_ENERGIES
    lowest = min(energies.min() for energies in edges).to_value("TeV")
    highest = max(energies.max() for energies in edges).to_value("TeV")
    # not the edges themselves, which may round to values outside the range
    return np.geomspace(lowest, highest, N_ENERGIES + 2)[1:-1] * u.TeV


def relative_change(model: Any, copy: Any, energies: u.Quantity) -> float:
    """Return the largest relative difference of the values of a model and of its copy.

    Parameters
    ----------
    model, copy : gammapy.modeling.models.ModelBase
        The spectral, spatial or temporal models.
    energies : astropy.units.Quantity
        The energies at which they are evaluated.

    Returns
    -------
    float
        The difference; NaN if the model cannot be evaluated, 0 if its values are random numbers.
    """
    try:
        points = _points(model, energies)
        values = _evaluate(model, points)
    except Exception:  # the class may raise anything, for example outside its range of energies
        return np.nan
    try:
        values_of_copy = _evaluate(copy, points)
    except Exception:  # the class may raise anything
        return np.inf
    change = _largest_change(values, values_of_copy)
    if change > 0 and _largest_change(values, _evaluate(model, points)) > change / 10:
        return 0
    return change


def _points(model: Any, energies: u.Quantity) -> Any:
    if model.type == "spectral":
        return energies
    if model.type == "temporal":
        reference = getattr(model, "reference_time", Time(55555, format="mjd"))
        return reference + DAYS, energies[len(energies) // 2]
    from gammapy.maps import MapAxis, WcsGeom

    position, radius = model.position, model.evaluation_radius
    position = SkyCoord(0, 0, unit="deg") if position is None else position
    radius = 1.0 if radius is None else max(radius.to_value("deg"), 0.1)
    edges = energies[[0, len(energies) // 2, -1]]
    axis = MapAxis.from_energy_edges(edges, name="energy_true")
    # one geometry for both models, so that another frame is another profile
    return WcsGeom.create(
        skydir=position.icrs, frame="icrs", binsz=radius / 4, npix=N_PIXELS, axes=[axis]
    )


def _evaluate(model: Any, points: Any) -> u.Quantity:
    if model.type == "spectral":
        return u.Quantity(model(points))
    if model.type == "temporal":
        times, energy = points
        return u.Quantity(model(times, energy) if model.is_energy_dependent else model(times))
    return u.Quantity(model.evaluate_geom(points))


def _largest_change(values: u.Quantity, values_of_copy: u.Quantity) -> float:
    """Return the largest relative difference; NaN is equal to NaN."""
    if values.shape != values_of_copy.shape or not values.unit.is_equivalent(values_of_copy.unit):
        return np.inf
    data, data_of_copy = (
        np.atleast_1d(item.to_value(values.unit)) for item in (values, values_of_copy)
    )
    smallest = NEGLIGIBLE * np.max(np.abs(data), where=np.isfinite(data), initial=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        change = np.abs(data_of_copy - data) / np.maximum(np.abs(data), smallest)
    change[(data == data_of_copy) | (np.isnan(data) & np.isnan(data_of_copy))] = 0
    return float(np.nan_to_num(change, nan=np.inf).max(initial=0))
