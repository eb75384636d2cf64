"""The observation log of a run folder: one row for the outcome of each observation."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyred.interfaces.records import Outcome

if TYPE_CHECKING:
    from astropy.table import Table

OBSERVATION_LOG = "observations.ecsv"
DESCRIPTIONS = {
    "entry": "data entry of the observation",
    "obs_id": "observation id",
    "status": "reduced, cached, skipped or failed",
    "reason": "reason for skipping the observation, or error message",
    "maker": "step or component that skipped the observation or failed",
    "seconds": "processing time",
    "counts": "counts inside the safe mask",
    "background_norm": "fitted background norm",
    "notes": "notes of inspection and reduction, and warnings",
    "traceback": "traceback of the error",
}
COLUMN_TYPES = {"obs_id": int, "counts": int, "seconds": float, "background_norm": float}


def observation_log(outcomes: Iterable[Outcome]) -> Table:
    """Return the outcomes of observations as a table.

    Parameters
    ----------
    outcomes : iterable of Outcome
        The outcomes.

    Returns
    -------
    Table
        One row for each outcome.
    """
    from astropy.table import Table

    rows = [{**outcome.to_dict(), "notes": "\n".join(outcome.notes)} for outcome in outcomes]
    types = [COLUMN_TYPES.get(name, str) for name in DESCRIPTIONS]
    table = Table({name: [row[name] for row in rows] for name in DESCRIPTIONS}, dtype=types)
    for name, description in DESCRIPTIONS.items():
        table[name].description = description
    table["seconds"].unit = "s"
    return table


def write_observation_log(folder: Path, outcomes: Iterable[Outcome]) -> None:
    """Write ``observations.ecsv``.

    Parameters
    ----------
    folder : Path
        The run folder.
    outcomes : iterable of Outcome
        The outcomes.
    """
    observation_log(outcomes).write(folder / OBSERVATION_LOG, format="ascii.ecsv", overwrite=True)


def read_observation_log(folder: Path) -> tuple[Outcome, ...]:
    """Read ``observations.ecsv``.

    Parameters
    ----------
    folder : Path
        The run folder.

    Returns
    -------
    tuple of Outcome
        The outcomes; () if there is no such file.
    """
    from astropy.table import Table

    if not (folder / OBSERVATION_LOG).is_file():
        return ()
    table = Table.read(folder / OBSERVATION_LOG, format="ascii.ecsv")
    string_columns = {name for name in DESCRIPTIONS if table[name].dtype.kind in "UO"}
    table = table.filled("") if table.has_masked_values else table
    return tuple(Outcome(**_row_to_dict(row, string_columns)) for row in table)


def _row_to_dict(row: Any, string_columns: set[str]) -> dict[str, Any]:
    fields = {
        name: str(row[name]) if name in string_columns else row[name].item()
        for name in DESCRIPTIONS
    }
    fields["notes"] = tuple(fields["notes"].split("\n")) if fields["notes"] else ()
    return fields
