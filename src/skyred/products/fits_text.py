"""Encoding of strings such as source names for FITS files, where only ASCII is allowed."""

from __future__ import annotations

from string import ascii_letters, digits, punctuation
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Callable

    from astropy.table import Table

_PLAIN = (ascii_letters + digits + punctuation + " ").replace("%", "")


def encode_text(string: str) -> str:
    """Encode a string in printable ASCII characters.

    Parameters
    ----------
    string : str
        The string, with any characters.

    Returns
    -------
    str
        The string, with other characters and ``%`` percent-encoded as in a URL.
    """
    return quote(string, safe=_PLAIN)


def decode_text(string: str) -> str:
    """Decode a string.

    Parameters
    ----------
    string : str
        The string, as returned by `encode_text`.

    Returns
    -------
    str
        The original string.
    """
    return unquote(string)


def encode_table(table: Table) -> Table:
    """Encode the strings of a table, if any of them is not ASCII.

    Parameters
    ----------
    table : Table
        The table; it is not changed.

    Returns
    -------
    Table
        The table itself, or a copy with encoded strings, and ``ENCODED`` in its metadata.
    """
    strings = [string for name in _string_columns(table) for string in table[name]]
    strings += [value for value in table.meta.values() if isinstance(value, str)]
    if all(str(string).isascii() for string in strings):
        return table
    encoded = _convert(table, encode_text)
    encoded.meta["ENCODED"] = True
    return encoded


def decode_table(table: Table) -> Table:
    """Decode the strings of a table, if they are encoded.

    Parameters
    ----------
    table : Table
        The table, as returned by `encode_table`.

    Returns
    -------
    Table
        The table itself, or a copy with the original strings.
    """
    if not table.meta.pop("ENCODED", False):
        return table
    return _convert(table, decode_text)


def _string_columns(table: Table) -> list[str]:
    return [name for name in table.colnames if table[name].dtype.kind in "US"]


def _convert(table: Table, convert: Callable[[str], str]) -> Table:
    converted = table.copy()
    for name in _string_columns(table):
        values = table[name]
        converted[name] = [convert(str(string)) for string in values]
        converted[name].description = values.description
    converted.meta |= {
        key: convert(value) for key, value in table.meta.items() if isinstance(value, str)
    }
    return converted
