"""Cache of simulated archives: each archive is created once, and checked before every use."""

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
from skyred.io.checksums import find_damage
from skyred.io.publish import remove, remove_leftovers

log = logging.getLogger("skyred.simulation")

FORMAT_VERSION = 1
"""Increase this if a code change alters the files that a simulation produces."""


def get_cached_archive(simulation: CrabSimulation, base: Path | None = None) -> Path:
    """Return the folder of an archive; create the archive if it is missing or damaged.

    The name of the folder contains a digest of the simulation, the version of its format, and the
    versions of gammapy, numpy and astropy. If several processes request the same archive, only one
    of them creates it.

    Parameters
    ----------
    simulation : CrabSimulation
        The simulated archive.
    base : pathlib.Path, optional
        The parent folder; by default the folder `simulation` in SKYRED_CACHE_DIR if this
        environment variable is set, otherwise in skyred's user cache directory.

    Returns
    -------
    pathlib.Path
        The folder of the archive.
    """
    # absolute, since workers may have another working directory
    folder = (base or _default_base()).absolute() / f"crab-{_digest(simulation)}"
    # first checked without the lock, since the cache may be read-only
    if find_damage(folder, simulation.files) is None:
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        remove_leftovers(folder)
        if folder.exists():
            reason = find_damage(folder, simulation.files)
            if reason is None:
                return folder
            log.warning("The archive in %s is damaged (%s); creating it again.", folder, reason)
            remove(folder)
        return simulation.write(folder)


def _default_base() -> Path:
    """Return the default parent folder of archives."""
    variable = os.environ.get("SKYRED_CACHE_DIR")
    return (Path(variable) if variable else user_cache_path("skyred")) / "simulation"


def _digest(simulation: CrabSimulation) -> str:
    """Return the digest of a simulation and the versions that determine its bytes."""
    content = attrs.asdict(simulation) | {"format": FORMAT_VERSION}
    content |= {name: version(name) for name in ("gammapy", "numpy", "astropy")}
    json_text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(json_text.encode()).hexdigest()[:16]
