"""Groupings of runs: the group of each observation, and the label of the group."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import attrs
import numpy as np
from astropy import units as u

from skyred.errors import SkipObservation
from skyred.fields import Instant

if TYPE_CHECKING:
    from astropy.coordinates import EarthLocation
    from gammapy.data import Observation

MJD_EPOCH = datetime(1858, 11, 17)  # UTC, like all times in this module
DAY = 86400  # seconds


def to_file_name(label: str) -> str:
    """Convert a label to a part of the name of a dataset and of its file.

    Parameters
    ----------
    label : str
        The label.

    Returns
    -------
    str
        The label, with underscores for special characters.
    """
    return re.sub(r"[^\w.+-]+", "_", label, flags=re.ASCII).strip("_")


@attrs.frozen(order=True)
class Group:
    """A group of runs: a sorting key, and a label that can be part of a file name."""

    order: float
    label: str = attrs.field(converter=to_file_name)


class Grouping(Protocol):
    """The interface of groupings."""

    def find_group(self, observation: Observation) -> Group:
        """Return the group of an observation.

        Parameters
        ----------
        observation : gammapy.data.Observation
            The run.

        Returns
        -------
        Group
            The group of the run.

        Raises
        ------
        SkipObservation
            If the observation is not in any group.
        """
        ...


@attrs.frozen
class Night:
    """Nights from noon to noon (mean solar time at the site), named after the date at sunset."""

    def find_group(self, observation: Observation) -> Group:
        """Return the night that contains the middle of the run.

        Parameters
        ----------
        observation : gammapy.data.Observation
            The run.

        Returns
        -------
        Group
            The group of the run.

        Raises
        ------
        ValueError
            If the location of the telescopes is missing.
        """
        # solar time in days: MJD begins at midnight, nights begin at noon
        days = _mjd(observation.tmid) + site(observation).lon.to_value("deg") / 360 - 0.5
        night = int(np.floor(days))
        return Group(night, format_time(night, ()))


@attrs.frozen
class TimeEdges:
    """Bins in time with explicit edges, named after their start."""

    edges: tuple[Instant, ...]

    def find_group(self, observation: Observation) -> Group:
        """Return the bin that contains the middle of the run.

        Parameters
        ----------
        observation : gammapy.data.Observation
            The run.

        Returns
        -------
        Group
            The group of the run.

        Raises
        ------
        SkipObservation
            If the middle of the run is not in any bin.
        """
        edges = [_mjd(edge.time) for edge in self.edges]
        index = find_bin(_mjd(observation.tmid), edges)
        if index is None:
            middle, bins = observation.tmid.utc.isot, _format_range(self.edges)
            raise SkipObservation(
                f"the middle of the run, {middle}, is outside the time bins ({bins})"
            )
        return Group(edges[index], format_time(edges[index], edges))


@attrs.frozen
class TimeSteps:
    """Bins in time of equal width, named after their start."""

    width: u.Quantity = attrs.field(eq=str)
    start: Instant

    def find_group(self, observation: Observation) -> Group:
        """Return the bin that contains the middle of the run.

        Parameters
        ----------
        observation : gammapy.data.Observation
            The run.

        Returns
        -------
        Group
            The group of the run.
        """
        first, width = _mjd(self.start.time), self.width.to_value("day")
        bin_start = first + width * np.floor((_mjd(observation.tmid) - first) / width)
        return Group(bin_start, format_time(bin_start, (first, first + width)))


@attrs.frozen
class ZenithBins:
    """Bins of the zenith angle of the pointing at mid-run, lower edges included."""

    edges: u.Quantity = attrs.field(eq=str)

    def find_group(self, observation: Observation) -> Group:
        """Return the bin of the zenith angle of the run.

        Parameters
        ----------
        observation : gammapy.data.Observation
            The run.

        Returns
        -------
        Group
            The group of the run.

        Raises
        ------
        SkipObservation
            If the zenith angle is not in any bin.
        ValueError
            If the location of the telescopes is missing.
        """
        edges, angle = self.edges.to_value("deg"), zenith_angle(observation)
        index = find_bin(angle, edges)
        if index is None:
            raise SkipObservation(
                f"zenith angle {angle:.1f} deg is outside the bins ({_format_range(self.edges)})"
            )
        return Group(index, f"zenith-{edges[index]:g}-{edges[index + 1]:g}")


@attrs.frozen
class Telescopes:
    """Groups by the telescopes of the run: TELESCOP and TELLIST of its events."""

    def find_group(self, observation: Observation) -> Group:
        """Return the group of the telescopes of the run.

        Parameters
        ----------
        observation : gammapy.data.Observation
            The run.

        Returns
        -------
        Group
            The group of the run.

        Raises
        ------
        ValueError
            If the name of the telescope is missing.
        """
        meta = observation.meta
        name = meta.obs_info.telescope if meta.obs_info is not None else None
        parts = [name, *str((meta.optional or {}).get("TELLIST", "")).split(",")]
        label = "-".join(str(part).strip() for part in parts if part)
        if not label:
            raise ValueError(f"run {observation.obs_id} has no telescope name (TELESCOP)")
        return Group(0, label)


def find_bin(value: float, edges: Sequence[float]) -> int | None:
    """Return the index of the bin that contains a value; lower edges are included.

    Parameters
    ----------
    value : float
        The value.
    edges : sequence of float
        The edges of the bins, in increasing order.

    Returns
    -------
    int or None
        The index; None if the value is not in any bin.
    """
    index = int(np.searchsorted(edges, value, side="right")) - 1
    return index if 0 <= index < len(edges) - 1 else None


def format_time(mjd: float, other_times: Sequence[float]) -> str:
    """Format a time (UTC) in the shortest format that can also represent other times.

    Parameters
    ----------
    mjd : float
        The time, as modified Julian date.
    other_times : sequence of float
        Other times with the same format, as modified Julian dates.

    Returns
    -------
    str
        The date, followed by hours and minutes if any of the times is not at midnight, and by
        seconds if any of them is not at a full minute.
    """
    # not np.rint: it rounds half to even, so two times 1 s apart may become equal
    seconds = np.floor(np.array([mjd, *other_times]) * DAY + 0.5).astype(int)
    date_text = (MJD_EPOCH + timedelta(seconds=int(seconds[0]))).strftime("%Y-%m-%dT%H%M%S")
    if np.all(seconds % DAY == 0):
        return date_text[:10]
    return date_text[:15] if np.all(seconds % 60 == 0) else date_text


def zenith_angle(observation: Observation) -> float:
    """Return the zenith angle of the pointing at the middle of a run.

    Parameters
    ----------
    observation : gammapy.data.Observation
        The run.

    Returns
    -------
    float
        The zenith angle in deg.

    Raises
    ------
    ValueError
        If the location of the telescopes is missing.
    """
    from astropy.utils import iers

    site(observation)  # raises an error if the location is missing
    # do not download tables of the Earth's rotation, which change the angle only by arcseconds
    with (
        iers.conf.set_temp("auto_download", False),
        iers.conf.set_temp("iers_degraded_accuracy", "ignore"),
    ):
        return float(observation.get_pointing_altaz(observation.tmid).zen.to_value("deg"))


def site(observation: Observation) -> EarthLocation:
    """Return the location of the telescopes.

    Parameters
    ----------
    observation : gammapy.data.Observation
        The run.

    Returns
    -------
    astropy.coordinates.EarthLocation
        The location.

    Raises
    ------
    ValueError
        If the location is missing.
    """
    location = observation.observatory_earth_location
    if location is None:
        raise ValueError(
            f"run {observation.obs_id} has no site (GEOLON, GEOLAT, ALTITUDE): "
            "group by time or by column"
        )
    return location


def _mjd(time: Any) -> float:
    return float(time.utc.mjd)


def _format_range(edges: Any) -> str:
    return f"{edges[0]} to {edges[-1]}"
