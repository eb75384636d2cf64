"""Locations like `sim:crab?seed=7&runs=2`: reading them, and the folder that each stands for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import attrs

from skyred.components.simulation.archive import CrabSimulation
from skyred.components.simulation.cache import kept
from skyred.errors import did_you_mean

# Python gives bytes of file names that are no UTF-8 as lone surrogates; they must come through
FILE_NAMES = "surrogateescape"

ARCHIVES = ("crab",)
KEYS = ("seed", "runs", "livetime", "folder")
MINUTES = {"s": 1 / 60, "min": 1.0, "h": 60.0}
EXAMPLE = "sim:crab?seed=7&runs=2&livetime=10min"


@attrs.frozen
class Location:
    """What a `sim:` location says.

    Parameters
    ----------
    simulation : CrabSimulation
        Which archive.
    folder : pathlib.Path or None
        Below which folder it is to be, instead of the user's cache.
    """

    simulation: CrabSimulation = attrs.field(factory=CrabSimulation)
    folder: Path | None = None

    def __str__(self) -> str:
        values = attrs.asdict(self.simulation) | {"livetime": f"{self.simulation.livetime!r}min"}
        if self.folder is not None:
            values["folder"] = str(self.folder)
        return f"sim:crab?{urlencode(values, errors=FILE_NAMES)}"


def parse(text: str) -> Location:
    """Read a location such as ``sim:crab?seed=7&runs=2&livetime=10min&folder=/some/dir``.

    Raises
    ------
    ValueError
        If there is no such archive, or a key is unknown, given twice, or has a bad value.
    """
    name, _, query = text.removeprefix("sim:").partition("?")
    try:
        if name not in ARCHIVES:
            raise ValueError(_unknown("simulated archive", name, ARCHIVES))
        return _location(_values(query))
    except ValueError as error:
        raise ValueError(f"{text}: {error} (for example {EXAMPLE})") from None


def ensure(location: str) -> Path:
    """Give the folder of an archive; make the archive if it is not there, or damaged.

    Parameters
    ----------
    location : str
        As for `parse`. Without ``folder=`` it is in the user's cache (see `cache.kept`).

    Raises
    ------
    ValueError
        As `parse` does.
    """
    wanted = parse(location)
    return kept(wanted.simulation, wanted.folder.expanduser() if wanted.folder else None)


def _location(values: Mapping[str, str]) -> Location:
    usual = CrabSimulation()
    simulation = CrabSimulation(
        seed=_whole("seed", values["seed"]) if "seed" in values else usual.seed,
        runs=_whole("runs", values["runs"]) if "runs" in values else usual.runs,
        livetime=_minutes(values["livetime"]) if "livetime" in values else usual.livetime,
    )
    if not values.get("folder", "."):
        raise ValueError("folder is empty, expected the name of a folder")
    return Location(simulation, Path(values["folder"]) if "folder" in values else None)


def _values(query: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True, errors=FILE_NAMES):
        if key not in KEYS:
            raise ValueError(_unknown("key", key, KEYS))
        if key in values:
            raise ValueError(f"{key} is given twice, expected once")
        values[key] = value
    return values


def _whole(key: str, text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,20}", text):
        raise ValueError(f"{key} is {text!r}, expected a whole number")
    return int(text)


def _minutes(text: str) -> float:
    match = re.fullmatch(r"(-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?) ?(s|min|h)", text)
    if match is None:
        raise ValueError(f"livetime is {text!r}, expected a number with s, min or h, as in 10min")
    return float(match[1]) * MINUTES[match[2]]


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    known = sorted(known)
    hint = did_you_mean(name, known)
    return f"there is no {what} {name!r}, expected one of {', '.join(known)}{hint}"
