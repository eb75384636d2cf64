"""Convert the section `observations`: archive and selectors."""

from __future__ import annotations

from typing import Any

from skyred.conversion.plain_values import plain_position, plain_time
from skyred.conversion.source import Source
from skyred.fields.quantities import plain as plain_quantity

ALWAYS_REQUIRED = ("events", "gti")
DATASTORE = "$GAMMAPY_DATA/hess-dl3-dr1/"  # gammapy's default, which it expands itself


def convert_observations(source: Source, config: Any) -> dict[str, Any]:
    """Convert the archive, the selection of observations, and the required IRFs.

    Parameters
    ----------
    source : Source
        The configuration.
    config : AnalysisConfig or WorkflowConfig
        The configuration with gammapy's defaults.

    Returns
    -------
    dict
        The options of the data entry.
    """
    observations = config.observations
    source.mark_converted("observations.datastore", "observations.required_irf")
    entry: dict[str, Any] = {
        "archive": source.get("observations.datastore", DATASTORE),
        "irfs": [irf for irf in observations.required_irf if irf not in ALWAYS_REQUIRED],
    }
    if selectors := [*_ids(source, observations), *_cone(source, observations),
                     *_times(source, observations)]:  # fmt: skip
        entry["select"] = selectors
    return entry


def _ids(source: Source, observations: Any) -> list[dict[str, Any]]:
    source.mark_converted("observations.obs_ids", "observations.obs_file")
    if observations.obs_ids and observations.obs_file is not None:
        source.add_problem("observations.obs_file", "cannot be combined with obs_ids")
    if observations.obs_ids:
        ids = list(dict.fromkeys(observations.obs_ids))
        if len(ids) < len(observations.obs_ids):
            reason = "gammapy counts repeated runs several times; skyred uses them once"
            source.skip("observations.obs_ids", reason)
        return [{"kind": "observation-ids", "ids": ids}]
    if observations.obs_file is not None:
        return [{"kind": "file-list", "path": source.get("observations.obs_file")}]
    return []


def _cone(source: Source, observations: Any) -> list[dict[str, Any]]:
    source.mark_converted("observations.obs_cone")
    cone = observations.obs_cone
    if cone.lon is None:
        return []
    if cone.lat is None or cone.radius is None:
        source.add_problem("observations.obs_cone", "is incomplete",
                           "expected lon, lat and radius")  # fmt: skip
        return []
    center = plain_position(cone.lon, cone.lat, cone.frame)
    return [{"kind": "cone", "center": center, "radius": plain_quantity(cone.radius)}]


def _times(source: Source, observations: Any) -> list[dict[str, Any]]:
    source.mark_converted("observations.obs_time")
    if observations.obs_time.start is None:
        return []  # gammapy ignores a stop without a start
    windows = convert_windows(source, "observations.obs_time", observations.obs_time)
    if not windows:
        return []
    if len(windows) == 1:
        return [{"kind": "time-window", **windows[0]}]
    return [{"kind": "time-window", "windows": windows}]


def convert_windows(source: Source, path: str, times: Any) -> list[dict[str, str]]:
    """Convert times, or lists of times, to time windows.

    Parameters
    ----------
    source : Source
        The configuration.
    path : str
        The path of the times.
    times : TimeRangeConfig
        The times, with `start` and `stop`.

    Returns
    -------
    list of dict
        The windows, with `start` and `stop`.
    """
    if times.start is None and times.stop is None:
        return []
    if times.start is None or times.stop is None or times.start.shape != times.stop.shape:
        source.add_problem(path, "start and stop differ in number", "expected one stop per start")
        return []
    starts, stops = times.start.reshape(-1), times.stop.reshape(-1)
    return [
        {"start": plain_time(start), "stop": plain_time(stop)}
        for start, stop in zip(starts, stops, strict=True)
    ]
