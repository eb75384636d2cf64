"""Values written as Python code evaluate to equal values."""

import numpy as np
import pytest
from astropy import units as u
from hypothesis import given, strategies as st

from skyred.scripting.literals import literal, number, quantity_code, quantity_text

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(VALUES)
def test_literals_evaluate_to_equal_values(value: object) -> None:
    assert eval(literal(value)) == value


@given(NUMBERS, st.sampled_from(["deg", "TeV", "cm-2 s-1 TeV-1", ""]))
def test_quantity_keeps_all_digits_and_its_unit(value: float, unit: str) -> None:
    quantity = u.Quantity(value, unit)
    evaluated_quantity = u.Quantity(eval(quantity_code(quantity), {"u": u}))
    assert evaluated_quantity == quantity
    assert evaluated_quantity.unit == quantity.unit
    assert u.Quantity(eval(quantity_text(value, quantity.unit))) == quantity


def test_array_quantity_is_written_as_a_list_times_a_unit() -> None:
    code = quantity_code([1, 2.5] * u.TeV)
    assert code == "[1, 2.5] * u.TeV"
    np.testing.assert_array_equal(eval(code, {"u": u}), [1, 2.5] * u.TeV)


@pytest.mark.parametrize(
    ("value", "code"), [(5.0, "5"), (0.02, "0.02"), (np.float64(1e-11), "1e-11")]
)
def test_numbers_are_written_in_short_form(value: float, code: str) -> None:
    assert number(value) == code
