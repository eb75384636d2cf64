"""Comparison of two encodings of the same data as FITS."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

from astropy.io import fits
from astropy.table import Table

CARD_SIZE = 80


@cache
def metadata_are_last() -> bool:
    """Return whether astropy writes the metadata of a table after the cards of its columns."""
    cards = list(fits.BinTableHDU(Table({"a": [1]}, meta={"KEY": 1})).header)
    return cards.index("KEY") > cards.index("TTYPE1")


def in_any_order(content: bytes) -> bytes | list[bytes]:
    """Return FITS content, or its sorted cards where astropy has another order of cards."""
    if metadata_are_last():
        return content
    return sorted(content[start : start + CARD_SIZE] for start in range(0, len(content), CARD_SIZE))


def try_to_encode(encode: Callable[[], Any]) -> tuple[Any, set[str]]:
    """Return the bytes, or the type of the error, and the messages of warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = encode()
        except Exception as error:  # both encodings must refuse the same data
            result = type(error)
    return result, {str(warning.message) for warning in caught}
