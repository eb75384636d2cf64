"""Numbers with errors have the digits that the errors support."""

import math

import pytest
from hypothesis import given, strategies as st

from skyred.io.rounding import format_measurement, format_number


@pytest.mark.parametrize(
    ("value", "errors", "expected"),
    [
        (2.602, (0.0997,), "2.60 ± 0.10"),
        (4.5865e-11, (3.7e-12,), "(4.59 ± 0.37) × 10⁻¹¹"),
        (83.6192, (0.0031,), "83.6192 ± 0.0031"),
        (1.2, (0.31, 0.45), "1.20 \N{MINUS SIGN}0.31 +0.45"),
        (-3e-12, (1e-12,), "(\N{MINUS SIGN}3.0 ± 1.0) × 10⁻¹²"),
        (0, (0.1,), "0.00 ± 0.10"),
        (123456, (789,), "(1.2346 ± 0.0079) × 10⁵"),
        (1e-13, (5e-12,), "(0.1 ± 5.0) × 10⁻¹²"),
        (5, (0,), "5"),
        (5, (math.nan,), "5"),
        (math.nan, (1,), "no value"),
    ],
)
def test_measurements_are_rounded_to_two_digits_of_the_error(
    value: float, errors: tuple[float, ...], expected: str
) -> None:
    assert format_measurement(value, *errors) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0123, "0.0123"),
        (4.5865e-11, "4.587 × 10⁻¹¹"),
        (-12345, "\N{MINUS SIGN}12345"),
        (1234567, "1.235 × 10⁶"),
        (0, "0"),
        (math.inf, "no value"),
    ],
)
def test_numbers_have_a_power_of_ten_if_they_are_large_or_small(
    value: float, expected: str
) -> None:
    assert format_number(value) == expected


@given(
    st.floats(1e-30, 1e30) | st.floats(-1e30, -1e-30),
    st.floats(1e-3, 1e3).filter(lambda ratio: ratio > 0),
)
def test_rounded_value_is_within_a_tenth_of_the_error(value: float, ratio: float) -> None:
    error = abs(value) * ratio
    measurement = format_measurement(value, error).replace("\N{MINUS SIGN}", "-")
    power = 0
    if "×" in measurement:
        measurement, exponent = measurement.split(" × 10")
        powers = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
        power = int(exponent.translate(powers))
    rounded, rounded_error = (float(part) for part in measurement.strip("()").split(" ± "))
    assert abs(rounded * 10.0**power - value) <= 0.051 * error + 1e-12 * abs(value)
    assert rounded_error * 10.0**power == pytest.approx(error, rel=0.051)
