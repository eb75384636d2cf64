"""The simulated archive `sim:crab`: H.E.S.S.-like runs on the Crab, simulated on first use.

gammapy and astropy take seconds to import. This module imports neither; `archive` imports the
modules that need them (`irfs`, `observations`, `files`, `index`) only when an archive is created.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skyred.hookspecs import hookimpl

if TYPE_CHECKING:
    from gammapy.data import DataStore


@hookimpl
def skyred_archive(location: str | tuple[str, ...]) -> DataStore | None:
    """Open `sim:crab`, with options such as ``sim:crab?seed=7&runs=2&livetime=10min``.

    Parameters
    ----------
    location : str or tuple of str
        The location of the archive.

    Returns
    -------
    gammapy.data.DataStore or None
        The data store; None for locations that do not start with ``sim:``.

    Raises
    ------
    ValueError
        If the location starts with ``sim:``, but the simulation is unknown or an option is invalid.
    """
    if not isinstance(location, str) or not location.startswith("sim:"):
        return None
    from gammapy.data import DataStore

    from skyred.components.simulation.location import ensure_archive

    return DataStore.from_dir(ensure_archive(location))
