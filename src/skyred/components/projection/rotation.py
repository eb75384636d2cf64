"""Predicted background of a map from an IRF that is aligned with the horizon."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.coordinates.erfa_astrom import ErfaAstromInterpolator, erfa_astrom
from gammapy.makers.utils import _compute_rotation_time_steps
from gammapy.utils.coordinates import FoVAltAzFrame

from skyred.components.projection.background import project_background_3d
from skyred.components.projection.interpolation import Array
from skyred.components.projection.pixels import PixelGrid

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.irf import Background3D
    from gammapy.maps import MapAxis

TIME_RESOLUTION = 1000 * u.s  # of precession, nutation and aberration, as in gammapy


def project_rotating_background(
    irf: Background3D,
    grid: PixelGrid,
    energy: MapAxis,
    observation: Observation,
    step: u.Quantity,
    fill_missing: bool = True,
) -> Array:
    """Average a background rate over a run, during which the field of view rotates.

    Parameters
    ----------
    irf : gammapy.irf.Background3D
        The IRF, aligned with the horizon (``ALTAZ``).
    grid : PixelGrid
        The n pixels.
    energy : gammapy.maps.MapAxis
        The reconstructed energy, with m bins.
    observation : gammapy.data.Observation
        The run, with a fixed pointing in ICRS or in horizontal coordinates.
    step : astropy.units.Quantity
        The rotation of the field of view between two times, an angle.
    fill_missing : bool
        Whether missing values of the IRF are interpolated along the energy.

    Returns
    -------
    numpy.ndarray
        The rate in s-1 sr-1, shape (m, n): the integral over time by the trapezoidal rule, divided
        by the time, as in gammapy's `integrate_project_irf_on_geom`.
    """
    start, location = observation.tstart, observation.observatory_earth_location
    stop = start + observation.observation_time_duration
    times = _compute_rotation_time_steps(start, stop, step, observation.pointing, location)
    intervals = np.diff((times - times[0]).to_value("s"))
    weights = (np.append(intervals, 0) + np.insert(intervals, 0, 0)) / (2 * intervals.sum())
    rate = np.zeros((energy.nbin, len(grid.lon)))
    coordinates = _iter_coordinates(grid, observation, times)
    for weight, (lon, lat) in zip(weights, coordinates, strict=True):
        rate += weight * project_background_3d(irf, lon, lat, energy, fill_missing)
    return rate


def _iter_coordinates(
    grid: PixelGrid, observation: Observation, times: Any
) -> Iterator[tuple[Array, Array]]:
    """Yield field-of-view coordinates of the pixels in deg, one time at once to save memory."""
    position = SkyCoord(grid.lon, grid.lat, unit="rad", frame=grid.frame)
    location = observation.observatory_earth_location
    with erfa_astrom.set(ErfaAstromInterpolator(TIME_RESOLUTION)):
        for time in times:
            origin = observation.pointing.get_altaz(time, location)
            frame = FoVAltAzFrame(origin=origin, location=origin.location, obstime=time)
            coordinates = position.transform_to(frame)
            yield coordinates.fov_lon.to_value("deg"), coordinates.fov_lat.to_value("deg")
