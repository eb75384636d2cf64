"""Rows of observation tables, which makers record while they reduce an observation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.errors import ComponentError, FieldError
from skyred.fields import check_name

if TYPE_CHECKING:
    from astropy.table import Table
    from numpy.typing import NDArray

RESERVED = ("entry", "obs_id", "part")
_EXPECTED = "a number, a string, a quantity, or an array of them"


@attrs.frozen(eq=False)
class RecordedColumn:
    """The values of one column of recorded rows.

    Parameters
    ----------
    values : array or None
        The values, shape (rows, ...); None if there is no value, and the type is unknown.
    mask : array or None
        Whether each value is missing, with the shape of `values`; None if no value is missing.
    unit : str or None
        The unit; None if the values have no unit.
    description : str
        The description.
    """

    values: NDArray[Any] | None
    mask: NDArray[np.bool_] | None = None
    unit: str | None = None
    description: str = ""


@attrs.frozen(eq=False)
class ObservationRows:
    """Rows of an observation table, recorded by one call of `record_row` or `record_table`.

    Parameters
    ----------
    table : str
        The name of the table.
    component : str
        The component that recorded the rows, with its plugin.
    n_rows : int
        The number of rows.
    columns : dict of str to RecordedColumn
        The columns by name.
    part : int
        The number of the part of the observation, from 1; 0 if it was not cut into parts.
    """

    table: str
    component: str
    n_rows: int
    columns: dict[str, RecordedColumn]
    part: int = 0


@attrs.define(eq=False)
class RowRecorder:
    """Receives the rows that are recorded during the reduction of one observation.

    Parameters
    ----------
    rows : list of ObservationRows
        The rows, in the order in which they were recorded.
    part : int
        The number of the part of the observation that is being reduced; 0 if it was not cut.
    component : str
        The maker that is running, with its plugin; "" if no maker is running.
    position : object
        Identifies the maker among those of the observation.
    """

    rows: list[ObservationRows] = attrs.field(factory=list)
    part: int = 0
    component: str = ""
    position: object = None
    _positions: dict[str, object] = attrs.field(factory=dict, init=False)

    @contextmanager
    def running(self, component: str, position: object) -> Iterator[None]:
        """Record rows as those of a maker in this context.

        Parameters
        ----------
        component : str
            The maker, with its plugin.
        position : object
            Identifies the maker among those of the observation.
        """
        self.component, self.position = component, position
        try:
            yield
        finally:
            self.component = ""

    def add(self, table: str, n_rows: int, columns: dict[str, RecordedColumn]) -> None:
        """Add rows to a table.

        Parameters
        ----------
        table : str
            The name of the table.
        n_rows : int
            The number of rows.
        columns : dict of str to RecordedColumn
            The columns by name.

        Raises
        ------
        ComponentError
            If no maker is running, or another maker has recorded rows of this table.
        """
        if not self.component:
            raise ComponentError(
                f"rows of the observation table {table!r} were recorded outside make() of a maker; "
                "only makers can record rows"
            )
        if self._positions.setdefault(table, self.position) != self.position:
            others = {rows.component for rows in self.rows if rows.table == table}
            raise ComponentError(
                f"the observation table {table!r} of the {self.component} already has rows of the "
                f"{', '.join(others)}; use another name, for example from an option"
            )
        self.rows.append(ObservationRows(table, self.component, n_rows, columns, self.part))


_RECORDER: ContextVar[RowRecorder | None] = ContextVar("_RECORDER", default=None)


@contextmanager
def recorded_by(recorder: RowRecorder | None) -> Iterator[None]:
    """Pass rows that are recorded in this context to a recorder.

    Parameters
    ----------
    recorder : RowRecorder or None
        The recorder; None if rows are only checked.
    """
    token = _RECORDER.set(recorder)
    try:
        yield
    finally:
        _RECORDER.reset(token)


@contextmanager
def running_maker(component: str, position: object) -> Iterator[None]:
    """Record rows as those of a maker in this context, if rows are recorded at all.

    Parameters
    ----------
    component : str
        The maker.
    position : object
        Identifies the maker among those of the observation.
    """
    recorder = _RECORDER.get()
    if recorder is None or recorder.component:  # not recorded, or called by another maker
        yield
        return
    with recorder.running(component, position):
        yield


def record_row(table: str, row: Mapping[str, object]) -> None:
    """Add a row for the current observation to an observation table of the run.

    Call this function in the method `make` of a maker. The table is in the run folder, as
    ``observations/TABLE.ecsv``, and in `Result.observation_tables`. The columns ``entry`` and
    ``obs_id`` are added, as in the observation log. Rows of skipped runs are included, if they are
    recorded before `SkipObservation` is raised, and so are rows of runs that fail later. If
    selectors cut a run into parts, `make` is called for each of them; a column ``part`` is then
    added, which counts from 1.

    Rows are in the order of the configuration, and do not depend on engine, workers or cache.
    Outside a reduction, for example if `make` is called directly or in `prepare`, the row is
    checked but not recorded. `skyred.DatasetsMaker` also collects the rows.

    Parameters
    ----------
    table : str
        The name of the table, which must be valid as a file name. Each maker of a pipeline needs
        its own tables.
    row : mapping of str to object
        The values by column: numbers, strings, quantities, or arrays of them; None for a missing
        value. All observations must have the same types, shapes and compatible units; columns that
        a row does not have are masked.

    Raises
    ------
    ComponentError
        If the name, a column or a value is invalid, or another maker has recorded rows of this
        table.

    Examples
    --------
    >>> record_row("pointing", {"zenith": zenith, "n_events": 312})  # doctest: +SKIP
    """
    _check_names(table, row)
    columns = {name: _cell(table, name, value) for name, value in row.items()}
    _record(table, 1, columns)


def record_table(table: str, rows: Table) -> None:
    """Add several rows for the current observation to an observation table of the run.

    See `record_row`, which adds a single row.

    Parameters
    ----------
    table : str
        The name of the table, which must be valid as a file name.
    rows : astropy.table.Table
        The rows: columns of numbers, strings and quantities, with masked values if some are
        missing. Descriptions of columns are kept.

    Raises
    ------
    ComponentError
        If the name, a column or a value is invalid, or another maker has recorded rows of this
        table.

    Examples
    --------
    >>> rates = Table({"e_min": edges[:-1], "rate": rates})  # doctest: +SKIP
    >>> record_table("rates", rates)  # doctest: +SKIP
    """
    if not hasattr(rows, "colnames"):
        raise ComponentError(
            f"observation table {table!r}: expected an astropy Table, got a {type(rows).__name__}"
        )
    _check_names(table, dict.fromkeys(rows.colnames))
    _record(table, len(rows), {name: _column(table, name, rows[name]) for name in rows.colnames})


def _record(table: str, n_rows: int, columns: dict[str, RecordedColumn]) -> None:
    if (recorder := _RECORDER.get()) is not None:
        recorder.add(table, n_rows, columns)


def _check_names(table: str, columns: Mapping[str, object]) -> None:
    try:
        check_name(table)
    except FieldError as error:
        raise ComponentError(f"invalid name of an observation table: {error}") from None
    for name in columns:
        if not isinstance(name, str) or not name.strip():
            raise ComponentError(
                f"observation table {table!r}: the column name {name!r} is not a string with text"
            )
        if name.casefold() in RESERVED:
            raise ComponentError(
                f"observation table {table!r}: the column {name!r} is added automatically; "
                "rename or remove it"
            )


def _cell(table: str, name: str, value: Any) -> RecordedColumn:
    if value is None or value is np.ma.masked:
        return RecordedColumn(None)
    column = _column(table, name, value)
    if 0 in column.values.shape:  # type: ignore[union-attr]
        raise ComponentError(f"observation table {table!r}, column {name!r} is an empty array")
    mask = None if column.mask is None else column.mask[None]
    return attrs.evolve(column, values=column.values[None], mask=mask)  # type: ignore[index]


def _column(table: str, name: str, value: Any) -> RecordedColumn:
    """Return a value or a column as a copy in native arrays."""
    source = f"observation table {table!r}, column {name!r}"
    mask = getattr(value, "mask", None)
    values = getattr(value, "unmasked", value)  # astropy's masked quantities
    if not isinstance(values, bool | int | float | str | np.generic | np.ndarray | list | tuple):
        hint = "; record times as strings (time.isot) or quantities" if _is_time(value) else ""
        raise ComponentError(f"{source} is a {type(value).__name__}; expected {_EXPECTED}{hint}")
    try:
        array = np.array(np.ma.getdata(values), subok=False)
    except (TypeError, ValueError) as error:
        has_units = any(hasattr(item, "unit") for item in value)
        hint = "; convert a list of quantities with astropy.units.Quantity" * has_units
        raise ComponentError(f"{source}: {error}; expected {_EXPECTED}{hint}") from error
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8")
    if array.dtype.kind not in "biufU" or (array.ndim and 0 in array.shape[1:]):
        raise ComponentError(
            f"{source} has the type {array.dtype} and the shape {array.shape}; expected {_EXPECTED}"
        )
    if array.dtype.kind == "U":  # as the table is read from its file
        array = np.asarray(np.char.strip(array))
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    mask = np.broadcast_to(np.asarray(mask, dtype=bool), array.shape) if mask is not None else None
    if mask is not None and mask.any():
        array[mask] = np.zeros((), array.dtype)  # hidden values must not depend on the worker
        mask = mask.copy()
    else:
        mask = None
    description = str(getattr(value, "description", None) or "")
    return RecordedColumn(array, mask, _unit(source, value), description)


def _is_time(value: Any) -> bool:
    return hasattr(value, "isot")


def _unit(source: str, value: Any) -> str | None:
    """Return a unit as text, or None if there is none."""
    from astropy.units import Unit

    unit = getattr(value, "unit", None)
    if unit is None or unit == Unit(""):
        return None
    unit_name = str(unit.to_string())
    try:
        is_readable = Unit(unit_name) == unit
    except ValueError:
        is_readable = False
    if not is_readable:
        raise ComponentError(
            f"{source} has the unit {unit_name!r}, which cannot be read from files; expected a "
            "unit of astropy.units"
        )
    return unit_name
