"""Energy dispersion of maps and spectra from an energy dispersion IRF."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skyred.components.projection.interpolation import Array, Weights
from skyred.components.projection.irf_values import interpolate_table, weigh_offsets

if TYPE_CHECKING:
    from gammapy.irf import EnergyDispersion2D
    from gammapy.maps import MapAxis

THRESHOLD = 1e-8  # smaller probabilities are set to 0, as in gammapy


def project_kernel(
    irf: EnergyDispersion2D, offsets: Array, energy: MapAxis, energy_true: MapAxis
) -> Array:
    """Return the probabilities of reconstructed energies.

    The cumulative distribution of the migration (reconstructed by true energy) is interpolated at
    the edges of the reconstructed energies. As long as no interpolated density is negative, it is
    linear in the weights of the offset, so that it is needed at the nodes of the offset only.

    Parameters
    ----------
    irf : gammapy.irf.EnergyDispersion2D
        The IRF.
    offsets : numpy.ndarray
        The offsets of the pixels in deg, shape (n,).
    energy, energy_true : gammapy.maps.MapAxis
        The reconstructed energy, with m bins, and the true energy, with k bins.

    Returns
    -------
    numpy.ndarray
        The probabilities, shape (k, m, n); 0 where the IRF has no values.
    """
    centers = energy_true.center
    points = {"energy_true": centers.to_value(irf.axes["energy_true"].unit)}
    density, _ = interpolate_table(irf, irf.data, points)  # energy_true, migra, offset
    weights = weigh_offsets(irf, offsets)
    migration = (energy.edges[None] / centers[:, None]).to_value("")
    axis = irf.axes["migra"]
    cumulative, total = _accumulate(density, axis, migration)
    kernel = weights.apply_to_last(cumulative)
    norm = weights.apply_to_last(total)
    special = weights.extrapolates
    if (density < 0).any() or not np.isfinite(density).all():
        special = np.ones_like(special)
    if special.any():
        pixel_weights = weigh_offsets(irf, offsets[special])
        pixel_density = pixel_weights.apply_to_last(density)
        pixel_density = np.nan_to_num(np.maximum(pixel_density, 0), posinf=0)
        kernel[..., special], norm[..., special] = _accumulate(pixel_density, axis, migration)
    with np.errstate(invalid="ignore", divide="ignore"):
        kernel = np.diff(kernel, axis=1) / norm[:, None]
    kernel[~(kernel >= THRESHOLD)] = 0  # NaN too
    kernel[..., ~weights.in_range] = 0
    return kernel


def _accumulate(density: Array, axis: MapAxis, migration: Array) -> tuple[Array, Array]:
    """Return the integral of a density up to migrations, and its total.

    Parameters
    ----------
    density : numpy.ndarray
        The density, with the dimensions true energy, migration, offset.
    axis : gammapy.maps.MapAxis
        The axis of the migration.
    migration : numpy.ndarray
        The migrations, shape (k, m + 1).

    Returns
    -------
    tuple of numpy.ndarray
        The integrals, shape (k, m + 1, offsets), and the totals, shape (k, offsets).
    """
    edges = axis.edges.value
    cumulative = np.zeros((density.shape[0], len(edges), density.shape[2]))
    np.cumsum(density * np.diff(edges)[:, None], axis=1, out=cumulative[:, 1:])
    index = np.clip(np.searchsorted(edges, migration) - 1, 0, len(edges) - 2)
    fraction = np.clip((migration - edges[index]) / (edges[index + 1] - edges[index]), 0, 1)
    rows = np.arange(len(cumulative))[:, None]
    lower, upper = cumulative[rows, index], cumulative[rows, index + 1]
    return lower + fraction[..., None] * (upper - lower), cumulative[:, -1]


def project_migration(
    irf: EnergyDispersion2D, offsets: Array, migra: MapAxis, energy_true: MapAxis
) -> Array:
    """Return the density of the migration, normalised along the axis of a map.

    Parameters
    ----------
    irf : gammapy.irf.EnergyDispersion2D
        The IRF.
    offsets : numpy.ndarray
        The offsets of the pixels in deg, shape (n,).
    migra, energy_true : gammapy.maps.MapAxis
        The migration, with m bins, and the true energy, with k bins.

    Returns
    -------
    numpy.ndarray
        The density, shape (k, m, n).
    """
    points = {
        "energy_true": energy_true.center.to_value(irf.axes["energy_true"].unit),
        "migra": migra.center.to_value(""),
    }
    table, _ = interpolate_table(irf, irf.data, points)
    weights = weigh_offsets(irf, offsets)
    density = np.maximum(weights.apply_to_last(table), 0)
    out_of_range = ~np.logical_or.outer(
        *(Weights.create(irf.axes[name], points[name]).in_range for name in points)
    )
    density[out_of_range] = 0
    density[..., ~weights.in_range] = 0
    density[~np.isfinite(density)] = 0
    total = (density * migra.bin_width.to_value("")[:, None]).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.nan_to_num(density / total[:, None]))
