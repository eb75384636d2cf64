"""Text in FITS files, which is ASCII, unlike the names of sources and parameters."""

from __future__ import annotations

from string import ascii_letters, digits, punctuation
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Callable

    from astropy.table import Table

_PLAIN = (ascii_letters + digits + punctuation + " ").replace("%", "")


def encode_text(string: str) -> str:
    """Return a text in printable ASCII characters.

    Parameters
    ----------
    string : str
        The text, with any characters.

    Returns
    -------
    str
        The text, with other characters and ``%`` percent-encoded as in a URL.
    """
    return quote(string, safe=_PLAIN)


def decode_text(string: str) -> str:
    """Return the original of an encoded text.

    Parameters
    ----------
    string : str
        The text as `encode_text` returns it.

    Returns
    -------
    str
        The original text.
    """
    return unquote(string)


def encode_table(table: Table) -> Table:
    """Return a table with encoded texts, if any of them is not ASCII.

    Parameters
    ----------
    table : Table
        The table; it is not changed.

    Returns
    -------
    Table
        The table, or a copy with ``ENCODED`` in its metadata.
    """
    strings = [string for name in _text_columns(table) for string in table[name]]
    strings += [value for value in table.meta.values() if isinstance(value, str)]
    if all(str(string).isascii() for string in strings):
        return table
    encoded = _convert(table, encode_text)
    encoded.meta["ENCODED"] = True
    return encoded


def decode_table(table: Table) -> Table:
    """Return a table with its original texts.

    Parameters
    ----------
    table : Table
        The table as `encode_table` returns it.

    Returns
    -------
    Table
        The table, or a copy with the original texts.
    """
    if not table.meta.pop("ENCODED", False):
        return table
    return _convert(table, decode_text)


def _text_columns(table: Table) -> list[str]:
    return [name for name in table.colnames if table[name].dtype.kind in "US"]


def _convert(table: Table, convert: Callable[[str], str]) -> Table:
    converted = table.copy()
    for name in _text_columns(table):
        values = table[name]
        converted[name] = [convert(str(string)) for string in values]
        converted[name].description = values.description
    converted.meta |= {
        key: convert(value) for key, value in table.meta.items() if isinstance(value, str)
    }
    return converted
