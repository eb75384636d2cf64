"""Options of models are compared by their values, whatever their type is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable, Table

from skyred.io.model_differences import is_equal

TABLE = Table({"PHASE": [0.0, np.nan], "NORM": [1.0, 2.0]})


@pytest.mark.parametrize(
    ("value", "second"),
    [
        (TABLE, Table({"PHASE": [0.0, np.nan], "NORM": [1.0, 3.0]})),
        (QTable({"TIME": [1, 2] * u.d}), QTable({"TIME": [1, 3] * u.d})),
        (TABLE.as_array(), TABLE[:1].as_array()),
        (np.array("2020-01-01", "M8[s]"), np.array("2020-01-02", "M8[s]")),
    ],
)
def test_tables_and_dates_are_compared(value: Any, second: Any) -> None:
    assert is_equal(value, value)
    assert not is_equal(value, second)
    assert not is_equal(value, 3)
