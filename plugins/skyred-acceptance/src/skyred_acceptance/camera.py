"""The camera: bins of energy and of the field of view, and where in them something falls."""

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
STEP = 300 * u.s


@attrs.frozen
class Camera:
    """Bins of reconstructed energy and of the field of view.

    Parameters
    ----------
    energy : tuple of float
        Edges in TeV.
    reach : float
        How far the field of view is divided, in deg: largest offset, or half the width of a square.
    bins : int
        Number of bins from the centre to there.
    radial : bool
        Whether the field is divided in rings, or in longitude and latitude.
    altaz : bool
        Whether longitude and latitude are aligned with the horizon, or with right ascension.
    """

    energy: tuple[float, ...]
    reach: float
    bins: int
    radial: bool
    altaz: bool

    @property
    def rotates(self) -> bool:
        """Whether the sky turns in this field during a run."""
        return self.altaz and not self.radial

    def axes(self) -> MapAxes:
        """Give gammapy's axes: energy, then offset, or fov_lon and fov_lat."""
        from gammapy.maps import MapAxes, MapAxis

        energy = MapAxis.from_energy_edges(self.energy * u.TeV, name="energy")
        return MapAxes([energy, *self.field()])

    def field(self) -> list[MapAxis]:
        """Give the axes of the field of view."""
        from gammapy.maps import MapAxis

        if self.radial:
            return [MapAxis.from_bounds(0, self.reach, self.bins, unit="deg", name="offset")]
        span = (-self.reach, self.reach, 2 * self.bins)
        return [MapAxis.from_bounds(*span, unit="deg", name=n) for n in ("fov_lon", "fov_lat")]

    def solid_angle(self) -> Array:
        """Give the solid angle of each bin of the field of view, in sr."""
        edges = [axis.edges.to_value("rad") for axis in self.field()]
        if self.radial:
            return np.asarray(-2 * np.pi * np.diff(np.cos(edges[0])))
        lon, lat = edges
        return np.asarray(np.outer(np.diff(lon), np.diff(np.sin(lat))))

    def places(self, sky: SkyCoord, times: Time | None, observation: Observation) -> list[Array]:
        """Give where positions on the sky are in the field of view, in deg.

        Parameters
        ----------
        sky : SkyCoord
            The positions.
        times : Time or None
            When, of a shape that goes with theirs; used only where the sky turns.
        observation : Observation
            Where it points.

        Returns
        -------
        list of array
            A coordinate for each axis of `field`, as gammapy's background maps define them.
        """
        from astropy.coordinates.erfa_astrom import ErfaAstromInterpolator, erfa_astrom
        from gammapy.utils.coordinates import FoVICRSFrame

        pointing = observation.pointing.fixed_icrs
        if self.radial:
            return [sky.separation(pointing).deg]
        # as gammapy does: what is slow about horizontal coordinates changes slowly
        with erfa_astrom.set(ErfaAstromInterpolator(STEP)):
            frame = _horizon(observation, times) if self.altaz else FoVICRSFrame(origin=pointing)
            seen = sky.transform_to(frame)
        return [seen.fov_lon.deg, seen.fov_lat.deg]

    def histogram(self, energy: Array, places: list[Array]) -> Array:
        """Count events in the bins of energy (TeV) and of the field of view."""
        edges = [np.asarray(self.energy), *self._edges()]
        return np.histogramdd([energy, *places], bins=edges)[0]

    def spread(self, weights: Array, places: list[Array]) -> Array:
        """Sum weights in the bins of the field of view."""
        flat = [place.ravel() for place in places]
        return np.histogramdd(flat, bins=self._edges(), weights=weights.ravel())[0]

    def _edges(self) -> list[Array]:
        return [axis.edges.to_value("deg") for axis in self.field()]


def _horizon(observation: Observation, times: Any) -> Any:
    from gammapy.utils.coordinates import FoVAltAzFrame

    place = site(observation)
    origin = observation.pointing.get_altaz(times, place)
    return FoVAltAzFrame(origin=origin, location=place, obstime=times)


def site(observation: Observation) -> Any:
    """Give the place of the telescopes; raises `ValueError` if the run does not tell."""
    place = observation.observatory_earth_location
    if place is None:
        raise ValueError(
            f"run {observation.obs_id} does not say where it was taken (GEOLON, GEOLAT, ALTITUDE), "
            "so its zenith angle is not known"
        )
    return place
