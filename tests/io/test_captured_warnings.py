"""Warnings of libraries, collected with and without being issued."""

from __future__ import annotations

import logging
import warnings

import pytest

from skyred.io.captured_warnings import capture_warnings


def warn(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=1)
    logging.getLogger("gammapy.data").warning("%s in the log", message)


def warn_and_fail(message: str) -> None:
    warn(message)
    raise ZeroDivisionError


def test_warnings_are_collected_once_and_not_issued(caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings(record=True) as issued, capture_warnings() as notes:
        warnings.simplefilter("always")
        warn("no unit")
        warn("no unit")
    assert notes == ["no unit in the log", "RuntimeWarning: no unit"]
    assert issued == []
    assert caplog.messages == []


def test_shown_warnings_are_collected_and_issued_as_the_filters_require(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with warnings.catch_warnings(record=True) as issued:
        warnings.simplefilter("always")
        with capture_warnings(is_shown=True) as notes:
            warn("no unit")
            warn("no unit")
    assert notes == ["no unit in the log", "RuntimeWarning: no unit"]
    assert [str(warning.message) for warning in issued] == ["no unit"] * 2
    assert caplog.messages == ["no unit in the log"] * 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with capture_warnings(is_shown=True) as notes:
            warn("no unit")
    assert "RuntimeWarning: no unit" in notes


@pytest.mark.parametrize("is_shown", [False, True])
def test_warnings_before_an_error_are_collected(is_shown: bool) -> None:
    with warnings.catch_warnings(record=True) as issued:
        warnings.simplefilter("always")
        with pytest.raises(ZeroDivisionError), capture_warnings(is_shown=is_shown) as notes:
            warn_and_fail("no unit")
    assert "RuntimeWarning: no unit" in notes
    assert [str(warning.message) for warning in issued] == ["no unit"] * is_shown


def test_logger_is_restored() -> None:
    logger = logging.getLogger("gammapy")
    state = logger.propagate, list(logger.handlers)
    for is_shown in (False, True):
        with capture_warnings(is_shown=is_shown):
            assert len(logger.handlers) == len(state[1]) + 1
    assert (logger.propagate, logger.handlers) == state
