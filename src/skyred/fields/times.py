"""Fields for points in time; `astropy.time` is imported on demand."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs

from skyred.errors import FieldError, format_value
from skyred.fields.spec import REQUIRED, FieldSpec, declare

if TYPE_CHECKING:
    from astropy.time import Time

SCALES = ("utc", "tt", "tai")
_PATTERN = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?)(?: (?P<scale>\w+))?"
)
_EXPECTED = (
    "expected a date and time such as 2004-12-06T23:45:00, followed by tt or tai if not in UTC"
)


@attrs.frozen
class Instant:
    """A point in time.

    Parameters
    ----------
    iso : str
        Date and time in ISO format, with microseconds.
    scale : {"utc", "tt", "tai"}
        The time scale.
    """

    iso: str
    scale: str = "utc"

    @property
    def time(self) -> Time:
        """The instant as astropy's `Time`."""
        from astropy.time import Time

        return Time(self.iso, format="isot", scale=self.scale)

    def is_before(self, other_instant: Instant) -> bool:
        """Return whether this instant is earlier than another.

        Parameters
        ----------
        other_instant : Instant
            The other instant.

        Returns
        -------
        bool
            True if it is earlier, or if the time scales differ: such instants are not compared.
        """
        return self.scale != other_instant.scale or self.iso < other_instant.iso

    def __str__(self) -> str:
        return self.iso if self.scale == "utc" else f"{self.iso} {self.scale}"


def instant(default: Any = REQUIRED, *, doc: str, many: bool = False) -> Any:
    """Declare a point in time, stored as an `Instant`.

    Values are ISO strings, `datetime` or `Time`.

    Parameters
    ----------
    default : str or datetime or Time
        The default; by default the option is required. None makes it optional.
    doc : str
        The description, one sentence.
    many : bool
        Whether it is a list of points in time, stored as a tuple.

    Returns
    -------
    attrs field
        The field, to be assigned in the body of the class.
    """
    name = "a date and time"
    spec = FieldSpec(type_name=name, doc=doc, parse=_parse, key=_key, plain=str)
    if many:
        spec = FieldSpec(
            type_name=f"a list of values, each {name}",
            doc=doc,
            parse=_parse_all,
            key=lambda instants: tuple(_key(instant) for instant in instants),
            plain=lambda instants: [str(instant) for instant in instants],
        )
    return declare(spec, default)


def _key(instant: Instant) -> tuple[str, str]:
    return instant.iso, instant.scale


def _parse_all(value: Any) -> tuple[Instant, ...]:
    is_scalar = isinstance(value, (str, datetime, Instant)) or getattr(value, "isscalar", False)
    try:
        return tuple(_parse(item) for item in ([value] if is_scalar else value))
    except TypeError:
        raise FieldError(
            f"invalid value {format_value(value)}", "expected a list of dates and times"
        ) from None


def _parse(value: Any) -> Instant:
    if isinstance(value, Instant):
        return value
    if hasattr(value, "isot"):
        scale = value.scale if value.scale in SCALES else "tt"
        instant = getattr(value, scale).copy(format="isot")
        instant.precision = 6  # microseconds; the default of astropy is milliseconds
        return _instant(str(instant.value), scale)
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            raise FieldError(f"{value} has a time zone", "expected UTC without a time zone")
        return _instant(value.isoformat(), "utc")
    match = _PATTERN.fullmatch(str(value).strip())
    if match is None:
        raise FieldError(f"{format_value(str(value))} is not a date and time", _EXPECTED)
    return _instant(match["date"], match["scale"] or "utc")


def _instant(iso: str, scale: str) -> Instant:
    if scale not in SCALES:
        raise FieldError(f"has the time scale {scale!r}", f"expected one of {', '.join(SCALES)}")
    try:
        instant = datetime.fromisoformat(iso)
    except ValueError as error:
        raise FieldError(f"{iso!r} is not a date and time: {error}", _EXPECTED) from None
    return Instant(instant.isoformat(timespec="microseconds"), scale)
