"""Locations such as `sim:crab?seed=7&runs=2`: parsing, and the folders of the archives."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import attrs

from skyred.components.simulation.archive import CrabSimulation
from skyred.components.simulation.cache import get_cached_archive
from skyred.errors import did_you_mean

# error handler that preserves file names that are not valid UTF-8
ENCODING_ERRORS = "surrogateescape"

ARCHIVES = ("crab",)
KEYS = ("seed", "runs", "livetime", "folder")
MINUTES_PER_UNIT = {"s": 1 / 60, "min": 1.0, "h": 60.0}
EXAMPLE = "sim:crab?seed=7&runs=2&livetime=10min"


@attrs.frozen
class SimulationLocation:
    """The content of a `sim:` location.

    Parameters
    ----------
    simulation : CrabSimulation
        The simulated archive.
    folder : pathlib.Path or None
        The parent folder; None for the default of `get_cached_archive`.
    """

    simulation: CrabSimulation = attrs.field(factory=CrabSimulation)
    folder: Path | None = None

    def __str__(self) -> str:
        values = attrs.asdict(self.simulation) | {"livetime": f"{self.simulation.livetime!r}min"}
        if self.folder is not None:
            values["folder"] = str(self.folder)
        return f"sim:crab?{urlencode(values, errors=ENCODING_ERRORS)}"


def parse(location: str) -> SimulationLocation:
    """Parse a location such as ``sim:crab?seed=7&runs=2&livetime=10min&folder=/some/dir``.

    Parameters
    ----------
    location : str
        The location.

    Returns
    -------
    SimulationLocation
        The content of the location.

    Raises
    ------
    ValueError
        If the archive or a key is unknown, or a key is repeated or has an invalid value.
    """
    name, _, query = location.removeprefix("sim:").partition("?")
    try:
        if name not in ARCHIVES:
            raise ValueError(_unknown_name_message("simulated archive", name, ARCHIVES))
        return _create_location(_parse_query(query))
    except ValueError as error:
        raise ValueError(f"{location}: {error} (for example {EXAMPLE})") from None


def ensure_archive(location: str) -> Path:
    """Return the folder of an archive; create the archive if it is missing or damaged.

    Parameters
    ----------
    location : str
        The location, as for `parse`. Without ``folder=`` the archive is in the default folder of
        `get_cached_archive`.

    Returns
    -------
    pathlib.Path
        The folder of the archive.

    Raises
    ------
    ValueError
        If the location is invalid.
    """
    content = parse(location)
    return get_cached_archive(
        content.simulation, content.folder.expanduser() if content.folder else None
    )


def _create_location(values: Mapping[str, str]) -> SimulationLocation:
    """Create a location from the values of its keys."""
    default = CrabSimulation()
    simulation = CrabSimulation(
        seed=_parse_integer("seed", values["seed"]) if "seed" in values else default.seed,
        runs=_parse_integer("runs", values["runs"]) if "runs" in values else default.runs,
        livetime=_parse_minutes(values["livetime"]) if "livetime" in values else default.livetime,
    )
    if not values.get("folder", "."):
        raise ValueError("folder has no value; expected the name of a folder")
    return SimulationLocation(simulation, Path(values["folder"]) if "folder" in values else None)


def _parse_query(query: str) -> dict[str, str]:
    """Parse a query; raise an error for unknown or repeated keys."""
    values: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True, errors=ENCODING_ERRORS):
        if key not in KEYS:
            raise ValueError(_unknown_name_message("key", key, KEYS))
        if key in values:
            raise ValueError(f"{key} is set more than once; expected once")
        values[key] = value
    return values


def _parse_integer(key: str, value: str) -> int:
    """Parse an integer.

    Parameters
    ----------
    key : str
        The key of the value, for the error message.
    value : str
        The value, such as ``7``.

    Returns
    -------
    int
        The number.

    Raises
    ------
    ValueError
        If the value is not an integer.
    """
    if not re.fullmatch(r"-?[0-9]{1,20}", value):
        raise ValueError(f"{key} is {value!r}; expected an integer")
    return int(value)


def _parse_minutes(duration: str) -> float:
    """Parse a duration, and convert it to minutes.

    Parameters
    ----------
    duration : str
        A number with the unit s, min or h, such as ``10min``.

    Returns
    -------
    float
        The duration in minutes.

    Raises
    ------
    ValueError
        If the value is not a duration.
    """
    match = re.fullmatch(r"(-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?) ?(s|min|h)", duration)
    if match is None:
        raise ValueError(
            f"livetime is {duration!r}; expected a number with the unit s, min or h, as in 10min"
        )
    return float(match[1]) * MINUTES_PER_UNIT[match[2]]


def _unknown_name_message(item_type: str, name: str, choices: Iterable[str]) -> str:
    """Return the error message for an unknown name."""
    choices = sorted(choices)
    hint = did_you_mean(name, choices)
    return f"unknown {item_type} {name!r}; available: {', '.join(choices)}{hint}"
