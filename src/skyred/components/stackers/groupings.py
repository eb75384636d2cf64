"""Ways of grouping runs: to which group an observation belongs, and what the group is called."""

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

MJD_0 = datetime(1858, 11, 17)  # UTC, as all here
DAY = 86400  # seconds


def safe(text: str) -> str:
    """Make a text part of the name of a dataset and its file."""
    return re.sub(r"[^\w.+-]+", "_", text, flags=re.ASCII).strip("_")


@attrs.frozen(order=True)
class Group:
    """A group of runs: its place among the others, and its name, which can be part of a file's."""

    order: float
    label: str = attrs.field(converter=safe)


class Way(Protocol):
    """A way of grouping."""

    def of(self, observation: Observation) -> Group:
        """Give the group of an observation; raises `SkipObservation` if it is in none."""
        ...


@attrs.frozen
class Night:
    """From noon to noon of the mean sun at the site; called after the day of the evening."""

    def of(self, observation: Observation) -> Group:
        """Give the night of the middle of the run."""
        noons = _mjd(observation.tmid) + site(observation).lon.to_value("deg") / 360 - 0.5
        night = int(np.floor(noons))
        return Group(night, moment(night, ()))


@attrs.frozen
class TimeEdges:
    """Bins in time with given edges; called after their begin."""

    edges: tuple[Instant, ...]

    def of(self, observation: Observation) -> Group:
        """Give the bin of the middle of the run."""
        edges = [_mjd(edge.time) for edge in self.edges]
        here = bin_of(_mjd(observation.tmid), edges)
        if here is None:
            middle = observation.tmid.utc.isot
            raise SkipObservation(
                f"its middle, {middle}, is in no bin of time ({_span(self.edges)})"
            )
        return Group(edges[here], moment(edges[here], edges))


@attrs.frozen
class TimeSteps:
    """Bins in time of one width; called after their begin."""

    width: u.Quantity = attrs.field(eq=str)
    start: Instant

    def of(self, observation: Observation) -> Group:
        """Give the bin of the middle of the run."""
        first, width = _mjd(self.start.time), self.width.to_value("day")
        begin = first + width * np.floor((_mjd(observation.tmid) - first) / width)
        return Group(begin, moment(begin, (first, first + width)))


@attrs.frozen
class ZenithBins:
    """Bins of the zenith angle of the pointing in the middle of the run, the lower edge in it."""

    edges: u.Quantity = attrs.field(eq=str)

    def of(self, observation: Observation) -> Group:
        """Give the bin of the run."""
        edges, angle = self.edges.to_value("deg"), zenith(observation)
        here = bin_of(angle, edges)
        if here is None:
            raise SkipObservation(
                f"zenith angle {angle:.1f} deg is in no bin ({_span(self.edges)})"
            )
        return Group(here, f"zenith-{edges[here]:g}-{edges[here + 1]:g}")


@attrs.frozen
class Telescopes:
    """By the telescopes that took the run: TELESCOP and TELLIST of its events."""

    def of(self, observation: Observation) -> Group:
        """Give the telescopes of the run."""
        meta = observation.meta
        name = meta.obs_info.telescope if meta.obs_info is not None else None
        parts = [name, *str((meta.optional or {}).get("TELLIST", "")).split(",")]
        label = "-".join(str(part).strip() for part in parts if part)
        if not label:
            raise ValueError(f"run {observation.obs_id} does not name its telescope (TELESCOP)")
        return Group(0, label)


def bin_of(value: float, edges: Sequence[float]) -> int | None:
    """Give the bin of a value, the lower edge in it; None if it is in none."""
    here = int(np.searchsorted(edges, value, side="right")) - 1
    return here if 0 <= here < len(edges) - 1 else None


def moment(mjd: float, others: Sequence[float]) -> str:
    """Write a moment (UTC) as short as it can be if the others are written alike."""
    # not np.rint: it would make one of 0.5 s and 1.5 s
    seconds = np.floor(np.array([mjd, *others]) * DAY + 0.5).astype(int)
    text = (MJD_0 + timedelta(seconds=int(seconds[0]))).strftime("%Y-%m-%dT%H%M%S")
    if np.all(seconds % DAY == 0):
        return text[:10]
    return text[:15] if np.all(seconds % 60 == 0) else text


def zenith(observation: Observation) -> float:
    """Give the zenith angle of the pointing in the middle of a run, in deg."""
    from astropy.utils import iers

    site(observation)
    # tables of the Earth's rotation are not to be downloaded for an arc second
    with (
        iers.conf.set_temp("auto_download", False),
        iers.conf.set_temp("iers_degraded_accuracy", "ignore"),
    ):
        return float(observation.get_pointing_altaz(observation.tmid).zen.to_value("deg"))


def site(observation: Observation) -> EarthLocation:
    """Give the place of the telescopes; raises `ValueError` if the run does not tell."""
    location = observation.observatory_earth_location
    if location is None:
        raise ValueError(
            f"run {observation.obs_id} does not say where it was taken (GEOLON, GEOLAT, ALTITUDE): "
            "group by time or by column"
        )
    return location


def _mjd(time: Any) -> float:
    return float(time.utc.mjd)


def _span(edges: Any) -> str:
    return f"{edges[0]} to {edges[-1]}"
