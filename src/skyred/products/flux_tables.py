"""Flux points along time or distance, in files: gammapy's tables with columns of ours beside."""

from __future__ import annotations

from collections.abc import Mapping
from math import erf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.products.fits_tables import read_tables, write_tables

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.estimators import FluxPoints

DESCRIPTIONS: Mapping[str, str] = {
    "time_min": "start of the interval, MJD",
    "time_max": "end of the interval, MJD",
    "x_min": "projected distance, lower edge",
    "x_max": "projected distance, upper edge",
    "x_ref": "projected distance, centre",
    "e_ref": "reference energy",
    "e_min": "lower edge of the energy bin",
    "e_max": "upper edge of the energy bin",
    "ref_dnde": "differential flux of the reference model at e_ref",
    "ref_flux": "integral flux of the reference model in the bin",
    "ref_eflux": "energy flux of the reference model in the bin",
    "norm": "flux over that of the reference model, which is positive",
    "flux": "integral flux in the bin",
    "dnde": "differential flux at e_ref",
    "ts": "likelihood ratio against no source",
    "sqrt_ts": "significance against no source, with the sign of the flux",
    "stat": "fit statistic at the best norm",
    "stat_null": "fit statistic without the source",
    "stat_scan": "fit statistic at norm_scan",
    "norm_scan": "norms of the likelihood scan",
    "npred": "predicted counts, by dataset",
    "npred_excess": "predicted counts of the source, by dataset",
    "counts": "counts, by dataset",
    "success": "whether a norm was found",
    "is_ul": "whether the upper limit is to be quoted",
}
ENDINGS: Mapping[str, str] = {
    "_err": "symmetric error of {}",
    "_errn": "downward error of {}",
    "_errp": "upward error of {}",
    "_ul": "upper limit of {}",
    "_sensitivity": "{} that would be significant",
}


def describe(table: Table) -> Table:
    """Say in each of gammapy's columns what it is."""
    for column in table.itercols():
        if not column.description:
            column.description = description_of(column.name)
    return table


def description_of(name: str) -> str | None:
    """Say what a column is; None if it is not known."""
    if name in DESCRIPTIONS:
        return DESCRIPTIONS[name]
    for ending, words in ENDINGS.items():
        if name.endswith(ending) and name.removesuffix(ending) in DESCRIPTIONS:
            return words.format(DESCRIPTIONS[name.removesuffix(ending)])
    return None


def flux_table(flux: FluxPoints, sed_type: str, details: Table) -> Table:
    """Give gammapy's table, which it can read again, with more columns beside.

    Parameters
    ----------
    flux : gammapy.estimators.FluxPoints
        Along time or projected distance.
    sed_type : {"likelihood", "flux", "dnde"}
        What is listed: norms, or fluxes.
    details : Table
        A row for each interval or region; its metadata are taken over too.
    """
    table = flux.to_table(sed_type=sed_type)
    # gammapy loses both on the way through its rows
    table.meta |= {"SED_TYPE": sed_type, "UL_CONF": round(erf(flux.n_sigma_ul / 2**0.5), 7)}
    for name in ("time_min", "time_max"):
        if name in table.colnames:
            table[name].unit = "d"
    for name in details.colnames:
        table[name] = details[name]
    table.meta |= details.meta
    return describe(table)


def write_flux(
    folder: Path, name: str, flux: FluxPoints, details: Table, header: Mapping[str, Any]
) -> Path:
    """Write everything to ``NAME.fits``, as gammapy's `FluxPoints.write` does, with the details."""
    from astropy.table import Table

    table = flux_table(flux, "likelihood", details[details.colnames])
    table.meta = {key: value for key, value in table.meta.items() if _fits_into_header(value)}
    table.meta |= {"EXTNAME": "FLUXPOINTS", **header}
    tables = [table]
    if flux.gti is not None:
        tables.append(Table.read(flux.gti.to_table_hdu()))
        tables[-1].meta["EXTNAME"] = "GTI"
    path = folder / f"{name}.fits"
    write_tables(path, tables)
    return path


def _fits_into_header(value: Any) -> bool:
    return np.ndim(value) == 0 and (not isinstance(value, float) or np.isfinite(value))


def read_header(folder: Path, name: str) -> Mapping[str, Any]:
    """Give the header of the file that `write_flux` wrote."""
    from astropy.io import fits

    return fits.getheader(folder / f"{name}.fits", "FLUXPOINTS")  # type: ignore[no-any-return]


def read_flux(
    folder: Path, name: str, model: Any, details: tuple[str, ...]
) -> tuple[FluxPoints, Table]:
    """Read the flux points, with the spectrum that they refer to, and the named columns.

    Parameters
    ----------
    folder : Path
        The folder of the file.
    name : str
        The name of the product.
    model : SkyModel or None
        The source, as it was fitted.
    details : tuple of str
        Names of the columns that are not gammapy's.
    """
    from gammapy.estimators import FluxPoints

    path = folder / f"{name}.fits"
    flux = FluxPoints.read(path, reference_model=reference_of(path, model))
    table = read_tables(path)[0]
    for quantity in flux.available_quantities:
        values = flux._data[quantity]
        values.data = np.ma.filled(values.data, np.nan)  # astropy masks NaN in FITS files
        if "x_min" in table.colnames:
            flux._data[quantity] = _between_edges(values, table)
    kept = table[list(details)]
    for column in kept.colnames:
        if kept[column].dtype.kind in "SU":
            description = kept[column].description
            kept[column] = np.ma.filled(kept[column].astype(str), "")
            kept[column].description = description
    kept.meta.clear()
    return flux, kept


def reference_of(path: Path, model: Any) -> Any:
    """Return the spectrum that the norms in a file refer to; None if the source is not known."""
    from skyred.likelihood.flux.reference import stored_reference

    return None if model is None else stored_reference(model, read_tables(path)[0])


def _between_edges(values: Any, table: Table) -> Any:
    """Put a map back between the edges that were written: gammapy takes them from the centres."""
    from gammapy.maps import MapAxis, RegionNDMap

    edges = u.Quantity([*table["x_min"].quantity, table["x_max"].quantity[-1]])
    axis = MapAxis.from_edges(edges, name="projected-distance")
    geom = values.geom.replace_axis(axis)
    return RegionNDMap(geom, data=values.data, unit=values.unit, meta=values.meta)
