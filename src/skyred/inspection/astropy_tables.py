"""Metadata, units and tables of astropy, from tables that were read directly from bytes."""

from __future__ import annotations

import contextlib
import functools
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.io.fits import Header
from astropy.io.fits.connect import REMOVE_KEYWORDS, is_column_keyword
from astropy.table import Column, MaskedColumn, Table as AstropyTable

from skyred.inspection.cards import COMMENTARY
from skyred.inspection.file_content import FileContent, read_file
from skyred.inspection.tables import Table

SERIALIZED = "--BEGIN-ASTROPY-SERIALIZED-COLUMNS--"  # of columns such as SkyCoord
_SIMPLE_FORMAT = re.compile(r"1?[BIJKED]|[1-9]\d*A")
_EXCEPTIONS = re.compile(r"(TDIM|TDISP|TSCAL|TZERO|TNULL|TCTYP|TCUNI|TRPOS)\d+")


def read_table(path: Path) -> AstropyTable:
    """Read the table of a file, several times as fast as astropy if it is simple.

    A table is simple if it is the only one of a valid file, and its columns are numbers or strings
    without scaling, null values and display formats.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    astropy.table.Table
        The table, as `astropy.table.Table.read` returns it, but in the byte order of the machine.

    Raises
    ------
    Exception
        The errors of astropy for a file that it cannot read.
    """
    file = read_file(path)
    if not file.findings and (name := _find_only_table(file)) is not None:
        with contextlib.suppress(KeyError, ValueError):  # cards that do not match each other
            table = file.table(name)
            if _is_simple(table):
                columns = [_create_column(table, name) for name in table.exact_names]
                return AstropyTable(columns, copy=False, meta=read_meta(table.header))
    return AstropyTable.read(path, format="fits")


def _find_only_table(file: FileContent) -> str | None:
    """Return the name of the table of a file with one extension; several may have the same name."""
    for name, hdu in file.hdus.items():
        is_only = hdu.index == 1 and hdu.end == len(file.content)
        if is_only and hdu.header.get("XTENSION") == "BINTABLE":
            return name
    return None


def _is_simple(table: Table) -> bool:
    """Return whether astropy would read the columns as they are stored."""
    header = table.header
    formats = [str(header.get(f"TFORM{i + 1}", "")) for i in range(header.get("TFIELDS", 0))]
    return (
        len(table) > 0
        and all(_SIMPLE_FORMAT.fullmatch(column_format.strip()) for column_format in formats)
        and not any(_EXCEPTIONS.fullmatch(key) for key in header)
        and SERIALIZED not in header.get("COMMENT", ())
        and len(formats) == len(set(table.exact_names)) == len(table.names)
    )


def _create_column(table: Table, name: str) -> Column:
    """Return a column; as in astropy, NaN and empty strings are masked."""
    values = table.stored_column(name)
    is_string = values.dtype.kind == "S"
    if is_string:
        values = np.char.rstrip(values)
        mask = values == b""
    else:
        mask = np.isnan(values) if values.dtype.kind == "f" else np.zeros(1, bool)
    column: Column
    if mask.any():
        fill_value = b"" if is_string else np.nan
        column = MaskedColumn(values, name=name, mask=mask, fill_value=fill_value, copy=False)
    else:
        column = Column(values, name=name, copy=False)
    if unit := table.stored_unit(name):
        column.unit = parse_unit(unit)
    return column


def parse_unit(string: str) -> Any:
    """Return a unit, with a warning if it is invalid.

    Parameters
    ----------
    string : str
        The unit as FITS files write it.

    Returns
    -------
    astropy.units.UnitBase
        The unit; an `astropy.units.UnrecognizedUnit` if it is invalid.
    """
    unit = _parse_valid_unit(string)
    # each run has its own note on an invalid unit
    return u.Unit(string, format="fits", parse_strict="warn") if unit is None else unit


@functools.lru_cache(maxsize=256)
def _parse_valid_unit(string: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return u.Unit(string, format="fits")
    except (ValueError, UserWarning):
        return None


@functools.lru_cache(maxsize=4096)
def _describes_table(key: str) -> bool:
    return key in REMOVE_KEYWORDS or bool(is_column_keyword(key))


def read_meta(header: Any) -> dict[str, Any]:
    """Return the metadata that astropy's `Table` has for a header.

    Parameters
    ----------
    header : mapping of str to object
        The values of the header, or astropy's `Header`.

    Returns
    -------
    dict of str to object
        The cards that do not describe the table itself; None for one without a value.
    """
    meta: dict[str, Any] = {}
    for key in dict.fromkeys(header):
        if _describes_table(key):
            continue
        name = "comments" if key == "COMMENT" else key
        if isinstance(header, Header) and key not in COMMENTARY and header.count(key) > 1:
            meta[name] = [card.value for card in header.cards if card.keyword == key]
        else:
            value = list(header[key]) if key in COMMENTARY else header[key]
            meta[name] = value[0] if key == "" and len(value) == 1 else value
    return meta
