"""Arrays: many numbers at once, such as a maker learns; compared and digested by their bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skyred.errors import FieldError
from skyred.fields.spec import REQUIRED, FieldSpec, declare


def array(default: Any = REQUIRED, *, doc: str) -> Any:
    """Declare an array of numbers, held as a read-only array of float64 of any shape.

    For what is learnt (`Maker.prepare`), where a list of quantities would be too slow.

    Parameters
    ----------
    default : array_like
        The default, or nothing if it must be given; None makes it optional.
    doc : str
        What it is, one sentence, with its axes and unit.
    """
    spec = FieldSpec(
        type_name="an array of numbers",
        doc=doc,
        parse=_frozen,
        key=_key,
        plain=lambda held: held.tolist(),
    )
    return declare(spec, default)


def _frozen(value: Any) -> NDArray[np.float64]:
    try:
        held = np.array(value, dtype=np.float64)  # a copy: nobody else's array is locked
    except (TypeError, ValueError):
        raise FieldError(f"is {value!r:.80}", "expected an array of numbers") from None
    if not np.all(np.isfinite(held)):
        raise FieldError("holds numbers that are not finite", "expected finite numbers")
    held.setflags(write=False)
    return held


def _key(held: NDArray[np.float64]) -> Hashable:
    # 0.0 and -0.0 are equal, their bytes are not
    return ("array", held.shape, hashlib.sha256((held + 0.0).tobytes()).hexdigest())
