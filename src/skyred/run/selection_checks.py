"""Checks that selectors return a subset of the observation table, with unchanged values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skyred.errors import ComponentError, format_list
from skyred.interfaces import Selector
from skyred.plugins import Catalog
from skyred.plugins.component_errors import describe_component, errors_of


def run_selector(selector: Selector, table: Any, catalog: Catalog) -> Any:
    """Run a selector on a copy of a table, and check its result.

    Parameters
    ----------
    selector : Selector
        The selector.
    table : gammapy.data.ObservationTable
        The observation table, not changed.
    catalog : Catalog
        The components of the plugins.

    Returns
    -------
    gammapy.data.ObservationTable
        The selected rows.

    Raises
    ------
    ComponentError
        If the selector returns something else than a table, rows that are not in the table, or
        changed values.
    """
    with errors_of(selector, catalog):
        selected = _convert(selector.select(table.copy()), type(table))
    if fault := _find_fault(table, selected):
        raise ComponentError(
            f"the {describe_component(selector, catalog)} {fault}; a selector returns rows of the "
            "observation table, with unchanged values"
        )
    return selected


def _convert(selected: Any, cls: type) -> Any:
    """Convert other tables of astropy to the class of the observation table."""
    from astropy.table import Table

    return cls(selected) if isinstance(selected, Table) else selected


def _find_fault(table: Any, selected: Any) -> str:
    """Return what is wrong with selected rows; "" if nothing is."""
    if not isinstance(selected, type(table)):
        return f"returned {type(selected).__name__}, not {type(table).__name__}"
    if missing := [name for name in table.colnames if name not in selected.colnames]:
        return f"removed the columns {format_list(missing, 5)}"
    if len(selected) == 0:
        return ""
    all_ids = np.asarray(table["OBS_ID"])
    ids, counts = np.unique(all_ids, return_counts=True)
    selected_ids = np.asarray(selected["OBS_ID"])
    positions = np.clip(np.searchsorted(ids, selected_ids), 0, len(ids) - 1)
    unknown = selected_ids[ids[positions] != selected_ids]
    if len(unknown):
        return (
            f"returned observations that are not in the table: {format_list(unknown.tolist(), 5)}"
        )
    order = np.argsort(all_ids, kind="stable")
    first = np.cumsum(counts) - counts
    return _find_changed(table, selected, order, first[positions], counts[positions])


def _find_changed(
    table: Any,
    selected: Any,
    order: NDArray[np.intp],
    first: NDArray[np.intp],
    counts: NDArray[np.intp],
) -> str:
    """Return which column of selected rows is changed; "" if each row is one of its observation.

    Parameters
    ----------
    table, selected : gammapy.data.ObservationTable
        The observation table, and the selected rows.
    order : array
        The rows of the observation table, sorted by OBS_ID.
    first, counts : array
        For each selected row, the index in `order` of the first row of its observation, and the
        number of rows of this observation, shape (n,).
    """
    names, rows = table.colnames, np.arange(len(selected))
    is_changed = np.ones((len(selected), len(names)), dtype=bool)
    # usually one row, but archives may have several of a run, of which gammapy uses the first
    for repetition in range(counts.max()):
        rows = rows[(counts[rows] > repetition) & is_changed[rows].any(axis=1)]
        if not len(rows):
            break
        expected = order[first[rows] + repetition]
        differs = np.stack(
            [_differ(selected[name][rows], table[name][expected]) for name in names], axis=1
        )
        is_closer = differs.sum(axis=1) < is_changed[rows].sum(axis=1)
        is_changed[rows[is_closer]] = differs[is_closer]
    if not is_changed.any():
        return ""
    index = int(is_changed.any(axis=0).argmax())
    changed = selected["OBS_ID"][is_changed[:, index]]
    return f"changed {names[index]} of the observations {format_list(changed.tolist(), 5)}"


def _differ(column: Any, expected: Any) -> NDArray[np.bool_]:
    """Return whether the values of each row differ, shape (n,); NaN and masked values are equal."""
    if len(column) == 0:
        return np.zeros(0, dtype=bool)
    if not (hasattr(column, "dtype") and hasattr(expected, "dtype")):  # such as Time
        return np.broadcast_to(~np.asarray(column == expected, dtype=bool), (len(column),))
    values, expected_values = _decode(column), _decode(expected)
    has_unit = getattr(column, "unit", None) == getattr(expected, "unit", None)
    if not has_unit or values.dtype.kind != expected_values.dtype.kind:
        return np.ones(len(column), dtype=bool)
    is_equal = values == expected_values
    if values.dtype.kind == "f":
        is_equal |= np.isnan(values) & np.isnan(expected_values)
    mask, expected_mask = (
        np.broadcast_to(np.ma.getmaskarray(item) if hasattr(item, "mask") else False, values.shape)
        for item in (column, expected)
    )
    is_equal = np.where(mask | expected_mask, mask == expected_mask, is_equal)
    return np.asarray(~is_equal.reshape(len(column), -1).all(axis=1))


def _decode(column: Any) -> NDArray[Any]:
    """Return the values of a column, with strings for bytes."""
    values = np.asarray(column)
    return np.char.decode(values, "utf-8", "replace") if values.dtype.kind == "S" else values
