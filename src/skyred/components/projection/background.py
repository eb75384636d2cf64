"""Predicted background of a map from a background IRF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u
from numpy.typing import NDArray
from scipy.sparse import csr_array

from skyred.components.projection.interpolation import Array, Weights, scale
from skyred.components.projection.irf_values import interpolate_table, weigh_offsets

if TYPE_CHECKING:
    from gammapy.irf import Background2D, Background3D, BackgroundIRF
    from gammapy.maps import MapAxis

FLAT = 1e-4  # exponents for which the integral of a power law is expanded, times a range of ln E


def fill_missing_energies(values: NDArray[Any]) -> NDArray[Any]:
    """Replace missing values by interpolating logarithms along the first axis.

    Parameters
    ----------
    values : numpy.ndarray
        The values of a background IRF, with the energy as first dimension. Values of 0 and those
        that are not finite are missing.

    Returns
    -------
    numpy.ndarray
        The values; those that are missing below the first and above the last valid energy remain.

    References
    ----------
    gammapy's `IRF.interp_missing_data`, for all pixels at once.
    """
    missing = ~np.isfinite(values) | (values == 0)
    if not missing.any():
        return values
    n_energies = len(values)
    bins = np.arange(n_energies).reshape(-1, *[1] * (values.ndim - 1))
    before = np.maximum.accumulate(np.where(missing, -1, bins), axis=0)
    after = np.minimum.accumulate(np.where(missing, n_energies, bins)[::-1], axis=0)[::-1]
    where = np.nonzero(missing & (before >= 0) & (after < n_energies))
    pixel = where[1:]
    low, high = before[where], after[where]
    log_low, log_high = (
        scale(values[(index, *pixel)], "log").astype(float) for index in (low, high)
    )
    filled = values.astype(values.dtype.newbyteorder("="))
    slope = (log_high - log_low) / (high - low)
    filled[where] = np.exp(slope * (where[0] - low) + log_low)
    return filled


def project_background_2d(
    irf: Background2D, offsets: Array, energy: MapAxis, fill_missing: bool = True
) -> Array:
    """Integrate a background rate that depends on the offset over the bins of an energy axis.

    Parameters
    ----------
    irf : gammapy.irf.Background2D
        The IRF.
    offsets : numpy.ndarray
        The offsets of the pixels in deg, shape (n,).
    energy : gammapy.maps.MapAxis
        The reconstructed energy, with m bins.
    fill_missing : bool
        Whether missing values are interpolated along the energy; see `fill_missing_energies`.

    Returns
    -------
    numpy.ndarray
        The rate in s-1 sr-1, shape (m, n).
    """
    table, in_range, edges = _interpolate_logarithms(irf, energy, fill_missing)
    weights = weigh_offsets(irf, offsets)
    return _integrate(irf, weights.apply_to_last(table), edges, in_range, weights.in_range)


def project_background_3d(
    irf: Background3D, lon: Array, lat: Array, energy: MapAxis, fill_missing: bool = True
) -> Array:
    """Integrate a background rate that depends on field-of-view coordinates over energy.

    Parameters
    ----------
    irf : gammapy.irf.Background3D
        The IRF.
    lon, lat : numpy.ndarray
        The field-of-view coordinates of the pixels in deg, shape (n,).
    energy : gammapy.maps.MapAxis
        The reconstructed energy, with m bins.
    fill_missing : bool
        Whether missing values are interpolated along the energy; see `fill_missing_energies`.

    Returns
    -------
    numpy.ndarray
        The rate in s-1 sr-1, shape (m, n).
    """
    table, in_range, edges = _interpolate_logarithms(irf, energy, fill_missing)
    pair = [
        Weights.create(irf.axes[name], values * u.deg.to(irf.axes[name].unit))
        for name, values in (("fov_lon", lon), ("fov_lat", lat))
    ]
    matrix = _combine(*pair)
    logarithms = np.stack([matrix @ row for row in table.reshape(len(table), -1)])
    return _integrate(irf, logarithms, edges, in_range, pair[0].in_range & pair[1].in_range)


def _interpolate_logarithms(
    irf: BackgroundIRF, energy: MapAxis, fill_missing: bool
) -> tuple[Array, NDArray[np.bool_], Array]:
    """Return logarithms of the rate at the edges of energy bins, and the edges in its unit."""
    edges = energy.edges.to_value(irf.axes["energy"].unit)
    logarithms = scale(fill_missing_energies(irf.data) if fill_missing else irf.data, "log")
    table, in_range = interpolate_table(irf, logarithms, {"energy": edges})
    return table, in_range, edges


def _combine(first: Weights, second: Weights) -> csr_array:
    """Return the weights of bilinear interpolation as a matrix, with the nodes as columns."""
    steps = [(weights.n_nodes > 1) * 1 for weights in (first, second)]
    columns, values = [], []
    for i in range(steps[0] + 1):
        for j in range(steps[1] + 1):
            columns.append((first.index + i) * second.n_nodes + second.index + j)
            values.append(_weight(first, i) * _weight(second, j))
    n_pixels, n_columns = len(first.index), len(columns)
    fits_int32 = n_pixels * n_columns <= np.iinfo(np.int32).max
    index_type = np.int32 if fits_int32 else np.int64  # scipy converts int64 if it can
    row_ends = np.arange(0, n_pixels * n_columns + 1, n_columns, dtype=index_type)
    indices = np.stack(columns, axis=1).astype(index_type).ravel()
    return csr_array(
        (np.stack(values, axis=1).ravel(), indices, row_ends),
        shape=(n_pixels, first.n_nodes * second.n_nodes),
    )


def _weight(weights: Weights, step: int) -> Array:
    return weights.fraction if step else 1 - weights.fraction


def _integrate(
    irf: BackgroundIRF,
    logarithms: Array,
    edges: Array,
    in_range: NDArray[np.bool_],
    pixel_in_range: NDArray[np.bool_],
) -> Array:
    """Integrate a rate, in the unit of the IRF, over the bins between edges of the energy.

    The rate is a power law of the energy in each bin, as in gammapy's `trapz_loglog`. A bin with an
    edge outside the energies of the IRF has no background.
    """
    with np.errstate(over="ignore"):  # far beyond the offsets of the IRF, where it is set to 0
        rate = np.exp(logarithms)
    rate[~in_range] = 0
    rate[:, ~pixel_in_range] = 0
    if not np.isfinite(rate.sum()):
        rate[~np.isfinite(rate)] = 0
    unit = u.Unit(irf.unit) * u.Unit(irf.axes["energy"].unit)
    weighted = rate * (edges * unit.to("s-1 sr-1"))[:, None]
    width = np.diff(np.log(edges))[:, None]
    # the exponent of the integral of a power law through two values, times the width
    exponent = np.diff(logarithms, axis=0)
    exponent += width
    with np.errstate(all="ignore"):
        integral = np.diff(weighted, axis=0)
        integral *= width
        integral /= exponent
    flat = np.abs(exponent) < FLAT
    if flat.any():
        expansion = weighted[:-1] * width * (1 + exponent / 2 + exponent**2 / 6)
        integral[flat] = expansion[flat]
    positive = rate > 0
    integral[~(positive[:-1] & positive[1:])] = 0
    return np.asarray(integral)
