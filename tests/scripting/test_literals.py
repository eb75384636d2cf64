"""Values written as Python code evaluate to the same values."""

import numpy as np
import pytest
from astropy import units as u
from hypothesis import given, strategies as st

from skyred.scripting.literals import literal, number, quantity_code, quantity_text

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(PLAIN)
def test_plain_data_evaluate_to_the_same_data(value: object) -> None:
    assert eval(literal(value)) == value


@given(NUMBERS, st.sampled_from(["deg", "TeV", "cm-2 s-1 TeV-1", ""]))
def test_quantity_keeps_all_digits_and_its_unit(value: float, unit: str) -> None:
    quantity = u.Quantity(value, unit)
    again = u.Quantity(eval(quantity_code(quantity), {"u": u}))
    assert again == quantity
    assert again.unit == quantity.unit
    assert u.Quantity(eval(quantity_text(value, quantity.unit))) == quantity


def test_list_of_quantities_is_one_array() -> None:
    code = quantity_code([1, 2.5] * u.TeV)
    assert code == "[1, 2.5] * u.TeV"
    np.testing.assert_array_equal(eval(code, {"u": u}), [1, 2.5] * u.TeV)


@pytest.mark.parametrize(
    ("value", "code"), [(5.0, "5"), (0.02, "0.02"), (np.float64(1e-11), "1e-11")]
)
def test_numbers_are_written_in_short_form(value: float, code: str) -> None:
    assert number(value) == code
