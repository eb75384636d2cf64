"""The interface of archives, which the hook ``skyred_archive`` of plugins opens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from skyred.errors import ComponentError

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.data import Observation


class Archive(Protocol):
    """The attributes of an archive that skyred uses; gammapy's `DataStore` has them.

    A class of a plugin does not have to inherit from this one. Its runs are neither inspected nor
    cached, because skyred does not know their files; open a `gammapy.data.DataStore` instead if the
    runs are in FITS files.

    Parameters
    ----------
    *args : object
        Any arguments; skyred does not create archives.
    **kwargs : object
        Any arguments.
    """

    @property
    def obs_table(self) -> Table:
        """The observation table, with a row for each run and at least the integers ``OBS_ID``.

        Selectors and stackers need further columns, as in GADF: ``RA_PNT`` and ``DEC_PNT`` in deg,
        ``TSTART`` and ``TSTOP`` in s, with ``MJDREFI`` and ``MJDREFF`` in the metadata. They
        receive the table as a `gammapy.data.ObservationTable`.
        """

    @property
    def hdu_table(self) -> Table:
        """The HDU index, as in gammapy's `DataStore`; an empty table if there are no files."""

    def obs(self, obs_id: int, required_irf: Sequence[str]) -> Observation:
        """Open a run, which may be read later.

        Parameters
        ----------
        obs_id : int
            The OBS_ID of the run.
        required_irf : sequence of str
            The IRFs that the makers need: aeff, edisp, psf, bkg, rad_max.

        Returns
        -------
        gammapy.data.Observation
            The run, which is pickled for workers.

        Raises
        ------
        ValueError
            If the run cannot be used, for example without one of the IRFs: only this run fails.
        """


def require_archive(archive: Any, source: str) -> None:
    """Check that an object has the attributes of an archive.

    Parameters
    ----------
    archive : object
        The object that a plugin has opened.
    source : str
        The plugin and the location, for messages.

    Raises
    ------
    ComponentError
        If an attribute is missing, cannot be read, or has the wrong type.
    """
    name = type(archive).__name__
    expected = "expected a skyred.Archive: obs_table and hdu_table, and the method obs"
    for attribute in ("obs_table", "hdu_table"):
        try:
            table = getattr(archive, attribute)
        except AttributeError as error:
            raise ComponentError(f"{source} is {name} without {attribute}; {expected}") from error
        except (Exception, SystemExit) as error:  # a property of a plugin may raise anything
            raise ComponentError(
                f"{source}: {attribute} of {name} cannot be read: {type(error).__name__}: {error}"
            ) from error
        if not hasattr(table, "colnames"):
            raise ComponentError(
                f"{source}: {attribute} of {name} is {type(table).__name__}; expected an astropy "
                "Table" + (", which may be empty" if attribute == "hdu_table" else "")
            )
    if not callable(getattr(archive, "obs", None)):
        raise ComponentError(f"{source} is {name} without the method obs; {expected}")
    columns = archive.obs_table.colnames
    if "OBS_ID" not in columns:
        raise ComponentError(
            f"{source}: obs_table of {name} has no column OBS_ID, only {', '.join(columns) or '-'}"
        )
    obs_ids = archive.obs_table["OBS_ID"]
    if len(obs_ids) and obs_ids.dtype.kind not in "iu":
        content = "text" if obs_ids.dtype.kind in "SU" else str(obs_ids.dtype)
        raise ComponentError(
            f"{source}: OBS_ID in obs_table of {name} contains {content}; expected integers"
        )
    if np.ma.is_masked(obs_ids):
        raise ComponentError(f"{source}: OBS_ID in obs_table of {name} has masked values")


def require_observation(observation: Any, obs_id: int, source: str) -> None:
    """Check that an archive has returned the requested run.

    Parameters
    ----------
    observation : object
        The object that the method `obs` has returned.
    obs_id : int
        The OBS_ID of the requested run.
    source : str
        The archive, for messages.

    Raises
    ------
    ComponentError
        If it is not an observation, or another one.
    """
    from gammapy.data import Observation

    call = f"{source}: obs({obs_id})"
    if not isinstance(observation, Observation):
        raise ComponentError(
            f"{call} returned {type(observation).__name__}; expected a gammapy.data.Observation"
        )
    try:
        returned_id = int(observation.obs_id)
    except (TypeError, ValueError):
        raise ComponentError(
            f"{call} returned an observation with obs_id {observation.obs_id!r}; expected {obs_id}"
        ) from None
    if returned_id != obs_id:
        raise ComponentError(f"{call} returned the observation {returned_id}")
