"""Tables as HDUs: the bytes that astropy writes for plain columns, encoded many times as fast."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.io.fits_encoding import encode_hdu, encode_with_astropy, format_card

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.data import GTI
    from numpy.typing import NDArray

# formats of columns by dtype; strings have the format A
FORMATS = {"b1": "L", "i2": "I", "i4": "J", "i8": "K", "f4": "E", "f8": "D"}


@attrs.frozen(eq=False)
class Column:
    """A column of a table.

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
        """Whether the dtype of the values has a format."""
        if self.values.dtype.kind in "US":
            return bool(self.values.dtype.itemsize) and _is_ascii(self.values)
        return self.values.dtype.str[1:] in FORMATS

    def encode(self) -> NDArray[Any]:
        """Return the values as they are stored: big-endian, and booleans as letters."""
        if self.values.dtype.kind == "b":
            return np.where(self.values, ord("T"), ord("F")).astype("i1")
        if self.values.dtype.kind in "US":
            return np.char.encode(self.values, "ascii") if self._is_text else self.values
        return self.values.astype(self.values.dtype.newbyteorder(">"))

    @property
    def _is_text(self) -> bool:
        return self.values.dtype.kind == "U"

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
        if self.values.dtype.kind in "US":
            width = self.values.dtype.itemsize // (4 if self._is_text else 1)
            letter, repeats = "A", width * int(np.prod(shape))
            shape = (width, *shape) if shape else ()
        else:
            letter, repeats = FORMATS[self.values.dtype.str[1:]], int(np.prod(shape))
        prefix = str(repeats) if repeats != 1 else ""
        cards = [format_card(f"TTYPE{number}", self.name)]
        cards.append(format_card(f"TFORM{number}", f"{prefix}{letter}"))
        if self.unit is not None:
            cards.append(format_card(f"TUNIT{number}", self.unit))
        if shape:
            cards.append(format_card(f"TDIM{number}", f"({','.join(map(str, shape))})"))
        return cards


def encode_columns(columns: Sequence[Column], cards: Sequence[str], checksum: bool) -> bytes:
    """Encode columns as the HDU of a table.

    Parameters
    ----------
    columns : sequence of Column
        The columns.
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

    Tables with masked values, times, formats or other data without a fast encoding are encoded by
    astropy.

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
    columns = _create_columns(table)
    if columns is None or not _is_plain(table.meta):
        return _encode_with_astropy(table, name, cards, checksum)
    header = {key.upper(): format_card(key.upper(), value) for key, value in table.meta.items()}
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
        try:
            unit = None if column.unit is None else column.unit.to_string("fits")
        except ValueError:  # astropy warns that the unit is not written
            return None
        columns.append(Column(column.name, np.asarray(column), unit))
    is_supported = columns and len(table) and all(column.is_supported for column in columns)
    return columns if is_supported else None


def _is_plain(meta: Any) -> bool:
    """Return whether each item of metadata is one card without a special meaning for astropy."""
    from astropy.io.fits.connect import REMOVE_KEYWORDS, is_column_keyword

    return all(
        isinstance(value, (str, int, float, np.integer))
        and len(key) <= 8
        and key.upper() not in {*REMOVE_KEYWORDS, "COMMENT", "COMMENTS", "HISTORY"}
        and not is_column_keyword(key.upper())
        for key, value in meta.items()
    )


def _encode_with_astropy(table: Table, name: str, cards: Iterable[str], checksum: bool) -> bytes:
    from astropy.io import fits

    hdu = fits.BinTableHDU(table, name=name)
    hdu.header.update(fits.Header(fits.Card.fromstring(card) for card in cards))
    return encode_with_astropy([fits.PrimaryHDU(), hdu], checksum)[1]


def _is_ascii(values: NDArray[Any]) -> bool:
    if values.dtype.kind == "S":
        return True
    return all(str(value).isascii() for value in values.ravel())
