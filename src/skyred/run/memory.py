"""Check that the reduced datasets of a run fit into the memory of the machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from skyred.errors import ConfigError, Problem
from skyred.io.disk import format_size
from skyred.io.memory import total_memory
from skyred.run.disk_space import minimum_size

if TYPE_CHECKING:
    from gammapy.data import ObservationTable

    from skyred.interfaces import Reduction
    from skyred.plugins import Catalog


def require_memory(
    tables: Mapping[str, ObservationTable],
    reductions: Mapping[str, Reduction],
    loaded_size: float = 0,
    catalog: Catalog | None = None,
) -> None:
    """Check that the datasets of all data entries fit into the memory of this machine.

    All of them are in memory for the fit: one for each stack, and one for each run that is not
    stacked. Runs that are stacked are in memory one after the other, and are not counted. The
    estimate is a lower limit, so an analysis that fits into memory is never rejected.

    Parameters
    ----------
    tables : mapping of str to ObservationTable
        The selected observations by data entry.
    reductions : mapping of str to Reduction
        The data entries by name.
    loaded_size : float, optional
        The size of the datasets that are read from files, in bytes.
    catalog : Catalog, optional
        The components of the plugins, which errors name.

    Raises
    ------
    ConfigError
        If the machine has less memory.
    """
    available = total_memory()
    sizes = {
        name: minimum_size({name: table}, reductions, catalog) for name, table in tables.items()
    }
    required_size = loaded_size + sum(sizes.values())
    if available is None or required_size <= available:
        return
    largest_entry = max(sizes, key=lambda name: sizes[name], default="")
    n_runs = len(tables[largest_entry]) if largest_entry else 0
    message = (
        f"all datasets need at least {format_size(required_size)}, but this machine has "
        f"{format_size(available)} of memory"
    )
    if largest_entry:
        message += (
            f"; data.{largest_entry}, with {n_runs} runs, needs {format_size(sizes[largest_entry])}"
        )
    raise ConfigError(
        [
            Problem(
                ("data",),
                message,
                "stack the runs (stack: {kind: sum}), select fewer, or reduce width, offset_max, "
                "or the number of pixels or bins",
            )
        ]
    )
