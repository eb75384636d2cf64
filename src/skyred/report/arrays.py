"""Arrays in JSON, as base64 text that the page and plotly decode to typed arrays."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNSIGNED = ((np.uint8, "u1"), (np.uint16, "u2"), (np.uint32, "u4"))


def encode_array(values: Any) -> dict[str, Any]:
    """Encode an array as a typed array of plotly: ``dtype``, ``bdata`` and ``shape``.

    Parameters
    ----------
    values : array_like
        Numbers; counts are encoded as unsigned integers, everything else in single precision.

    Returns
    -------
    dict of str to object
        Plain data.
    """
    array = np.asarray(values)
    dtype, name = _smallest_type(array)
    data = {
        "dtype": name,
        "bdata": base64.b64encode(np.asarray(array, dtype).tobytes()).decode("ascii"),
    }
    if array.ndim > 1:
        data["shape"] = ", ".join(map(str, array.shape))
    return data


def _smallest_type(array: NDArray[Any]) -> tuple[Any, str]:
    if array.size and np.all(np.isfinite(array)) and np.all(array >= 0):
        highest = array.max()
        for dtype, name in UNSIGNED:
            if highest <= np.iinfo(dtype).max:
                if np.all(array == np.rint(array)):
                    return np.dtype(dtype).newbyteorder("<"), name
                break
    return np.dtype("<f4"), "f4"
