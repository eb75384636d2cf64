"""Pixels and bins in which the datasets of skyred and gammapy may differ, as documented."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u
from gammapy.irf import FoVAlignment
from gammapy.irf.background import BackgroundIRF

if TYPE_CHECKING:
    from gammapy.maps import Geom
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

EDGE_TOLERANCE = u.Quantity(1e-9, "deg")
CLIPPED_PROBABILITY = 1e-8  # gammapy sets smaller elements of energy dispersion kernels to 0


def find_partial_energies(geom: Geom, irf: Any) -> Mask:
    """Return the bins of reconstructed energy with one edge beyond the background IRF.

    gammapy's background can be NaN there; skyred's is 0.

    Parameters
    ----------
    geom : gammapy.maps.Geom
        The geometry of the background.
    irf : gammapy.irf.IRF
        The background IRF.

    Returns
    -------
    numpy.ndarray of bool
        The bins, broadcastable to the shape of the data.
    """
    edges = geom.axes["energy"].edges
    limits = irf.axes["energy"].edges[[0, -1]].to(edges.unit)
    low, high = edges[:-1], edges[1:]
    is_partial = ((low < limits[0]) & (high > limits[0])) | ((low < limits[1]) & (high > limits[1]))
    shape = [1] * len(geom.data_shape)
    shape[len(geom.axes) - 1 - geom.axes.index("energy")] = -1  # data have the reverse order
    return np.asarray(is_partial).reshape(shape)


def find_edge_pixels(geom: Geom, irf: Any, observation: Any) -> Mask:
    """Return the pixels whose centre is exactly on the outer edge of an IRF.

    Beyond the edge, the IRF is 0: rounding errors of the coordinates decide on which side such a
    pixel is. An offset of 0 is not an edge, because there are no negative offsets.

    Parameters
    ----------
    geom : gammapy.maps.Geom
        The geometry.
    irf : gammapy.irf.IRF
        The IRF.
    observation : gammapy.data.Observation
        The run.

    Returns
    -------
    numpy.ndarray of bool
        The pixels, with the shape of an image.
    """
    positions = geom.to_image().get_coord().skycoord.icrs
    pointing = observation.get_pointing_icrs(observation.tmid)
    if "offset" in irf.axes.names:
        if isinstance(irf, BackgroundIRF):  # continued by one bin at both ends, as by the makers
            irf = irf.pad(1, mode="edge", axis_name="offset")
        edges = irf.axes["offset"].edges[[0, -1]]
        return _is_at(positions.separation(pointing), edges[edges > 0])
    is_edge = np.zeros(positions.shape, dtype=bool)
    is_rotating = str(getattr(irf, "fov_alignment", "")) == str(FoVAlignment.ALTAZ)
    if {"fov_lon", "fov_lat"} <= set(irf.axes.names) and not is_rotating:
        frame = positions.transform_to(pointing.skyoffset_frame())
        is_reversed = str(irf.fov_alignment) == str(FoVAlignment.REVERSE_LON_RADEC)
        lon = frame.lon.wrap_at("180d") * (1 if is_reversed else -1)
        for name, angle in (("fov_lon", lon), ("fov_lat", frame.lat)):
            is_edge |= _is_at(angle, irf.axes[name].edges[[0, -1]])
    return is_edge


def find_clipped(geom: Geom, values: NDArray[Any], expected: NDArray[Any]) -> Mask:
    """Return the elements of an energy dispersion kernel that were set to 0 in one dataset only.

    gammapy sets elements below 1e-8 to 0. Rounding errors decide on which side an element is.

    Parameters
    ----------
    geom : gammapy.maps.Geom
        The geometry of the energy dispersion.
    values, expected : numpy.ndarray
        The values.

    Returns
    -------
    numpy.ndarray of bool
        The elements; none if the energy dispersion is not a kernel.
    """
    if "energy" not in geom.axes.names:
        return np.zeros(values.shape, dtype=bool)
    low, high = np.minimum(values, expected), np.maximum(values, expected)
    return np.asarray((low == 0) & (abs(high / CLIPPED_PROBABILITY - 1) < 1e-6))


def _is_at(angles: u.Quantity, edges: u.Quantity) -> Mask:
    is_at = np.zeros(angles.shape, dtype=bool)
    for edge in edges:
        is_at |= abs(angles - edge) < EDGE_TOLERANCE
    return is_at
