"""Tables as HDUs: the bytes that astropy writes for plain columns, encoded many times as fast."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.io.fits_encoding import encode_hdu, encode_with_astropy, format_card

if TYPE_CHECKING:
    from astropy.table import Table
    from astropy.units import UnitBase
    from gammapy.data import GTI
    from numpy.typing import NDArray

# formats of columns by dtype, and their sizes in bytes
FORMATS = {"b1": "L", "i2": "I", "i4": "J", "i8": "K", "f4": "E", "f8": "D"}
SIZES = {"L": 1, "I": 2, "J": 4, "K": 8, "E": 4, "D": 8}
COLUMN_NAME = re.compile(r"[A-Za-z0-9_]{1,60}")
KEY = re.compile(r"[A-Za-z0-9_-]{1,8}")  # of a card without HIERARCH
TEXT = re.compile(r"[ -~]*")  # the characters that FITS allows
MAX_COLUMNS = 999
MAX_INTEGER = 2**63
# cards that are not metadata: they describe the HDU, and are wrong for another one; tables that
# astropy reads keep some of them as metadata
STRUCTURE = {"SIMPLE", "EXTEND", "CHECKSUM", "DATASUM"}
# cards that astropy does not write as any other card
SPECIAL = {"COMMENT", "COMMENTS", "HISTORY", "CONTINUE", "HIERARCH", "EXTNAME", "EXTVER"}
SPECIAL |= {"END", "EXTLEVEL", "XTENSION", "BLOCKED", "GROUPS", "BSCALE", "BZERO", "BLANK"}


@attrs.frozen(eq=False)
class Column:
    """A column of numbers or booleans.

    Parameters
    ----------
    name : str
        The name.
    values : array
        The values, shape (rows, ...).
    unit : str or None
        The unit in the format of FITS.
    """

    name: str
    values: NDArray[Any]
    unit: str | None = None

    @property
    def is_supported(self) -> bool:
        """Whether the column has a fast encoding."""
        has_format = self.values.dtype.str[1:] in FORMATS and self.values.size > 0
        return has_format and COLUMN_NAME.fullmatch(self.name) is not None

    def encode(self) -> NDArray[Any]:
        """Return the values as they are stored: big-endian, and booleans as letters."""
        if self.values.dtype.kind == "b":
            return np.where(self.values, ord("T"), ord("F")).astype("i1")
        return self.values.astype(self.values.dtype.newbyteorder(">"))

    @property
    def form(self) -> tuple[int, str]:
        """The number of values in a row, and the letter of their format."""
        return int(np.prod(self.values.shape[1:])), FORMATS[self.values.dtype.str[1:]]

    def format_cards(self, number: int) -> list[str]:
        """Return the cards of the column.

        Parameters
        ----------
        number : int
            The number of the column, from 1.

        Returns
        -------
        list of str
            The cards.
        """
        shape = self.values.shape[:0:-1]
        repeats, letter = self.form
        prefix = str(repeats) if repeats != 1 else ""
        cards = [format_card(f"TTYPE{number}", self.name)]
        cards.append(format_card(f"TFORM{number}", f"{prefix}{letter}"))
        if self.unit is not None:
            cards.append(format_card(f"TUNIT{number}", self.unit))
        if shape:
            cards.append(format_card(f"TDIM{number}", f"({','.join(map(str, shape))})"))
        return cards


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


def encode_columns(columns: Sequence[Column], cards: Sequence[str], checksum: bool) -> bytes:
    """Encode columns as the HDU of a table.

    Parameters
    ----------
    columns : sequence of Column
        The columns; each has a fast encoding.
    cards : sequence of str
        The cards after those of the columns.
    checksum : bool
        Whether to add the cards CHECKSUM and DATASUM.

    Returns
    -------
    bytes
        The HDU.
    """
    values = [column.encode() for column in columns]
    fields = [(f"{n}", item.dtype, item.shape[1:]) for n, item in enumerate(values)]
    rows = np.empty(len(values[0]), dtype=fields)
    for (field, *_), item in zip(fields, values, strict=True):
        rows[field] = item
    forms = [column.form for column in columns]
    assert rows.itemsize == sum(repeats * SIZES[letter] for repeats, letter in forms)
    header = [
        format_card("XTENSION", "BINTABLE", "binary table extension"),
        format_card("BITPIX", 8, "array data type"),
        format_card("NAXIS", 2, "number of array dimensions"),
        format_card("NAXIS1", rows.itemsize, "length of dimension 1"),
        format_card("NAXIS2", len(rows), "length of dimension 2"),
        format_card("PCOUNT", 0, "number of group parameters"),
        format_card("GCOUNT", 1, "number of groups"),
        format_card("TFIELDS", len(columns), "number of table fields"),
    ]
    for number, column in enumerate(columns, start=1):
        header += column.format_cards(number)
    return encode_hdu([*header, *cards], rows.tobytes(), checksum)


def encode_table(
    table: Table, name: str, cards: Sequence[str] = (), checksum: bool = False
) -> bytes:
    """Encode a table, with its metadata, as ``BinTableHDU(table, name=name)`` does.

    Tables with strings, masked values, times, formats or other data without a fast encoding are
    encoded by astropy. Metadata that describe another HDU, such as checksums, are dropped.

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
    meta = {key: value for key, value in table.meta.items() if not _is_structure(key)}
    columns = _create_columns(table)
    if columns is None or not all(_is_plain(*item) for item in meta.items()):
        return _encode_with_astropy(table, meta, name, cards, checksum)
    header = {key.upper(): format_card(key.upper(), value) for key, value in meta.items()}
    header["EXTNAME"] = format_card("EXTNAME", name.upper(), "extension name")
    header |= {card[:8].rstrip(): card for card in cards}
    return encode_columns(columns, list(header.values()), checksum)


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
    from astropy.table import Table
    from gammapy.utils.metadata import CreatorMetaData

    if gti._meta.creation is None:
        gti._meta.creation = CreatorMetaData()
    times = {"START": gti.time_start, "STOP": gti.time_stop}
    table = Table(
        {name: (time - gti.time_ref).to("s") for name, time in times.items()},
        meta=gti._meta.to_header("gadf"),
    )
    return encode_table(table, "GTI", cards, checksum)


def _create_columns(table: Table) -> list[Column] | None:
    """Return the columns of a table; None if one of them has no fast encoding."""
    from astropy.table import Column as TableColumn

    columns = []
    for column in table.itercols():
        if type(column) is not TableColumn or column.format is not None:
            return None
        unit = None if column.unit is None else format_unit(column.unit)
        if unit is None and column.unit is not None:
            return None
        columns.append(Column(column.name, np.asarray(column), unit))
    names = {column.name.upper() for column in columns}
    is_supported = 0 < len(columns) == len(names) <= MAX_COLUMNS
    return columns if is_supported and all(column.is_supported for column in columns) else None


def _is_structure(key: Any) -> bool:
    return isinstance(key, str) and key.upper() in STRUCTURE


def _is_plain(key: Any, value: Any) -> bool:
    """Return whether metadata are one card without a special meaning for astropy."""
    from astropy.io.fits.connect import REMOVE_KEYWORDS, is_column_keyword

    if not (type(key) is str and KEY.fullmatch(key)):
        return False
    if key.upper() in {*REMOVE_KEYWORDS, *SPECIAL} or is_column_keyword(key.upper()):
        return False
    if type(value) is str:
        return TEXT.fullmatch(value) is not None
    if type(value) in (int, np.int64):
        return abs(int(value)) < MAX_INTEGER
    is_float = type(value) in (float, np.float64)
    return type(value) is bool or (is_float and math.isfinite(value))


def _encode_with_astropy(
    table: Table, meta: Mapping[str, Any], name: str, cards: Iterable[str], checksum: bool
) -> bytes:
    from astropy.io import fits

    if len(meta) < len(table.meta):
        table = table.copy(copy_data=False)
        table.meta = dict(meta)
    hdu = fits.BinTableHDU(table, name=name)
    hdu.header.update(fits.Header(fits.Card.fromstring(card) for card in cards))
    return encode_with_astropy([fits.PrimaryHDU(), hdu], checksum)[1]
