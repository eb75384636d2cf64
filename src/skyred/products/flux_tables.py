"""FITS files and tables of light curves and flux profiles, with additional columns."""

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
    "norm": "ratio of the flux to the (positive) flux of the reference model",
    "flux": "integral flux in the bin",
    "dnde": "differential flux at e_ref",
    "ts": "test statistic, relative to the fit without the source",
    "sqrt_ts": "significance of the source (sigma), with the sign of the flux",
    "stat": "fit statistic at the best-fit norm",
    "stat_null": "fit statistic without the source",
    "stat_scan": "fit statistic at norm_scan",
    "norm_scan": "norms of the likelihood scan",
    "npred": "predicted counts, by dataset",
    "npred_excess": "predicted counts of the source, by dataset",
    "counts": "counts, by dataset",
    "success": "whether the fit of the norm succeeded",
    "is_ul": "whether to quote the upper limit",
}
SUFFIXES: Mapping[str, str] = {
    "_err": "symmetric error of {}",
    "_errn": "downward error of {}",
    "_errp": "upward error of {}",
    "_ul": "upper limit of {}",
    "_sensitivity": "sensitivity: {} of a source that would be significant",
}


def add_descriptions(table: Table) -> Table:
    """Add descriptions to the columns of a table from gammapy, unless they have one.

    Parameters
    ----------
    table : Table
        The table, changed in place.

    Returns
    -------
    Table
        The same table.
    """
    for column in table.itercols():
        if not column.description:
            column.description = column_description(column.name)
    return table


def column_description(name: str) -> str | None:
    """Return the description of a column.

    Parameters
    ----------
    name : str
        The name of the column.

    Returns
    -------
    str or None
        The description; None if the column is unknown.
    """
    if name in DESCRIPTIONS:
        return DESCRIPTIONS[name]
    for suffix, template in SUFFIXES.items():
        if name.endswith(suffix) and name.removesuffix(suffix) in DESCRIPTIONS:
            return template.format(DESCRIPTIONS[name.removesuffix(suffix)])
    return None


def flux_table(flux: FluxPoints, sed_type: str, details: Table) -> Table:
    """Return flux points as a table that gammapy can read, with additional columns.

    Parameters
    ----------
    flux : gammapy.estimators.FluxPoints
        Flux points along time or projected distance.
    sed_type : {"likelihood", "flux", "dnde"}
        The type of the quantities: norms or fluxes.
    details : Table
        The additional columns, a row for each interval or region; its metadata are added too.

    Returns
    -------
    Table
        A row for each interval or region.
    """
    table = flux.to_table(sed_type=sed_type)
    # gammapy drops these metadata when it builds the rows
    table.meta |= {"SED_TYPE": sed_type, "UL_CONF": round(erf(flux.n_sigma_ul / 2**0.5), 7)}
    for name in ("time_min", "time_max"):
        if name in table.colnames:
            table[name].unit = "d"
    for name in details.colnames:
        table[name] = details[name]
    table.meta |= details.meta
    return add_descriptions(table)


def write_flux(
    folder: Path, name: str, flux: FluxPoints, details: Table, header: Mapping[str, Any]
) -> Path:
    """Write flux points with additional columns, in the format of gammapy's `FluxPoints.write`.

    Parameters
    ----------
    folder : Path
        The folder of the file ``NAME.fits``.
    name : str
        The name of the product.
    flux : gammapy.estimators.FluxPoints
        Flux points along time or projected distance.
    details : Table
        The additional columns.
    header : mapping of str to object
        Additional cards of the header.

    Returns
    -------
    Path
        The file.
    """
    from astropy.table import Table

    table = flux_table(flux, "likelihood", details[details.colnames])
    table.meta = {key: value for key, value in table.meta.items() if _is_valid_card(value)}
    table.meta |= {"EXTNAME": "FLUXPOINTS", **header}
    tables = [table]
    if flux.gti is not None:
        tables.append(Table.read(flux.gti.to_table_hdu()))
        tables[-1].meta["EXTNAME"] = "GTI"
    path = folder / f"{name}.fits"
    write_tables(path, tables)
    return path


def _is_valid_card(value: Any) -> bool:
    return np.ndim(value) == 0 and (not isinstance(value, float) or np.isfinite(value))


def read_header(folder: Path, name: str) -> Mapping[str, Any]:
    """Return the header of a file written by `write_flux`.

    Parameters
    ----------
    folder : Path
        The folder.
    name : str
        The name of the product.

    Returns
    -------
    mapping of str to object
        The header of the flux points.
    """
    from astropy.io import fits

    return fits.getheader(folder / f"{name}.fits", "FLUXPOINTS")  # type: ignore[no-any-return]


def read_flux(
    folder: Path, name: str, model: Any, detail_names: tuple[str, ...]
) -> tuple[FluxPoints, Table]:
    """Read flux points with their reference spectrum and additional columns.

    Parameters
    ----------
    folder : Path
        The folder of the file.
    name : str
        The name of the product.
    model : SkyModel or None
        The fitted model of the source.
    detail_names : tuple of str
        The names of the additional columns.

    Returns
    -------
    flux : gammapy.estimators.FluxPoints
        The flux points.
    details : Table
        The additional columns.
    """
    from gammapy.estimators import FluxPoints

    path = folder / f"{name}.fits"
    flux = FluxPoints.read(path, reference_model=read_reference(path, model))
    table = read_tables(path)[0]
    for quantity in flux.available_quantities:
        values = flux._data[quantity]
        values.data = np.ma.filled(values.data, np.nan)  # astropy masks NaN in FITS files
        if "x_min" in table.colnames:
            flux._data[quantity] = _between_edges(values, table)
    details_table = table[list(detail_names)]
    for column in details_table.colnames:
        if details_table[column].dtype.kind in "SU":
            description = details_table[column].description
            details_table[column] = np.ma.filled(details_table[column].astype(str), "")
            details_table[column].description = description
    details_table.meta.clear()
    return flux, details_table


def read_reference(path: Path, model: Any) -> Any:
    """Return the reference spectrum of the norms in a file.

    Parameters
    ----------
    path : Path
        The file.
    model : SkyModel or None
        The fitted model of the source.

    Returns
    -------
    SpectralModel or None
        The spectrum; without a model, that of the reference fluxes in the file, if there are any.
    """
    from skyred.likelihood.flux.reference import stored_reference
    from skyred.likelihood.flux.tabulated_reference import TabulatedReference

    table = read_tables(path)[0]
    return TabulatedReference.from_table(table) if model is None else stored_reference(model, table)


def _between_edges(values: Any, table: Table) -> Any:
    """Return a map with the exact bin edges of a table; gammapy estimates them from the centres."""
    from gammapy.maps import MapAxis, RegionNDMap

    edges = u.Quantity([*table["x_min"].quantity, table["x_max"].quantity[-1]])
    axis = MapAxis.from_edges(edges, name="projected-distance")
    geom = values.geom.replace_axis(axis)
    return RegionNDMap(geom, data=values.data, unit=values.unit, meta=values.meta)
