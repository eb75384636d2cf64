"""The simulated archive `sim:crab`: a H.E.S.S.-like Crab, made offline on first use.

gammapy and astropy take seconds to import: this module imports neither, and `archive` and
`location` import the modules that do (`responses`, `observations`, `files`, `index`) when an
archive is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skyred.hookspecs import hookimpl

if TYPE_CHECKING:
    from gammapy.data import DataStore


@hookimpl
def skyred_archive(location: str | tuple[str, ...]) -> DataStore | None:
    """Open `sim:crab`, with options such as ``sim:crab?seed=7&runs=2&livetime=10min``.

    Raises
    ------
    ValueError
        If the location begins with ``sim:`` and is no simulation that there is.
    """
    if not isinstance(location, str) or not location.startswith("sim:"):
        return None
    from gammapy.data import DataStore

    from skyred.components.simulation.location import ensure

    return DataStore.from_dir(ensure(location))
