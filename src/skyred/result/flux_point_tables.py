"""Flux points from tables of gammapy and of papers: FITS, ECSV or CSV, with checked columns."""

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
# relative: the reference energy of a point, and the centre of its bin
ENERGY_TOLERANCE = 1e-3
_UNIT_IN_NAME = re.compile(r"(?P<name>\w+)\s*[\[(](?P<unit>.+)[\])]")


def read_flux_points(path: Path, name: str) -> FluxPointsDataset:
    """Read a table of flux points as a dataset.

    The flux is compared with models at the reference energies of the table, also if its energy
    bins have gaps or other centres, which gammapy ignores.

    Parameters
    ----------
    path : Path
        The table: FITS, ECSV or CSV, with the columns of the GADF standard (``e_ref``, ``dnde``,
        ``dnde_err``, ...). CSV has units in the names of columns, such as ``e_ref [TeV]``.
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
    """Return whether columns are those of flux points.

    Parameters
    ----------
    columns : list of str
        The names of the columns.

    Returns
    -------
    bool
        True if there are energies, and a flux or norm.
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
        quantity, needed = "likelihood", [*ENERGIES, "ref_dnde", "ref_flux", "ref_eflux"]
    elif present := [name for name in UNITS if name in columns]:
        quantity = present[0]
        needed = ["e_ref"] if quantity in ("dnde", "e2dnde") else ["e_min", "e_max"]
    else:
        raise FileError(
            f"{path} has no column of a flux ({', '.join(UNITS)} or norm); its columns are "
            f"{', '.join(columns)}; rename them to the names of the GADF standard"
        )
    if quantity in ("dnde", "e2dnde") and {"e_min", "e_max"} <= set(columns):
        needed = []
    if missing := [name for name in needed if name not in columns]:
        raise FileError(
            f"{path} has no column {missing[0]!r}, which flux points with {quantity!r} need; its "
            f"columns are {', '.join(columns)}"
        )
    return quantity


def _check_units(path: Path, table: Table, quantity: str) -> None:
    expected = dict.fromkeys(ENERGIES, "TeV") | {
        quantity + suffix: UNITS[quantity]
        for suffix in ("", "_err", "_errp", "_errn", "_ul")
        if quantity in UNITS
    }
    if quantity == "likelihood":
        expected |= {f"ref_{name}": unit for name, unit in UNITS.items()}
    for column, unit in expected.items():
        if column not in table.colnames:
            continue
        actual = table[column].unit
        if actual is None or not actual.is_equivalent(unit):
            raise FileError(
                f"{path}: the column {column!r} has "
                + ("no unit" if actual is None else f"the unit '{actual}'")
                + f"; expected one like {unit} (in CSV files as '{column} [{unit}]')"
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
                f"{path}: the column {column!r} has negative values; expected sizes of errors"
            )
    log.info("%s has asymmetric errors: chi2 uses their mean, as gammapy does", path)
    table[f"{flux}_err"] = (table[f"{flux}_errn"].quantity + table[f"{flux}_errp"].quantity) / 2


def _fill_missing_values(table: Table) -> None:
    """Replace missing numbers by NaN: gammapy does not fit these points."""
    for column in table.colnames:
        if hasattr(table[column], "filled"):
            kind = table[column].dtype.kind
            table[column] = table[column].filled(np.nan if kind == "f" else 0)
    if "is_ul" in table.colnames and table["is_ul"].dtype.kind in "SU":
        values = [str(value).strip().lower() in ("true", "t", "1") for value in table["is_ul"]]
        table["is_ul"] = values


def _mark_limits(path: Path, table: Table, quantity: str) -> None:
    """Mark the points without a flux as limits, if the table does not say which are limits.

    gammapy would regard each point with a limit as nothing but a limit.
    """
    flux = "norm" if quantity == "likelihood" else quantity
    is_finite = np.isfinite(np.asarray(table[flux], dtype=float))
    is_finite &= np.asarray(table[f"{flux}_err"], dtype=float) > 0
    if not {"is_ul", "ts", "sqrt_ts"} & set(table.colnames):
        table["is_ul"] = ~is_finite
    if not is_finite.any():
        raise FileError(
            f"{path} has no point with a finite {flux!r} and an error above 0; expected at least "
            "one: upper limits alone cannot be fitted"
        )


def _use_reference_energies(path: Path, table: Table, quantity: str) -> tuple[Table, str]:
    """Return a table whose energies gammapy reads right.

    gammapy ignores ``e_ref`` if there are bins, and takes each bin as extending to the next.
    """
    if not {"e_min", "e_max"} <= set(table.colnames):
        return table, quantity
    low, high = (table[name].quantity.to_value("TeV") for name in ("e_min", "e_max"))
    if not (low < high).all():
        raise FileError(f"{path}: e_min is not below e_max in each row; expected edges of bins")
    is_contiguous = np.allclose(high[:-1], low[1:], rtol=ENERGY_TOLERANCE, atol=0)
    reference = np.sqrt(low * high)
    if "e_ref" in table.colnames:
        reference = table["e_ref"].quantity.to_value("TeV")
    is_centre = np.allclose(reference, np.sqrt(low * high), rtol=ENERGY_TOLERANCE, atol=0)
    if is_contiguous and is_centre:
        return table, quantity
    if quantity in ("flux", "eflux"):
        raise FileError(
            f"{path}: the bins of the integral flux have gaps, or e_ref is not their centre, which "
            "gammapy cannot represent; expected the differential flux (dnde) at e_ref"
        )
    log.info("%s: the flux is compared with models at e_ref, without the edges of bins", path)
    return _without_bins(table, quantity, reference)


def _without_bins(table: Table, quantity: str, reference: Any) -> tuple[Table, str]:
    from astropy import units as u
    from astropy.table import Table

    reduced = Table({"e_ref": reference * u.TeV})
    if quantity == "likelihood":
        for suffix in ("", "_err", "_errp", "_errn", "_ul"):
            if f"norm{suffix}" in table.colnames:
                norm = np.asarray(table[f"norm{suffix}"])
                reduced[f"dnde{suffix}"] = norm * table["ref_dnde"].quantity
        quantity = "dnde"
    columns = [quantity + suffix for suffix in ("", "_err", "_errp", "_errn", "_ul")]
    for column in (*columns, "is_ul", "ts", "sqrt_ts"):
        if column in table.colnames:
            reduced[column] = table[column]
    return reduced, quantity
