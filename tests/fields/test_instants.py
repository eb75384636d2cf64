"""Instants are built from ISO strings, datetime and astropy's Time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st

from skyred.errors import FieldError
from skyred.fields import instant
from skyred.interfaces import Fields, value


@value
class Moment(Fields):
    """A point in time."""

    time: Any = instant(doc="Time.")


def test_string_datetime_and_time_are_equal() -> None:
    from astropy.time import Time

    iso_string = Moment(time="2004-12-06T23:45:00")
    assert iso_string == Moment(time="2004-12-06 23:45")
    assert iso_string == Moment(time=datetime(2004, 12, 6, 23, 45))
    assert iso_string == Moment(time=Time("2004-12-06T23:45:00", scale="utc"))
    assert iso_string.digest() == Moment(time=Time(53345.98958333333, format="mjd")).digest()


def test_date_is_midnight() -> None:
    assert Moment(time="2004-12-06") == Moment(time="2004-12-06T00:00:00")


def test_scale_is_kept() -> None:
    from astropy.time import Time

    instance = Moment(time="2004-12-06T23:45:00 tt")
    assert instance.time.scale == "tt"
    assert instance != Moment(time="2004-12-06T23:45:00")
    assert instance == Moment(time=Time("2004-12-06T23:45:00", scale="tt"))
    assert Moment(**instance.to_plain()) == instance


def test_time_in_an_unusual_scale_is_converted() -> None:
    from astropy.time import Time

    time = Time("2004-12-06T23:45:00", scale="tcb")
    assert abs((Moment(time=time).time.time - time).to_value("s")) < 1e-5


@given(
    st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1)),
    st.sampled_from(["utc", "tt", "tai"]),
)
def test_instant_is_read_back_to_the_microsecond(moment: datetime, scale: str) -> None:
    instance = Moment(time=f"{moment.isoformat()} {scale}")
    loaded = Moment(**instance.to_plain())
    assert loaded == instance
    assert datetime.fromisoformat(loaded.time.iso) == moment


@given(
    st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1)),
    st.integers(1, 10**9),
)
def test_is_before_compares_times(moment: datetime, microseconds: int) -> None:
    first = Moment(time=moment).time
    second = Moment(time=moment + timedelta(microseconds=microseconds)).time
    assert first.is_before(second)
    assert not second.is_before(first)
    assert not first.is_before(first)


@pytest.mark.parametrize(
    ("invalid_value", "message"),
    [
        ("yesterday", "'yesterday' is not a date and time"),
        ("2004-13-06", "'2004-13-06' is not a date and time: month must be in 1..12"),
        ("2004-12-06T25:00", "is not a date and time: hour must be in 0..23"),
        ("2004-12-06T23:45:00 tdb", "has the time scale 'tdb'; expected one of utc, tt, tai"),
        ("2004-12-06T23:45:00Z", "is not a date and time"),
        (53345.5, "'53345.5' is not a date and time"),
        (datetime(2004, 12, 6, tzinfo=UTC), "has a time zone"),
        (None, "is not set; expected a date and time"),
    ],
)
def test_invalid_values_are_rejected(invalid_value: Any, message: str) -> None:
    with pytest.raises(FieldError, match=re.escape(message)):
        Moment(time=invalid_value)


@value
class Moments(Fields):
    """Points in time."""

    time: Any = instant(None, many=True, doc="Time.")


def test_list_of_instants_is_stored_as_a_tuple() -> None:
    from astropy.time import Time

    moments = Moments(time=["2004-12-06T23:45:00", "2005-01-01 tt"])
    assert [str(time) for time in moments.time] == [
        "2004-12-06T23:45:00.000000", "2005-01-01T00:00:00.000000 tt",
    ]  # fmt: skip
    utc = ["2004-12-06T23:45:00", "2005-01-01T00:00:00"]
    assert Moments(time=Time(utc)) == Moments(
        time=[datetime.fromisoformat(iso_string) for iso_string in utc]
    )
    assert Moments(time="2004-12-06") == Moments(time=["2004-12-06"])
    assert Moments().time is None


def test_list_of_instants_is_read_back() -> None:
    moments = Moments(time=["2004-12-06T23:45:00", "2005-01-01 tt"])
    assert Moments(**moments.to_plain()) == moments
    assert moments.digest() != Moments(time=moments.time[::-1]).digest()


@pytest.mark.parametrize(
    ("invalid_list", "message"),
    [
        (["2004-12-06", "soon"], r"Moments\.time: 'soon' is not a date and time"),
        (7, r"Moments\.time: invalid value 7; expected a list of dates and times"),
    ],
)
def test_invalid_list_of_instants_is_rejected(invalid_list: Any, message: str) -> None:
    with pytest.raises(FieldError, match=message):
        Moments(time=invalid_list)
