"""Several astropy tables in one FITS file, with units, descriptions and metadata."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from skyred.products.fits_text import decode_table, decode_text, encode_table, encode_text

if TYPE_CHECKING:
    from astropy.table import Table


def write_tables(path: Path, tables: Iterable[Table]) -> None:
    """Write tables to a FITS file, each to an extension named by ``EXTNAME`` in its metadata.

    Parameters
    ----------
    path : Path
        The file, which is replaced if it exists.
    tables : iterable of Table
        The tables.
    """
    from astropy.io import fits

    hdus = [fits.PrimaryHDU()]
    for table in tables:
        hdu = fits.table_to_hdu(encode_table(table))
        for column_number, column in enumerate(table.itercols(), 1):
            # the standard keyword for the description of a column; astropy does not write it
            hdu.header[f"TCOMM{column_number}"] = encode_text(column.description or "")
        hdus.append(hdu)
    fits.HDUList(hdus).writeto(path, overwrite=True)


def read_tables(path: Path) -> list[Table]:
    """Read the tables in a FITS file, in order.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    list of Table
        The tables.
    """
    from astropy.io import fits
    from astropy.table import Table

    tables = []
    with fits.open(path) as file:
        for hdu in file[1:]:
            table = Table.read(hdu, mask_invalid=False)  # NaN and "" are valid values
            for column_number, column in enumerate(table.itercols(), 1):
                description = hdu.header.get(f"TCOMM{column_number}") or ""
                column.description = decode_text(description) or None
                table.meta.pop(f"TCOMM{column_number}", None)
            tables.append(decode_table(table))
    return tables
