"""PSF of maps from PSF IRFs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from astropy import units as u
from gammapy.irf import EnergyDependentMultiGaussPSF
from gammapy.irf.psf.parametric import get_sigmas_and_norms
from gammapy.utils.gauss import MultiGauss2D

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
    if isinstance(irf, EnergyDependentMultiGaussPSF):
        density = _sum_gaussians(rad.center, *get_sigmas_and_norms(**parameters))
    else:
        density = irf.evaluate_direct(rad=rad.center[:, None], **parameters).value
    return _normalise(density, rad)


def _sum_gaussians(rad: u.Quantity, sigmas: u.Quantity, norms: u.Quantity) -> Array:
    """Return the sum of Gaussians, as gammapy's `MultiGauss2D`, but without units.

    Parameters
    ----------
    rad : astropy.units.Quantity
        The radius, shape (m,).
    sigmas, norms : astropy.units.Quantity
        The width and the relative integral of each Gaussian, shape (3, k, 1, n).

    Returns
    -------
    numpy.ndarray
        The density per squared unit of the radius, shape (k, m, n).
    """
    gaussians = MultiGauss2D(sigmas, norms)
    gaussians.normalize()
    widths, integrals = sigmas.to_value(rad.unit)[:, :, 0], u.Quantity(gaussians.norms)[:, :, 0]
    density = np.zeros((len(rad), *widths.shape[1:]))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # a width of 0
        for width, integral in zip(widths, integrals.to_value(""), strict=True):
            amplitude = integral / (2 * np.pi * width**2)
            for index, values in enumerate(_iter_gaussian(rad.value, amplitude, width)):
                density[index] += values
    return np.moveaxis(density, 0, 1)


def _iter_gaussian(rad: Array, amplitude: Array, width: Array) -> Iterator[Array]:
    """Yield the values of a Gaussian at each radius, in the shape of its width.

    At radii with equal distances, the ratio of neighbours changes by the same factor from one to
    the next, so that exponentials are only computed three times.
    """
    exponent = -0.5 / width**2
    step = (rad[-1] - rad[0]) / max(1, len(rad) - 1)
    if not np.allclose(np.diff(rad), step, rtol=1e-9, atol=0):
        yield from (amplitude * np.exp(exponent * radius**2) for radius in rad)
        return
    values = amplitude * np.exp(exponent * rad[0] ** 2)
    ratio = np.exp(exponent * (2 * rad[0] + step) * step)
    factor = np.exp(exponent * 2 * step**2)
    for _ in rad:
        yield values
        values, ratio = values * ratio, ratio * factor


def _normalise(density: Array, rad: MapAxis) -> Array:
    """Divide a density by its integral over the radius, as gammapy's `Map.normalize`."""
    weights = 2 * np.pi * rad.center.value * rad.bin_width.value
    cumulative_maximum = np.einsum("krn,r->kn", density, weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        density = density / cumulative_maximum[:, None]
    return density if np.isfinite(density.sum()) else np.nan_to_num(density, copy=False)
