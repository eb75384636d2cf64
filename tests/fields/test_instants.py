"""Instants: ISO text, datetime and astropy's Time."""

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

    at: Any = instant(doc="When.")


def test_text_datetime_and_time_are_one() -> None:
    from astropy.time import Time

    text = Moment(at="2004-12-06T23:45:00")
    assert text == Moment(at="2004-12-06 23:45")
    assert text == Moment(at=datetime(2004, 12, 6, 23, 45))
    assert text == Moment(at=Time("2004-12-06T23:45:00", scale="utc"))
    assert text.digest() == Moment(at=Time(53345.98958333333, format="mjd")).digest()


def test_a_date_is_its_midnight() -> None:
    assert Moment(at="2004-12-06") == Moment(at="2004-12-06T00:00:00")


def test_the_scale_is_kept() -> None:
    from astropy.time import Time

    made = Moment(at="2004-12-06T23:45:00 tt")
    assert made.at.scale == "tt"
    assert made != Moment(at="2004-12-06T23:45:00")
    assert made == Moment(at=Time("2004-12-06T23:45:00", scale="tt"))
    assert Moment(**made.to_plain()) == made


def test_a_time_of_a_rare_scale_is_the_same_moment() -> None:
    from astropy.time import Time

    rare = Time("2004-12-06T23:45:00", scale="tcb")
    assert abs((Moment(at=rare).at.time - rare).to_value("s")) < 1e-5


@given(
    st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1)),
    st.sampled_from(["utc", "tt", "tai"]),
)
def test_an_instant_reads_back_to_the_microsecond(moment: datetime, scale: str) -> None:
    made = Moment(at=f"{moment.isoformat()} {scale}")
    again = Moment(**made.to_plain())
    assert again == made
    assert datetime.fromisoformat(again.at.iso) == moment


@given(
    st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1)),
    st.integers(1, 10**9),
)
def test_before_is_the_order_of_time(moment: datetime, later: int) -> None:
    first, second = Moment(at=moment).at, Moment(at=moment + timedelta(microseconds=later)).at
    assert first.before(second)
    assert not second.before(first)
    assert not first.before(first)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("yesterday", "'yesterday' is no date and time"),
        ("2004-13-06", "'2004-13-06' is no date and time: month must be in 1..12"),
        ("2004-12-06T25:00", "is no date and time: hour must be in 0..23"),
        ("2004-12-06T23:45:00 tdb", "has the time scale 'tdb'; expected one of utc, tt, tai"),
        ("2004-12-06T23:45:00Z", "is no date and time"),
        (53345.5, "'53345.5' is no date and time"),
        (datetime(2004, 12, 6, tzinfo=UTC), "has a time zone"),
        (None, "is not set; expected a date and time"),
    ],
)
def test_nonsense_is_refused(wrong: Any, message: str) -> None:
    with pytest.raises(FieldError, match=re.escape(message)):
        Moment(at=wrong)


@value
class Moments(Fields):
    """Points in time."""

    at: Any = instant(None, many=True, doc="When.")


def test_many_instants_are_a_tuple_however_they_are_given() -> None:
    from astropy.time import Time

    texts = Moments(at=["2004-12-06T23:45:00", "2005-01-01 tt"])
    assert [str(each) for each in texts.at] == [
        "2004-12-06T23:45:00.000000", "2005-01-01T00:00:00.000000 tt",
    ]  # fmt: skip
    utc = ["2004-12-06T23:45:00", "2005-01-01T00:00:00"]
    assert Moments(at=Time(utc)) == Moments(at=[datetime.fromisoformat(text) for text in utc])
    assert Moments(at="2004-12-06") == Moments(at=["2004-12-06"])
    assert Moments().at is None


def test_many_instants_are_written_and_read_again() -> None:
    moments = Moments(at=["2004-12-06T23:45:00", "2005-01-01 tt"])
    assert Moments(**moments.to_plain()) == moments
    assert moments.digest() != Moments(at=moments.at[::-1]).digest()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["2004-12-06", "soon"], r"Moments\.at: 'soon' is no date and time"),
        (7, r"Moments\.at: is 7; expected a list of dates and times"),
    ],
)
def test_what_is_no_list_of_instants_is_refused(given: Any, message: str) -> None:
    with pytest.raises(FieldError, match=message):
        Moments(at=given)
