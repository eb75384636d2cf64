"""The pointing in the middle of a run and its times, which several makers need."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from skyred.components.projection.pixels import Direction

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.units import Quantity


ATTRIBUTE = "_skyred_pointing"
EARLY_HESS = ("SASH FITS::EventListWriter", "0.2")  # CREATOR and HDUVERS


@attrs.frozen(eq=False)
class _Pointing:
    """A position, and the objects of the run that it was computed from."""

    sources: tuple[Any, ...]
    position: SkyCoord

    def is_of(self, *sources: Any) -> bool:
        """Return whether the position was computed from these objects."""
        return all(first is second for first, second in zip(self.sources, sources, strict=True))


def find_pointing(observation: Any) -> SkyCoord:
    """Return the pointing in the middle of a run.

    gammapy computes it again for each use, which takes as long as projecting an IRF. A fixed
    pointing does not depend on the time, which is left out.

    Parameters
    ----------
    observation : gammapy.data.Observation
        The run.

    Returns
    -------
    astropy.coordinates.SkyCoord
        The position in ICRS.
    """
    info = observation.pointing
    if _is_fixed(observation, info):
        return info.fixed_icrs
    gti, fixed = observation.gti, (info.fixed_icrs, info.fixed_altaz)
    cached = getattr(observation, ATTRIBUTE, None)
    if cached is None or not cached.is_of(info, gti, *fixed):
        position = observation.get_pointing_icrs(observation.tmid)
        cached = _Pointing((info, gti, *fixed), position)
        with contextlib.suppress(AttributeError):  # an observation of a plugin, with slots
            setattr(observation, ATTRIBUTE, cached)
    return cached.position


def _is_fixed(observation: Any, info: Any) -> bool:
    """Return whether gammapy's position of an observation is the fixed position in ICRS."""
    from gammapy.data import FixedPointingInfo, Observation, PointingMode

    # an observation of a plugin may be a proxy, or have its own method
    method = getattr(observation.get_pointing_icrs, "__func__", None)
    return (
        method is Observation.get_pointing_icrs
        and type(info) is FixedPointingInfo
        and info.mode is PointingMode.POINTING
        and info.fixed_icrs is not None
        and info.fixed_icrs.frame.name == "icrs"
    )


@attrs.frozen(eq=False)
class RunValues:
    """Times and pointing of a run.

    Parameters
    ----------
    observation : gammapy.data.Observation
        The run.
    pointing : Direction
        The pointing in the middle of the run.
    ontime, livetime : astropy.units.Quantity
        The good time, and the good time without dead time.
    """

    observation: Any
    pointing: Direction
    ontime: Quantity
    livetime: Quantity

    @classmethod
    def read(cls, observation: Any) -> RunValues:
        """Read times and pointing of a run.

        Parameters
        ----------
        observation : gammapy.data.Observation
            The run.

        Returns
        -------
        RunValues
            The values.
        """
        ontime = observation.observation_time_duration
        return cls(
            observation,
            Direction.create(find_pointing(observation)),
            ontime,
            _find_livetime(observation, ontime),
        )


def _find_livetime(observation: Any, ontime: Quantity) -> Quantity:
    """Return the good time without dead time, as gammapy's `observation_live_time_duration`."""
    live_fraction = _unconverted_metadata(observation).get("DEADC")
    if not isinstance(live_fraction, (int, float)):
        return observation.observation_live_time_duration
    dead_fraction = 1 - live_fraction
    return ontime * (1 - dead_fraction) * observation.obs_filter.livetime_fraction


def find_background(observation: Any) -> Any:
    """Return the background IRF, as gammapy's property `Observation.bkg`.

    Parameters
    ----------
    observation : gammapy.data.Observation
        The run.

    Returns
    -------
    gammapy.irf.IRF or None
        The background; None if the run has none. As in gammapy, its longitude increases with right
        ascension if it is in an early format of H.E.S.S.
    """
    from gammapy.irf import FoVAlignment

    header = _unconverted_metadata(observation)
    if not header:
        return observation.bkg
    background = observation._bkg
    is_early_hess = (header.get("CREATOR"), header.get("HDUVERS")) == EARLY_HESS
    if background is not None and is_early_hess:
        background._fov_alignment = FoVAlignment.REVERSE_LON_RADEC
    return background


def _unconverted_metadata(observation: Any) -> Mapping[str, Any]:
    """Return the header with the metadata of a run; {} if gammapy has converted them.

    gammapy converts all of them if it needs one, which takes as long as projecting an IRF.
    """
    from gammapy.data import Observation

    if type(observation) is not Observation or "_meta" in vars(observation):
        return {}
    return getattr(vars(observation).get("__meta_hdu"), "header", {})
