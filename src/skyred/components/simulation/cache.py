"""Where archives are kept: made once, whoever asks, and checked each time they are used."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from importlib.metadata import version
from pathlib import Path

import attrs
from filelock import FileLock
from platformdirs import user_cache_path

from skyred.components.simulation.archive import CrabSimulation
from skyred.io.publish import remove, remove_left_behind
from skyred.io.sums import damage

log = logging.getLogger("skyred.simulation")

FORMAT_VERSION = 1
"""To be raised whenever the same simulation comes to give other bytes."""


def kept(simulation: CrabSimulation, base: Path | None = None) -> Path:
    """Give the folder of an archive; make the archive if it is not there, or damaged.

    The folder's name holds a digest of all that matters: the simulation, its format's version,
    and the versions of gammapy, numpy and astropy. Two processes at once make it once.

    Parameters
    ----------
    simulation : CrabSimulation
        Which archive.
    base : pathlib.Path, optional
        Below which folder; by default the one that the environment variable SKYRED_CACHE_DIR
        names, or else the user's cache folder.
    """
    # absolute: a worker may have another working directory
    folder = (base or _cache()).absolute() / f"crab-{_digest(simulation)}"
    if damage(folder, simulation.files) is None:  # without the lock: the cache may be read-only
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        remove_left_behind(folder)
        if folder.exists():
            wrong = damage(folder, simulation.files)
            if wrong is None:
                return folder
            log.warning("The archive in %s is damaged (%s); making it again.", folder, wrong)
            remove(folder)
        return simulation.write(folder)


def _cache() -> Path:
    named = os.environ.get("SKYRED_CACHE_DIR")
    return (Path(named) if named else user_cache_path("skyred")) / "simulation"


def _digest(simulation: CrabSimulation) -> str:
    matters = attrs.asdict(simulation) | {"format": FORMAT_VERSION}
    matters |= {name: version(name) for name in ("gammapy", "numpy", "astropy")}
    text = json.dumps(matters, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
