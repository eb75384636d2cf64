"""Several tables as one FITS file: their units, descriptions and metadata survive."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astropy.table import Table


def write_tables(path: Path, tables: Iterable[Table]) -> None:
    """Write tables, each an extension called by its ``EXTNAME`` in ``meta``."""
    from astropy.io import fits

    written = [fits.PrimaryHDU()]
    for table in tables:
        hdu = fits.table_to_hdu(table)
        for number, column in enumerate(table.itercols(), 1):
            # the standard's own place for what a column is: astropy does not fill it
            hdu.header[f"TCOMM{number}"] = column.description or ""
        written.append(hdu)
    fits.HDUList(written).writeto(path, overwrite=True)


def read_tables(path: Path) -> list[Table]:
    """Read them in the order they were written."""
    from astropy.io import fits
    from astropy.table import Table

    tables = []
    with fits.open(path) as file:
        for hdu in file[1:]:
            table = Table.read(hdu, mask_invalid=False)  # NaN is a value, and "" a text
            for number, column in enumerate(table.itercols(), 1):
                column.description = hdu.header.get(f"TCOMM{number}") or None
                table.meta.pop(f"TCOMM{number}", None)
            tables.append(table)
    return tables
