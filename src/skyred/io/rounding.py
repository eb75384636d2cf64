"""Numbers with errors, rounded to the digits that the errors support."""

from __future__ import annotations

import math

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
MIN_EXPONENT, MAX_EXPONENT = -3, 4  # of numbers without a power of ten
ERROR_DIGITS = 2


def format_measurement(value: float, *errors: float) -> str:
    """Format a value with its error, or with its lower and upper error.

    Errors have two significant digits, and the value has as many decimals.

    Parameters
    ----------
    value : float
        The value.
    *errors : float
        No error, the symmetric error, or the lower and the upper error, all positive. Errors that
        are zero, not finite or missing are left out.

    Returns
    -------
    str
        For example ``2.602 ± 0.099``, ``(4.59 ± 0.37) × 10⁻¹¹`` or ``1.20 -0.31 +0.45``.
    """
    if not math.isfinite(value):
        return "no value"
    valid_errors = [error for error in errors if math.isfinite(error) and error > 0]
    if not valid_errors or len(valid_errors) < len(errors):
        return format_number(value)
    exponent = _exponent(max(abs(value), *valid_errors))
    scale = 0 if MIN_EXPONENT <= exponent <= MAX_EXPONENT else exponent
    last_digit = min(map(_exponent_after_rounding, valid_errors)) - ERROR_DIGITS + 1
    decimals = max(0, scale - last_digit)
    rounded_value, *rounded_errors = (
        f"{number / 10.0**scale:.{decimals}f}" for number in (value, *valid_errors)
    )
    rounded_value = rounded_value.replace("-", "\N{MINUS SIGN}")
    if len(rounded_errors) == 1:
        measurement = f"{rounded_value} \N{PLUS-MINUS SIGN} {rounded_errors[0]}"
    else:
        measurement = f"{rounded_value} \N{MINUS SIGN}{rounded_errors[0]} +{rounded_errors[1]}"
    return f"({measurement}) × {_power(scale)}" if scale else measurement


def format_number(value: float, digits: int = 4) -> str:
    """Format a number, with a power of ten if it is very large or small.

    Parameters
    ----------
    value : float
        The number.
    digits : int
        The number of significant digits.

    Returns
    -------
    str
        For example ``0.0123`` or ``4.59 × 10⁻¹¹``.
    """
    if not math.isfinite(value):
        return "no value"
    exponent = _exponent(abs(value))
    if MIN_EXPONENT <= exponent <= MAX_EXPONENT:
        return f"{value:.{max(digits, exponent + 1)}g}".replace("-", "\N{MINUS SIGN}")
    mantissa = f"{value / 10.0**exponent:.{digits}g}".replace("-", "\N{MINUS SIGN}")
    return f"{mantissa} × {_power(exponent)}"


def _exponent(size: float) -> int:
    return math.floor(math.log10(size)) if size > 0 else 0


def _exponent_after_rounding(error: float) -> int:
    """Return the exponent of an error that is rounded: that of 0.0997 is -1."""
    return int(f"{error:.{ERROR_DIGITS - 1}e}".split("e")[1])


def _power(exponent: int) -> str:
    return f"10{str(exponent).translate(SUPERSCRIPTS)}"
