"""gammapy objects from the tables of the inspection, many times as fast as through astropy."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import attrs
import numpy as np
from astropy import units as u
from numpy.typing import NDArray

from skyred.inspection.astropy_tables import parse_unit, read_meta
from skyred.io.captured_warnings import capture_warnings
from skyred.run.worker.irf_state import is_large

if TYPE_CHECKING:
    from gammapy.data import GTI
    from gammapy.maps import MapAxes

    from skyred.inspection.structure import StoredHdu
    from skyred.inspection.tables import Table

# types that gammapy reads from the columns and the header of a table
CLASSES = (
    "aeff_2d",
    "edisp_2d",
    "psf_table",
    "psf_3gauss",
    "psf_king",
    "bkg_2d",
    "bkg_3d",
    "rad_max_2d",
)
MAX_AXES = 64  # sets of axes that are kept
_AXES: dict[tuple[Any, ...], MapAxes] = {}
# class and IRF of tables that runs share, never changed, if reading them issues no warning
_TEMPLATES: WeakKeyDictionary[Table, tuple[str, Any]] = WeakKeyDictionary()


def read_irf(hdu_class: str, hdu: StoredHdu, table: Table | None) -> Any:
    """Return the IRF of an HDU.

    Parameters
    ----------
    hdu_class : str
        The class of the HDU, as in the HDU index.
    hdu : StoredHdu
        The HDU.
    table : Table, optional
        Its table, as read by the inspection.

    Returns
    -------
    gammapy.irf.IRF
        The IRF. Scaled columns and those of variable length are read by astropy.
    """
    from gammapy.irf import IRF_REGISTRY

    irf_class = IRF_REGISTRY.get_cls(hdu_class)
    if hdu_class not in CLASSES or table is None or not is_plain(table):
        return irf_class.from_hdulist({hdu.name: hdu.open_copy()}, hdu=hdu.name)
    template_class, template = _TEMPLATES.get(table, ("", None))
    if template_class != hdu_class:
        with capture_warnings(is_shown=True) as notes:
            template = irf_class.from_table(GadfTable(table))
        template._axes = _share_axes(template.axes)
        if is_large(template.data):
            template.data.flags.writeable = False
        if notes:  # each run has its own notes
            return template
        _TEMPLATES[table] = hdu_class, template
    return _copy_irf(template)


def _copy_irf(irf: Any) -> Any:
    """Return a copy of an IRF; it shares the axes, and values that are read-only."""
    new_irf = copy.copy(irf)
    new_irf.data = irf.data.copy() if irf.data.flags.writeable else irf.data
    new_irf.meta, new_irf.interp_kwargs = copy.copy(irf.meta), dict(irf.interp_kwargs)
    return new_irf


def _share_axes(axes: MapAxes) -> MapAxes:
    """Return the axes of an earlier IRF if they are the same, because axes keep their bin edges."""
    key = tuple(
        (axis.name, axis.interp, axis.node_type, str(axis.unit), axis._nodes.tobytes())
        for axis in axes
    )
    if key not in _AXES and len(_AXES) >= MAX_AXES:
        _AXES.clear()
    if key not in _AXES:
        for axis in axes:
            for array in (axis._nodes, axis.edges, axis.center):
                array.flags.writeable = False
        _AXES[key] = axes
    return _AXES[key]


def is_plain(table: Table) -> bool:
    """Return whether the columns of a table are stored without scaling and null values.

    Parameters
    ----------
    table : Table
        The table.

    Returns
    -------
    bool
        Whether they are; otherwise, astropy must read the table.
    """
    return all(table.is_plain(name) for name in table.exact_names)


def read_gti(hdu: StoredHdu, table: Table | None) -> GTI:
    """Return the good time intervals of an HDU.

    Parameters
    ----------
    hdu : StoredHdu
        The HDU.
    table : Table, optional
        Its table, as read by the inspection.

    Returns
    -------
    gammapy.data.GTI
        The good time intervals.
    """
    from gammapy.data import GTI
    from gammapy.utils.time import time_ref_from_dict

    if table is None or not is_plain(table):
        return GTI.from_table_hdu(hdu.open())
    gadf = GadfTable(table)
    reference = time_ref_from_dict(gadf.meta, format="mjd", scale="tt")
    unit = gadf.meta.get("TIMEUNIT", "s")  # gammapy assumes seconds too
    columns = [u.Quantity(gadf[name].quantity_or_values, unit) for name in ("START", "STOP")]
    times = reference + np.concatenate(columns)  # one addition takes half as long as two
    n_rows = len(columns[0])
    return GTI.create(times[:n_rows], times[n_rows:], reference)


@attrs.frozen
class GadfColumn:
    """A column of a table.

    Parameters
    ----------
    data : numpy.ndarray
        The values, shape (rows, ...).
    unit : astropy.units.Unit or None
        The unit; None if the column has none.
    """

    data: NDArray[Any]
    unit: Any

    @property
    def quantity(self) -> u.Quantity:
        """The values with their unit."""
        return u.Quantity(self.data, self.unit, dtype=self.data.dtype, copy=False)

    @property
    def quantity_or_values(self) -> Any:
        """The values with their unit, or without one if the column has none."""
        return self.data if self.unit is None else self.quantity


class GadfTable:
    """The part of astropy's `Table` that gammapy uses to read IRFs and good time intervals.

    Parameters
    ----------
    table : Table
        The table of the inspection.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self.meta = read_meta(table.header)
        self._columns: dict[str, GadfColumn] = {}

    @property
    def colnames(self) -> list[str]:
        """The names of the columns, as they are written in the file."""
        return list(self._table.exact_names)

    def __getitem__(self, name: str) -> GadfColumn:
        if name not in self._columns:
            if name not in self.colnames:
                raise KeyError(name)
            unit = self._table.stored_unit(name)
            self._columns[name] = GadfColumn(
                self._table.stored_column(name), None if unit is None else parse_unit(unit)
            )
        return self._columns[name]

    def copy(self) -> GadfTable:
        """Return a table whose metadata can be changed.

        Returns
        -------
        GadfTable
            The copy, which shares its columns.
        """
        return GadfTable(self._table)
