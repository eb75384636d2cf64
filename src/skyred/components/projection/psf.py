"""PSF of maps from PSF IRFs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from astropy import units as u

from skyred.components.projection.interpolation import Array
from skyred.components.projection.irf_values import (
    evaluate_at_offsets,
    interpolate_table,
    weigh_offsets,
)

if TYPE_CHECKING:
    from gammapy.irf import PSF3D, ParametricPSF
    from gammapy.maps import MapAxis


def project_table(irf: PSF3D, offsets: Array, rad: MapAxis, energy_true: MapAxis) -> Array:
    """Return the density of a PSF table, normalised along the radius of a map.

    Parameters
    ----------
    irf : gammapy.irf.PSF3D
        The IRF.
    offsets : numpy.ndarray
        The offsets of the pixels in deg, shape (n,).
    rad, energy_true : gammapy.maps.MapAxis
        The radius, with m bins, and the true energy, with k bins.

    Returns
    -------
    numpy.ndarray
        The density per squared unit of the radius, shape (k, m, n).
    """
    points = {
        "energy_true": energy_true.center.to_value(irf.axes["energy_true"].unit),
        "rad": rad.center.to_value(irf.axes["rad"].unit),
    }
    return _normalise(evaluate_at_offsets(irf, offsets, points), rad)


def project_parameters(
    irf: ParametricPSF, offsets: Array, rad: MapAxis, energy_true: MapAxis
) -> Array:
    """Return the density of a PSF given by parameters, normalised along the radius of a map.

    Parameters
    ----------
    irf : gammapy.irf.ParametricPSF
        The IRF.
    offsets : numpy.ndarray
        The offsets of the pixels in deg, shape (n,).
    rad, energy_true : gammapy.maps.MapAxis
        The radius, with m bins, and the true energy, with k bins.

    Returns
    -------
    numpy.ndarray
        The density per squared unit of the radius, shape (k, m, n).
    """
    points = {"energy_true": energy_true.center.to_value(irf.axes["energy_true"].unit)}
    weights = weigh_offsets(irf, offsets)
    parameters = {}
    for name in irf.required_parameters:
        table, _ = interpolate_table(irf, irf.data[name], points)
        values = np.maximum(weights.apply_to_last(table), 0)
        parameters[name] = u.Quantity(values[:, None], irf.unit[name], copy=False)
    density = irf.evaluate_direct(rad=rad.center[:, None], **parameters)
    return _normalise(density.value, rad)


def _normalise(density: Array, rad: MapAxis) -> Array:
    """Divide a density by its integral over the radius, as gammapy's `Map.normalize`."""
    weights = 2 * np.pi * rad.center.value * rad.bin_width.value
    cumulative_maximum = np.einsum("krn,r->kn", density, weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        density = density / cumulative_maximum[:, None]
    return density if np.isfinite(density.sum()) else np.nan_to_num(density, copy=False)
