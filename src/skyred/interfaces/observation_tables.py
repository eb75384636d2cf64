"""Observation tables: the rows that makers recorded for all observations, as astropy tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.errors import ComponentError
from skyred.interfaces.observation_rows import ObservationRows, RecordedColumn

if TYPE_CHECKING:
    from astropy.table import Column, Table
    from numpy.typing import NDArray

    from skyred.interfaces.outcome import Outcome

_KINDS = {"b": "true or false", "i": "a number", "u": "a number", "f": "a number", "U": "a string"}


@attrs.frozen
class _Schema:
    """Type, unit and shape of a column, and the observation where it first has a value."""

    kind: str
    unit: str | None
    shape: tuple[int, ...]
    observation: str

    def fits(self, schema: _Schema) -> bool:
        from astropy.units import Unit

        if (self.kind, self.shape) != (schema.kind, schema.shape):
            return False
        if self.unit is None or schema.unit is None:
            return self.unit == schema.unit
        return bool(Unit(self.unit).is_equivalent(Unit(schema.unit)))

    def __str__(self) -> str:
        unit = f" in {self.unit}" if self.unit is not None else ""
        shape = f" with the shape {self.shape}" if self.shape else ""
        return f"{self.kind}{unit or ' without unit'}{shape} ({self.observation})"


@attrs.define(eq=False)
class _TableRows:
    """The rows of one table: the outcomes and rows, and the schemas of the columns."""

    name: str
    component: str
    observation: str
    rows: list[tuple[Outcome, ObservationRows]] = attrs.field(factory=list)
    schemas: dict[str, _Schema | None] = attrs.field(factory=dict)

    def add(self, outcome: Outcome, rows: ObservationRows) -> None:
        observation = _describe(outcome)
        if rows.component != self.component:
            raise ComponentError(
                f"the observation table {rows.table!r} has rows of the {self.component} "
                f"({self.observation}) and of the {rows.component} ({observation}); each maker "
                "needs its own tables"
            )
        if rows.table != self.name:
            raise ComponentError(
                f"the names of the observation tables {self.name!r} and {rows.table!r} of the "
                f"{self.component} only differ in upper and lower case, which some file systems "
                "ignore; use different names"
            )
        schemas = {name: _schema(column, observation) for name, column in rows.columns.items()}
        for name, schema in schemas.items():
            first = self.schemas.get(name)
            if schema is not None and first is not None and not first.fits(schema):
                raise ComponentError(
                    f"the column {name!r} of the observation table {self.name!r} of the "
                    f"{self.component} is {first}, but {schema}; it must be the same for all "
                    "observations"
                )
        for name, schema in schemas.items():
            if self.schemas.setdefault(name, schema) is None:
                self.schemas[name] = schema
        self.rows.append((outcome, rows))

    def table(self) -> Table:
        from astropy.table import Column, Table

        numbers = [rows.n_rows for _, rows in self.rows]
        table = Table(meta={"component": self.component})
        entries = [outcome.entry for outcome, _ in self.rows]
        obs_ids = [outcome.obs_id for outcome, _ in self.rows]
        parts = np.array([rows.part for _, rows in self.rows], dtype=int)
        table["entry"] = Column(np.repeat(np.array(entries, dtype=str), numbers))
        table["entry"].description = "data entry of the observation"
        table["obs_id"] = Column(np.repeat(np.array(obs_ids, dtype=int), numbers))
        table["obs_id"].description = "observation id"
        if parts.any():  # observations that were not cut are their only part
            table["part"] = Column(np.repeat(np.maximum(parts, 1), numbers))
            table["part"].description = "part of an observation that selectors cut"
        for name, schema in self.schemas.items():
            columns = [rows.columns.get(name) for _, rows in self.rows]
            table[name] = _join(columns, numbers, schema)
        return table


@attrs.define(eq=False)
class ObservationTables:
    """Collects the rows of observations in the order of the observation log."""

    _tables: dict[str, _TableRows] = attrs.field(factory=dict, init=False)

    def add(self, outcome: Outcome) -> None:
        """Add the rows of an observation.

        Parameters
        ----------
        outcome : Outcome
            The outcome of the observation.

        Raises
        ------
        ComponentError
            If rows do not fit those of the previous observations, or two makers have recorded rows
            of the same table.
        """
        for rows in outcome.rows:
            new_table = _TableRows(rows.table, rows.component, _describe(outcome))
            table = self._tables.setdefault(rows.table.casefold(), new_table)
            table.add(outcome, rows)

    def tables(self) -> dict[str, Table]:
        """Return the tables.

        Returns
        -------
        dict of str to Table
            The tables by name, in alphabetical order.
        """
        tables = (table for table in self._tables.values() if table.rows)
        return {table.name: table.table() for table in sorted(tables, key=lambda table: table.name)}


def _describe(outcome: Outcome) -> str:
    return f"data.{outcome.entry}, run {outcome.obs_id}"


def _schema(column: RecordedColumn, observation: str) -> _Schema | None:
    if column.values is None:
        return None
    kind = _KINDS[column.values.dtype.kind]
    return _Schema(kind, column.unit, column.values.shape[1:], observation)


def _join(
    columns: list[RecordedColumn | None], numbers: list[int], schema: _Schema | None
) -> Column:
    """Return the values of all observations as one column; missing values are masked."""
    from astropy.table import Column, MaskedColumn

    unit, shape = (schema.unit, schema.shape) if schema is not None else (None, ())
    parts = [
        None if column is None or column.values is None else _convert(column, unit)
        for column in columns
    ]
    dtype = np.result_type(*(part for part in parts if part is not None)) if schema else float
    length = sum(numbers)
    values, mask = np.zeros((length, *shape), dtype), np.ones((length, *shape), dtype=bool)
    start = 0
    for column, part, n_rows in zip(columns, parts, numbers, strict=True):
        rows = slice(start, start + n_rows)
        if column is not None and part is not None:
            values[rows] = part
            mask[rows] = False if column.mask is None else column.mask
        start += n_rows
    if values.dtype.kind == "U" and not shape:
        mask |= values == ""  # as in files, where empty and missing strings are the same
    description = next((column.description for column in columns if column is not None), "")
    options: dict[str, Any] = {"unit": unit, "description": description or None}
    if mask.any():
        return MaskedColumn(values, mask=mask, **options)
    return Column(values, **options)


def _convert(column: RecordedColumn, unit: str | None) -> NDArray[Any]:
    from astropy.units import Unit

    assert column.values is not None
    if column.unit == unit:
        return column.values
    converted: NDArray[Any] = np.asarray(Unit(column.unit).to(Unit(unit), column.values))
    return converted
