"""Comparison of two encodings of the same data as FITS."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any


def try_to_encode(encode: Callable[[], Any]) -> tuple[Any, set[str]]:
    """Return the bytes, or the type of the error, and the messages of warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = encode()
        except Exception as error:  # both encodings must refuse the same data
            result = type(error)
    return result, {str(warning.message) for warning in caught}
