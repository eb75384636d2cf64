"""Bins of energy and of the field of view of a camera, with coordinates and histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from astropy import units as u
from numpy.typing import NDArray

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.time import Time
    from gammapy.data import Observation
    from gammapy.maps import MapAxes, MapAxis

Array = NDArray[np.float64]
INTERPOLATION_STEP = 300 * u.s


@attrs.frozen
class Camera:
    """Bins of reconstructed energy and of the field of view.

    Parameters
    ----------
    energy : tuple of float
        Edges of the energy bins in TeV.
    extent : float
        Largest offset, or half the width of a square field of view, in deg.
    bins : int
        Number of bins from the centre to the extent.
    radial : bool
        Whether the bins are rings; if not, they are in longitude and latitude.
    altaz : bool
        Whether longitude and latitude are aligned with the horizon; if not, with right ascension.
    """

    energy: tuple[float, ...]
    extent: float
    bins: int
    radial: bool
    altaz: bool

    @property
    def sky_rotates(self) -> bool:
        """Whether the sky rotates in the field of view during a run."""
        return self.altaz and not self.radial

    def axes(self) -> MapAxes:
        """Return gammapy's axes: energy, then offset, or fov_lon and fov_lat."""
        from gammapy.maps import MapAxes, MapAxis

        energy = MapAxis.from_energy_edges(self.energy * u.TeV, name="energy")
        return MapAxes([energy, *self.fov_axes()])

    def fov_axes(self) -> list[MapAxis]:
        """Return the axes of the field of view."""
        from gammapy.maps import MapAxis

        if self.radial:
            return [MapAxis.from_bounds(0, self.extent, self.bins, unit="deg", name="offset")]
        span = (-self.extent, self.extent, 2 * self.bins)
        names = ("fov_lon", "fov_lat")
        return [MapAxis.from_bounds(*span, unit="deg", name=name) for name in names]

    def solid_angle(self) -> Array:
        """Compute the solid angle of each bin of the field of view, in sr."""
        edges = [axis.edges.to_value("rad") for axis in self.fov_axes()]
        if self.radial:
            return np.asarray(-2 * np.pi * np.diff(np.cos(edges[0])))
        lon, lat = edges
        return np.asarray(np.outer(np.diff(lon), np.diff(np.sin(lat))))

    def to_fov(self, sky: SkyCoord, times: Time | None, observation: Observation) -> list[Array]:
        """Convert sky positions to coordinates in the field of view, in deg.

        Parameters
        ----------
        sky : SkyCoord
            The positions.
        times : Time or None
            The times, with a shape that can be broadcast to that of `sky`; only used if the sky
            rotates in the field of view.
        observation : Observation
            The observation, with its pointing.

        Returns
        -------
        list of array
            A coordinate for each axis of `fov_axes`, with gammapy's definitions.
        """
        from astropy.coordinates.erfa_astrom import ErfaAstromInterpolator, erfa_astrom
        from gammapy.utils.coordinates import FoVICRSFrame

        pointing = observation.pointing.fixed_icrs
        if self.radial:
            return [sky.separation(pointing).deg]
        # as in gammapy, the slow part of the transformation is interpolated in time
        with erfa_astrom.set(ErfaAstromInterpolator(INTERPOLATION_STEP)):
            frame = (
                _altaz_frame(observation, times) if self.altaz else FoVICRSFrame(origin=pointing)
            )
            fov = sky.transform_to(frame)
        return [fov.fov_lon.deg, fov.fov_lat.deg]

    def histogram(self, energy: Array, fov: list[Array]) -> Array:
        """Count events in the bins of energy (TeV) and of the field of view."""
        edges = [np.asarray(self.energy), *self._edges()]
        return np.histogramdd([energy, *fov], bins=edges)[0]

    def sum_weights(self, weights: Array, fov: list[Array]) -> Array:
        """Sum weights in the bins of the field of view."""
        flat = [coordinate.ravel() for coordinate in fov]
        return np.histogramdd(flat, bins=self._edges(), weights=weights.ravel())[0]

    def _edges(self) -> list[Array]:
        return [axis.edges.to_value("deg") for axis in self.fov_axes()]


def _altaz_frame(observation: Observation, times: Any) -> Any:
    from gammapy.utils.coordinates import FoVAltAzFrame

    location = observatory_location(observation)
    origin = observation.pointing.get_altaz(times, location)
    return FoVAltAzFrame(origin=origin, location=location, obstime=times)


def observatory_location(observation: Observation) -> Any:
    """Return the location of the telescopes.

    Raises
    ------
    ValueError
        If the run has no location.
    """
    location = observation.observatory_earth_location
    if location is None:
        raise ValueError(
            f"run {observation.obs_id} has no observatory location (GEOLON, GEOLAT, ALTITUDE), "
            "so its zenith angle is unknown"
        )
    return location
