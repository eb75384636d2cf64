"""Selectors by position, OBS_ID and any column of the observation table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.components.columns import convert_limits, get_column
from skyred.errors import ArchiveError, Problem, format_list
from skyred.fields import Position, option, position, quantity
from skyred.interfaces import Selector, component
from skyred.scripting import literal

if TYPE_CHECKING:
    from astropy.table import Column
    from gammapy.data import ObservationTable

    from skyred.scripting import Script

MAX_LISTED = 10
POINTING = ("RA_PNT", "DEC_PNT")


@component
class Cone(Selector):
    """Runs with a pointing within a radius of a position."""

    kind = "cone"
    center: Position = position(doc="Centre of the cone.")
    radius: u.Quantity = quantity("5 deg", min="0 deg", doc="Largest offset of the pointing.")

    def select(self, table: ObservationTable) -> ObservationTable:
        """Keep the runs with a pointing (RA_PNT, DEC_PNT) within the radius.

        Parameters
        ----------
        table : gammapy.data.ObservationTable
            The observations to select from.

        Returns
        -------
        gammapy.data.ObservationTable
            The selected rows, unchanged; not those with a masked pointing.

        Raises
        ------
        ArchiveError
            If the table does not have one of the columns.
        """
        pointings = [get_column(table, name, "the selector 'cone'") for name in POINTING]
        separation = table.pointing_radec.separation(self.center.skycoord)
        is_masked = np.any([np.ma.getmaskarray(column) for column in pointings], axis=0)
        return table[np.asarray(separation <= self.radius) & ~is_masked]

    def write_script(self, script: Script) -> None:
        """Write code that selects runs by the separation of pointing and centre.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        center, radius = script.position("CENTER", self.center), script.quantity(self.radius)
        script.body.add(f"table = table[table.pointing_radec.separation({center}) <= {radius}]")


def select_ids(
    table: ObservationTable, ids: Sequence[int], selector: str, advice: str
) -> ObservationTable:
    """Return the rows of the runs with the OBS_IDs in a list.

    Parameters
    ----------
    table : gammapy.data.ObservationTable
        The observations to select from.
    ids : sequence of int
        The OBS_IDs.
    selector : str
        The selector, for the error message.
    advice : str
        What to do about missing runs, for the error message.

    Returns
    -------
    gammapy.data.ObservationTable
        The selected rows, unchanged.

    Raises
    ------
    ArchiveError
        If a run is not in the table.
    """
    if missing := sorted(set(ids) - set(table["OBS_ID"].tolist())):
        raise ArchiveError(
            f"the selector {selector} requests missing runs: {format_list(missing, MAX_LISTED)}; "
            f"{advice}, or the previous selectors"
        )
    return table[np.isin(table["OBS_ID"], list(ids))]


@component
class ObservationIds(Selector):
    """Runs by their OBS_ID."""

    kind = "observation-ids"
    ids: tuple[int, ...] = option(type=int, many=True, doc="The runs to keep.")

    def validate(self) -> Iterable[Problem]:
        """Check that at least one OBS_ID is set.

        Yields
        ------
        Problem
            An empty list of OBS_IDs.
        """
        if not self.ids:
            yield Problem(("ids",), "is empty", "expected at least one OBS_ID")

    def select(self, table: ObservationTable) -> ObservationTable:
        """Keep the runs with the OBS_IDs in `ids`.

        Parameters
        ----------
        table : gammapy.data.ObservationTable
            The observations to select from.

        Returns
        -------
        gammapy.data.ObservationTable
            The selected rows, unchanged.

        Raises
        ------
        ArchiveError
            If an OBS_ID is not in the table, because it is missing from the archive or excluded
            by a previous selector.
        """
        return select_ids(table, self.ids, "'observation-ids'", "correct ids")

    def write_script(self, script: Script) -> None:
        """Write code that selects rows by OBS_ID.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        script.use("numpy as np")
        runs = script.constant(f"{script.entry}_RUNS", literal(self.ids))
        script.body.add(f'table = table[np.isin(table["OBS_ID"], {runs})]')


@component
class ColumnRange(Selector):
    """Runs by any column of the observation table: a range of numbers, or a list of values."""

    kind = "column-range"
    column: str = option(type=str, doc="Name of the column, such as ZEN_PNT or TARGET_NAME.")
    min: u.Quantity | None = quantity(None, unit="any", doc="Smallest value ('10 deg', 4).")
    max: u.Quantity | None = quantity(None, unit="any", doc="Largest value ('50 deg', 4).")
    values: tuple[str, ...] = option(
        (), type=object, many=True, doc="Values that are kept: strings or numbers."
    )
    invert: bool = option(False, doc="Whether to remove these runs and keep all others.")

    def validate(self) -> Iterable[Problem]:
        """Check that either a range or values are set, and that the range is not reversed.

        Yields
        ------
        Problem
            A missing or reversed range, incompatible units, or a range in addition to values.
        """
        if bool(self.values) == (self.min is not None or self.max is not None):
            yield Problem((), "needs either a range or values", "set min or max, or else values")
        low, high = self.min, self.max
        if low is not None and high is not None:
            if not low.unit.is_equivalent(high.unit):
                message = f"{low} and max, {high}, have incompatible units"
                yield Problem(("min",), message, "use equivalent units")
            elif low > high:
                yield Problem(("min",), f"{low} is above max, {high}", "expected min below max")

    def select(self, table: ObservationTable) -> ObservationTable:
        """Keep the rows in the range, limits included, or with one of the values.

        With `invert`, the other rows are kept.

        Parameters
        ----------
        table : gammapy.data.ObservationTable
            The observations to select from.

        Returns
        -------
        gammapy.data.ObservationTable
            The selected rows, unchanged.

        Raises
        ------
        ArchiveError
            If the table does not have the column, or a range is set and the column is not numeric
            or has an incompatible unit.
        """
        mask = self._mask(get_column(table, self.column, "the selector 'column-range'"))
        return table[~mask if self.invert else mask]

    def _mask(self, column: Column) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Return the mask of the rows in the range or with one of the values; ignore `invert`.

        Parameters
        ----------
        column : astropy.table.Column
            The column, shape (n,).

        Returns
        -------
        numpy.ndarray of bool
            The mask, shape (n,).
        """
        if self.values:
            return np.isin([str(value).strip() for value in column], self.values)
        mask = ~np.ma.getmaskarray(column)
        for limit, sign in ((self.min, 1), (self.max, -1)):
            if limit is not None:
                bound = convert_limits(column, limit, "use values instead")
                mask &= sign * (np.asarray(column, dtype=float) - bound) >= 0
        return mask

    def write_script(self, script: Script) -> None:
        """Write code that selects rows by the column.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        column = f"table[{literal(self.column)}]"
        if self.values:
            script.use("numpy as np")
            column_values = f"[str(value).strip() for value in {column}]"
            script.body.add(f"keep = np.isin({column_values}, {literal(self.values)})")
        else:
            limits = ((self.min, ">="), (self.max, "<="))
            conditions = [
                f"{column}{'.quantity' if str(limit.unit) else ''} {operator} "
                f"{script.quantity(limit)}"
                for limit, operator in limits
                if limit is not None
            ]
            combined = " & ".join(f"({condition})" for condition in conditions)
            script.body.add(f"keep = {combined if len(conditions) > 1 else conditions[0]}")
        script.body.add(f"table = table[{'~' if self.invert else ''}keep]")
