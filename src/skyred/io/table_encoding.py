"""Tables as HDUs: the bytes of gammapy and astropy; columns of numbers are encoded faster."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.io.fits_encoding import encode_extension, encode_hdu, format_card

if TYPE_CHECKING:
    from astropy.table import Table
    from astropy.units import UnitBase
    from gammapy.data import GTI
    from numpy.typing import NDArray

FORMATS = {"i": "K", "f": "D"}  # 64-bit numbers, by kind of the dtype
TEXT = re.compile(r"[ -~]*")  # the characters that FITS allows
# cards that describe the HDU from which a table was read; astropy keeps them as metadata
OUTDATED = {"SIMPLE", "EXTEND", "CHECKSUM", "DATASUM"}


def format_unit(unit: UnitBase) -> str | None:
    """Return a unit in the format of FITS.

    Parameters
    ----------
    unit : astropy.units.UnitBase
        The unit.

    Returns
    -------
    str or None
        The unit; None if astropy refuses the unit, or warns of it.
    """
    from astropy.units import UnrecognizedUnit

    # some versions of astropy raise an error for the hash of such a unit
    return None if isinstance(unit, UnrecognizedUnit) else _format_unit(unit)


@lru_cache(maxsize=1024)
def _format_unit(unit: UnitBase) -> str | None:
    from astropy.units import Unit

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            name = str(unit.to_string("fits"))
            Unit(name, format="fits", parse_strict="raise")
        except (TypeError, ValueError, Warning):
            return None
    return name if TEXT.fullmatch(name) else None


def encode_columns(
    columns: Mapping[str, NDArray[Any]],
    units: Mapping[str, str],
    cards: Sequence[str],
    checksum: bool = False,
) -> bytes:
    """Encode columns of 64-bit numbers as the HDU of a table.

    Parameters
    ----------
    columns : mapping of str to array
        The columns by name: integers or floats, each of shape (rows,).
    units : mapping of str to str
        The units in the format of FITS, by name of the column.
    cards : sequence of str
        The cards after those of the columns.
    checksum : bool
        Whether to add the cards CHECKSUM and DATASUM.

    Returns
    -------
    bytes
        The HDU.
    """
    n_rows = len(next(iter(columns.values())))
    rows = np.empty(n_rows, [(name, f">{column.dtype.kind}8") for name, column in columns.items()])
    header = [
        format_card("XTENSION", "BINTABLE", "binary table extension"),
        format_card("BITPIX", 8, "array data type"),
        format_card("NAXIS", 2, "number of array dimensions"),
        format_card("NAXIS1", rows.itemsize, "length of dimension 1"),
        format_card("NAXIS2", n_rows, "length of dimension 2"),
        format_card("PCOUNT", 0, "number of group parameters"),
        format_card("GCOUNT", 1, "number of groups"),
        format_card("TFIELDS", len(columns), "number of table fields"),
    ]
    for number, (name, column) in enumerate(columns.items(), start=1):
        rows[name] = column
        header.append(format_card(f"TTYPE{number}", name))
        header.append(format_card(f"TFORM{number}", FORMATS[column.dtype.kind]))
        if name in units:
            header.append(format_card(f"TUNIT{number}", units[name]))
    return encode_hdu([*header, *cards], rows.tobytes(), checksum)


def encode_gti(gti: GTI, cards: Sequence[str] = (), checksum: bool = False) -> bytes:
    """Encode good time intervals, as `GTI.to_table_hdu` does.

    Parameters
    ----------
    gti : gammapy.data.GTI
        The good time intervals.
    cards : sequence of str
        Further cards of the header; they replace those of the metadata.
    checksum : bool
        Whether to add the cards CHECKSUM and DATASUM.

    Returns
    -------
    bytes
        The HDU.
    """
    from gammapy.utils.metadata import CreatorMetaData

    if not len(gti.table):
        return encode_extension(gti.to_table_hdu(), cards, checksum)
    if gti._meta.creation is None:
        gti._meta.creation = CreatorMetaData()
    times = {"START": gti.time_start, "STOP": gti.time_stop}
    columns = {name: (time - gti.time_ref).to("s").value for name, time in times.items()}
    header = {key: format_card(key, value) for key, value in gti._meta.to_header("gadf").items()}
    header["EXTNAME"] = format_card("EXTNAME", "GTI", "extension name")
    header |= {card[:8].rstrip(): card for card in cards}
    return encode_columns(columns, dict.fromkeys(columns, "s"), [*header.values()], checksum)


def encode_table(
    table: Table, name: str, cards: Sequence[str] = (), checksum: bool = False
) -> bytes:
    """Encode a table with astropy, without metadata that describe another HDU.

    Parameters
    ----------
    table : astropy.table.Table
        The table.
    name : str
        The name of the HDU.
    cards : sequence of str
        Further cards of the header; they replace those of the metadata.
    checksum : bool
        Whether to add the cards CHECKSUM and DATASUM.

    Returns
    -------
    bytes
        The HDU.
    """
    from astropy.io import fits

    table = table.copy(copy_data=False)
    for key in [key for key in table.meta if str(key).upper() in OUTDATED]:
        del table.meta[key]
    hdu = fits.table_to_hdu(table)  # BinTableHDU(table) would create the columns twice
    hdu.name = name
    return encode_extension(hdu, cards, checksum)
