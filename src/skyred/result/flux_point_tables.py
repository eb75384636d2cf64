"""Read flux points from FITS, ECSV, CSV or text tables, from gammapy or from publications."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.errors import FileError

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.data import GTI
    from gammapy.datasets import FluxPointsDataset

log = logging.getLogger(__name__)
TEXT_FORMATS = {".ecsv": "ascii.ecsv", ".csv": "ascii.csv", ".txt": "ascii", ".dat": "ascii"}
UNITS = {
    "dnde": "cm-2 s-1 TeV-1",
    "e2dnde": "erg cm-2 s-1",
    "flux": "cm-2 s-1",
    "eflux": "erg cm-2 s-1",
}
ENERGIES = ("e_ref", "e_min", "e_max")
ENERGY_TOLERANCE = 1e-3  # relative difference of adjacent edges, and of e_ref and the bin centre
_UNIT_IN_NAME = re.compile(r"(?P<name>\w+)\s*[\[(](?P<unit>.+)[\])]")


def read_flux_points(path: Path, name: str) -> FluxPointsDataset:
    """Read a table of flux points as a dataset.

    Differential fluxes are compared with models at the reference energies of the table, even if
    these are not the centres of the bins or the bins have gaps. gammapy would use the centres, and
    assume that there are no gaps.

    Parameters
    ----------
    path : Path
        The table: FITS, ECSV, CSV or text, with the columns of the GADF standard (``e_ref``,
        ``dnde``, ``dnde_err``, ...). In CSV and text files, names of columns contain units, such as
        ``e_ref [TeV]``.
    name : str
        The name of the dataset.

    Returns
    -------
    FluxPointsDataset
        The dataset.

    Raises
    ------
    FileError
        If a column or a unit is missing, or the values are invalid.
    """
    from gammapy.datasets import FluxPointsDataset
    from gammapy.estimators import FluxPoints

    table, gti = _read_table(path)
    _move_units(table)
    quantity = _find_quantity(path, table)
    _check_units(path, table, quantity)
    _check_errors(path, table, quantity)
    _fill_missing_values(table)
    _mark_limits(path, table, quantity)
    if "e_ref" in table.colnames:
        table.sort("e_ref")
    masks = {
        mask: np.asarray(table[mask]).astype(bool).reshape(len(table), 1, 1)
        for mask in ("mask_fit", "mask_safe")
        if mask in table.colnames
    }
    table.remove_columns(list(masks))
    table, quantity = _use_reference_energies(path, table, quantity)
    if quantity in ("flux", "eflux"):
        log.warning("%s has no differential flux: it is computed for a spectral index of 2", path)
    points = FluxPoints.from_table(table, sed_type=quantity, format="gadf-sed", gti=gti)
    return FluxPointsDataset(name=name, data=points, **masks)


def is_flux_points_table(columns: list[str]) -> bool:
    """Return whether the columns of a table are those of flux points.

    Parameters
    ----------
    columns : list of str
        The names of the columns.

    Returns
    -------
    bool
        True if there are columns of energies, and of a flux or norm.
    """
    names = set(columns)
    return bool(names & set(ENERGIES)) and bool(names & {*UNITS, "norm"})


def _read_table(path: Path) -> tuple[Table, GTI | None]:
    from astropy.table import Table

    if (table_format := TEXT_FORMATS.get(path.suffix.lower())) is not None:
        try:
            return Table.read(path, format=table_format), None
        except (ValueError, OSError) as error:
            raise FileError(f"{path} cannot be read as a table: {error}") from error
    return _read_fits_table(path)


def _read_fits_table(path: Path) -> tuple[Table, GTI | None]:
    from astropy.io import fits
    from astropy.table import Table
    from gammapy.data import GTI

    with fits.open(path, memmap=False) as hdus:
        tables = [
            hdu
            for hdu in hdus
            if isinstance(hdu, fits.BinTableHDU) and is_flux_points_table(hdu.columns.names)
        ]
        if not tables:
            raise FileError(
                f"{path} has no table of flux points; expected the columns e_ref and dnde, "
                "e2dnde or norm, or e_min, e_max and flux or eflux"
            )
        gti = GTI.from_table_hdu(hdus["GTI"]) if "GTI" in hdus else None
        return Table.read(tables[0]), gti


def _move_units(table: Table) -> None:
    """Move units from the names of columns (``e_ref [TeV]``) to the columns."""
    from astropy import units as u

    for column in table.colnames:
        if match := _UNIT_IN_NAME.fullmatch(column.strip()):
            try:
                table[column].unit = u.Unit(match["unit"])
            except ValueError:
                continue  # reported as a missing column
            table.rename_column(column, match["name"])


def _find_quantity(path: Path, table: Table) -> str:
    """Return the type of the flux, or "likelihood" for norms of a reference flux."""
    columns = table.colnames
    if "norm" in columns and str(table.meta.get("SED_TYPE", "likelihood")) == "likelihood":
        quantity, required = "likelihood", [*ENERGIES, "ref_dnde", "ref_flux", "ref_eflux"]
    elif quantities := [name for name in UNITS if name in columns]:
        quantity = quantities[0]
        required = ["e_ref"] if quantity in ("dnde", "e2dnde") else ["e_min", "e_max"]
    else:
        raise FileError(
            f"{path} has no flux column ({', '.join(UNITS)} or norm); its columns are "
            f"{', '.join(columns)}; rename them to the names of the GADF standard"
        )
    if quantity in ("dnde", "e2dnde") and {"e_min", "e_max"} <= set(columns):
        required = []
    if missing := [name for name in required if name not in columns]:
        raise FileError(
            f"{path} has no column {missing[0]!r}, which flux points with {quantity!r} need; its "
            f"columns are {', '.join(columns)}"
        )
    return quantity


def _check_units(path: Path, table: Table, quantity: str) -> None:
    expected_units = dict.fromkeys(ENERGIES, "TeV") | {
        quantity + suffix: UNITS[quantity]
        for suffix in ("", "_err", "_errp", "_errn", "_ul")
        if quantity in UNITS
    }
    if quantity == "likelihood":
        expected_units |= {f"ref_{name}": unit for name, unit in UNITS.items()}
    for column, expected_unit in expected_units.items():
        if column not in table.colnames:
            continue
        unit = table[column].unit
        if unit is None or not unit.is_equivalent(expected_unit):
            raise FileError(
                f"{path}: the column {column!r} has "
                + ("no unit" if unit is None else f"the unit '{unit}'")
                + f"; expected a unit such as {expected_unit} "
                f"(in CSV files as '{column} [{expected_unit}]')"
            )


def _check_errors(path: Path, table: Table, quantity: str) -> None:
    flux = "norm" if quantity == "likelihood" else quantity
    if f"{flux}_err" in table.colnames:
        return
    if not {f"{flux}_errn", f"{flux}_errp"} <= set(table.colnames):
        raise FileError(
            f"{path} has no errors of {flux!r}: expected the column '{flux}_err', or "
            f"'{flux}_errn' and '{flux}_errp'; its columns are {', '.join(table.colnames)}"
        )
    for column in (f"{flux}_errn", f"{flux}_errp"):
        if (np.asarray(table[column]) < 0).any():
            raise FileError(
                f"{path}: the column {column!r} has negative values; expected positive errors"
            )
    log.info("%s has asymmetric errors: chi2 uses their mean, as gammapy does", path)
    table[f"{flux}_err"] = (table[f"{flux}_errn"].quantity + table[f"{flux}_errp"].quantity) / 2


def _fill_missing_values(table: Table) -> None:
    """Replace missing floats by NaN (not fitted by gammapy), others by 0, and parse `is_ul`."""
    for column in table.colnames:
        if hasattr(table[column], "filled"):
            kind = table[column].dtype.kind
            table[column] = table[column].filled(np.nan if kind == "f" else 0)
    if "is_ul" in table.colnames and table["is_ul"].dtype.kind in "SU":
        values = [str(value).strip().lower() in ("true", "t", "1") for value in table["is_ul"]]
        table["is_ul"] = values


def _mark_limits(path: Path, table: Table, quantity: str) -> None:
    """Mark points without flux or error as upper limits, unless the table contains `is_ul` or TS.

    Without these columns, gammapy would treat every point with an ``_ul`` value as a limit.
    """
    flux = "norm" if quantity == "likelihood" else quantity
    is_measured = np.isfinite(np.asarray(table[flux], dtype=float))
    is_measured &= np.asarray(table[f"{flux}_err"], dtype=float) > 0
    if not {"is_ul", "ts", "sqrt_ts"} & set(table.colnames):
        table["is_ul"] = ~is_measured
    if not is_measured.any():
        raise FileError(
            f"{path} has no point with a finite {flux!r} and an error above 0; expected at least "
            "one: upper limits alone cannot be fitted"
        )


def _use_reference_energies(path: Path, table: Table, quantity: str) -> tuple[Table, str]:
    """Return a table with energies that gammapy reads correctly, and the type of its flux.

    gammapy ignores ``e_ref`` if there are bins, and assumes that each bin extends to the next.
    """
    if not {"e_min", "e_max"} <= set(table.colnames):
        return table, quantity
    low, high = (table[name].quantity.to_value("TeV") for name in ("e_min", "e_max"))
    if not (low < high).all():
        raise FileError(
            f"{path}: e_min is not below e_max in every row; expected the edges of bins"
        )
    is_contiguous = np.allclose(high[:-1], low[1:], rtol=ENERGY_TOLERANCE, atol=0)
    e_ref = np.sqrt(low * high)
    if "e_ref" in table.colnames:
        e_ref = table["e_ref"].quantity.to_value("TeV")
    is_centre = np.allclose(e_ref, np.sqrt(low * high), rtol=ENERGY_TOLERANCE, atol=0)
    if is_contiguous and is_centre:
        return table, quantity
    if quantity in ("flux", "eflux"):
        raise FileError(
            f"{path}: the bins of the integral flux have gaps, or e_ref is not their centre, which "
            "gammapy cannot represent; expected the differential flux (dnde) at e_ref"
        )
    log.info("%s: the flux is compared with models at e_ref, without the edges of bins", path)
    return _without_bins(table, quantity, e_ref)


def _without_bins(table: Table, quantity: str, e_ref: Any) -> tuple[Table, str]:
    """Return a table with differential fluxes at `e_ref` (TeV), and the type of its flux."""
    from astropy import units as u
    from astropy.table import Table

    points = Table({"e_ref": e_ref * u.TeV})
    if quantity == "likelihood":
        for suffix in ("", "_err", "_errp", "_errn", "_ul"):
            if f"norm{suffix}" in table.colnames:
                norm = np.asarray(table[f"norm{suffix}"])
                points[f"dnde{suffix}"] = norm * table["ref_dnde"].quantity
        quantity = "dnde"
    columns = [quantity + suffix for suffix in ("", "_err", "_errp", "_errn", "_ul")]
    for column in (*columns, "is_ul", "ts", "sqrt_ts"):
        if column in table.colnames:
            points[column] = table[column]
    return points, quantity
