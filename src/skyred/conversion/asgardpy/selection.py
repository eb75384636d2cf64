"""Convert the selection of observations of asgardpy."""

from __future__ import annotations

from typing import Any

from astropy import units as u

from skyred.conversion.plain_values import plain_position, plain_time
from skyred.conversion.section import Section
from skyred.errors import format_value
from skyred.fields.quantities import plain as plain_quantity


def convert_selection(observation: Section) -> dict[str, Any]:
    """Convert observation identifiers, time intervals, cone and required IRFs.

    Parameters
    ----------
    observation : Section
        The section `observation` of an instrument.

    Returns
    -------
    dict
        The options of the data entry.
    """
    options: dict[str, Any] = {"irfs": list(observation.read("required_irfs", ["aeff"]))}
    observation.skip("event_type", "is only used for HAWC data")
    observation.skip("obs_file", "asgardpy does not use it", changes_results=False)
    selectors: list[dict[str, Any]] = []
    if ids := observation.read("obs_ids", []):
        selectors.append({"kind": "observation-ids", "ids": list(ids)})
    selectors += [*_times(observation), *_cone(observation)]
    return options | {"select": selectors} if selectors else options


def _times(observation: Section) -> list[dict[str, Any]]:
    from astropy.time import Time

    windows = []
    for interval in observation.items("obs_time"):
        time_format = interval.read("format", "isot")
        window = {}
        for name in ("start", "stop"):
            setting = interval.read(name, "")
            try:
                window[name] = plain_time(Time(str(setting), format=time_format))
            except ValueError:
                message = f"{format_value(setting)} is not a time in the format {time_format}"
                interval.source.add_problem(f"{interval.path}.{name}", message)
        windows.append(window)
    if not windows:
        return []
    return [{"kind": "time-window", "windows": windows, "cut": False}]


def _cone(observation: Section) -> list[dict[str, Any]]:
    cone = observation.section("obs_cone")
    lon, lat, radius = (cone.read_angle(name) for name in ("lon", "lat", "radius"))
    frame = str(cone.read("frame", "icrs"))
    if lon == 0 * u.deg:  # as in asgardpy
        return []
    center = plain_position(lon, lat, frame)
    return [{"kind": "cone", "center": center, "radius": plain_quantity(radius)}]
