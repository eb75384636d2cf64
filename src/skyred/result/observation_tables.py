"""Files of observation tables, one for each table, in the folder ``observations/``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astropy.table import Table

FOLDER = "observations"
SUFFIX = ".ecsv"


def write_observation_tables(folder: Path, tables: Mapping[str, Table]) -> None:
    """Write ``observations/NAME.ecsv`` for each table.

    Parameters
    ----------
    folder : Path
        The run folder.
    tables : mapping of str to Table
        The tables by name.
    """
    if tables:
        (folder / FOLDER).mkdir(exist_ok=True)
    for name, table in tables.items():
        path = folder / FOLDER / f"{name}{SUFFIX}"
        table.write(path, format="ascii.ecsv", overwrite=True)


def read_observation_tables(folder: Path) -> dict[str, Table]:
    """Read the observation tables.

    Parameters
    ----------
    folder : Path
        The run folder.

    Returns
    -------
    dict of str to Table
        The tables by name, in alphabetical order; empty if there are none.
    """
    from astropy.table import Table

    names = sorted(path.name.removesuffix(SUFFIX) for path in (folder / FOLDER).glob(f"*{SUFFIX}"))
    return {
        name: Table.read(folder / FOLDER / f"{name}{SUFFIX}", format="ascii.ecsv") for name in names
    }
