"""Fields for arrays of numbers, compared and digested by their bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skyred.errors import FieldError, format_value
from skyred.fields.spec import REQUIRED, FieldSpec, declare


def array(default: Any = REQUIRED, *, doc: str) -> Any:
    """Declare an array of numbers, stored as a read-only array of float64 of any shape.

    It is meant for results of `Maker.prepare`, where a list of quantities would be too slow.

    Parameters
    ----------
    default : array_like
        The default; by default the option is required. None makes it optional.
    doc : str
        The description, one sentence, with axes and unit.

    Returns
    -------
    attrs field
        The field, to be assigned in the body of the class.
    """
    spec = FieldSpec(
        type_name="an array of numbers",
        doc=doc,
        parse=_parse_array,
        key=_key,
        plain=lambda numbers: numbers.tolist(),
    )
    return declare(spec, default)


def _parse_array(value: Any) -> NDArray[np.float64]:
    try:
        numbers = np.array(value, dtype=np.float64)  # a copy: the caller's array stays writable
    except (TypeError, ValueError):
        raise FieldError(
            f"invalid value {format_value(value)}", "expected an array of numbers"
        ) from None
    if not np.all(np.isfinite(numbers)):
        raise FieldError("contains numbers that are not finite", "expected finite numbers")
    numbers.setflags(write=False)
    return numbers


def _key(numbers: NDArray[np.float64]) -> Hashable:
    # 0.0 and -0.0 are equal, but their bytes differ
    return ("array", numbers.shape, hashlib.sha256((numbers + 0.0).tobytes()).hexdigest())
