"""Instants: points in time, held as text and scale; `astropy.time` is imported on demand."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs

from skyred.errors import FieldError
from skyred.fields.spec import REQUIRED, FieldSpec, declare

if TYPE_CHECKING:
    from astropy.time import Time

SCALES = ("utc", "tt", "tai")
_TEXT = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?)(?: (?P<scale>\w+))?"
)
_EXPECTED = (
    "expected a date and time such as 2004-12-06T23:45:00, with tt or tai after it if not utc"
)


@attrs.frozen
class Instant:
    """A point in time: ISO text with microseconds, and its scale (utc, tt or tai)."""

    iso: str
    scale: str = "utc"

    @property
    def time(self) -> Time:
        """The instant as astropy's `Time`."""
        from astropy.time import Time

        return Time(self.iso, format="isot", scale=self.scale)

    def before(self, other: Instant) -> bool:
        """Say whether this is earlier; instants of different scales are not told apart here."""
        return self.scale != other.scale or self.iso < other.iso

    def __str__(self) -> str:
        return self.iso if self.scale == "utc" else f"{self.iso} {self.scale}"


def instant(default: Any = REQUIRED, *, doc: str, many: bool = False) -> Any:
    """Declare a point in time, held as an `Instant`; given as ISO text, `datetime` or `Time`.

    Parameters
    ----------
    default : str or datetime or Time
        The default, or nothing if it must be given; None makes it optional.
    doc : str
        What it is for, one sentence.
    many : bool
        Whether it is a list of them, held as a tuple.
    """
    name = "a date and time"
    spec = FieldSpec(type_name=name, doc=doc, parse=_parse, key=_key, plain=str)
    if many:
        spec = FieldSpec(
            type_name=f"a list, each {name}",
            doc=doc,
            parse=_parse_all,
            key=lambda moments: tuple(_key(each) for each in moments),
            plain=lambda moments: [str(each) for each in moments],
        )
    return declare(spec, default)


def _key(moment: Instant) -> tuple[str, str]:
    return moment.iso, moment.scale


def _parse_all(value: Any) -> tuple[Instant, ...]:
    one = isinstance(value, (str, datetime, Instant)) or getattr(value, "isscalar", False)
    try:
        return tuple(_parse(item) for item in ([value] if one else value))
    except TypeError:
        raise FieldError(f"is {value!r}", "expected a list of dates and times") from None


def _parse(value: Any) -> Instant:
    if isinstance(value, Instant):
        return value
    if hasattr(value, "isot"):
        scale = value.scale if value.scale in SCALES else "tt"
        moment = getattr(value, scale).copy(format="isot")
        moment.precision = 6  # astropy writes milliseconds unless told otherwise
        return _instant(str(moment.value), scale)
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            raise FieldError(f"{value} has a time zone", "expected utc without a zone")
        return _instant(value.isoformat(), "utc")
    match = _TEXT.fullmatch(str(value).strip())
    if match is None:
        raise FieldError(f"{str(value)!r} is no date and time", _EXPECTED)
    return _instant(match["date"], match["scale"] or "utc")


def _instant(text: str, scale: str) -> Instant:
    if scale not in SCALES:
        raise FieldError(f"has the time scale {scale!r}", f"expected one of {', '.join(SCALES)}")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise FieldError(f"{text!r} is no date and time: {error}", _EXPECTED) from None
    return Instant(moment.isoformat(timespec="microseconds"), scale)
