"""Pixels and bins in which the datasets of skyred and gammapy may differ, as documented."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u
from gammapy.irf import FoVAlignment

if TYPE_CHECKING:
    from gammapy.maps import Geom
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

EDGE_TOLERANCE = u.Quantity(1e-9, "deg")
CLIPPED_PROBABILITY = 1e-8  # gammapy sets smaller elements of energy dispersion kernels to 0


def find_partial_energies(geom: Geom, irf: Any) -> Mask:
    """Return the bins of reconstructed energy with one edge beyond the background IRF.

    gammapy's background can be NaN there; skyred's is that of the energies inside the IRF.

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
    pixel is.

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
        offset = irf.axes["offset"]
        # a background is continued by one bin
        edges = u.Quantity([*offset.edges, offset.edges[-1] + offset.bin_width[-1]])
        return _is_at(positions.separation(pointing), edges[[0, -2, -1]])
    is_edge = np.zeros(geom.data_shape_image, dtype=bool)
    is_rotating = str(getattr(irf, "fov_alignment", "")) == str(FoVAlignment.ALTAZ)
    if {"fov_lon", "fov_lat"} <= set(irf.axes.names) and not is_rotating:
        frame = positions.transform_to(pointing.skyoffset_frame())
        for name, angle in (("fov_lon", frame.lon.wrap_at("180d")), ("fov_lat", frame.lat)):
            edges = irf.axes[name].edges[[0, -1]]
            is_edge |= _is_at(angle, edges) | _is_at(-angle, edges)  # either sign of FOVALIGN
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
    return np.asarray(np.any([abs(angles - edge) < EDGE_TOLERANCE for edge in edges], axis=0))
