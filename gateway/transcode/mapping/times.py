"""Timestamp, Duration and FieldMask, from JSON and to JSON.

Readers return the fields of the message. They take what people write and leave the
odd forms (a day without its zero, ten digits after the point) to the reference.
Ranges: https://protobuf.dev/reference/protobuf/google.protobuf/
"""

import functools
import re
from datetime import date
from decimal import Decimal
from typing import Any

from gateway.transcode.habits import Timestamps
from gateway.transcode.mapping.scalars import UnusualError

_NANOS = 1_000_000_000
_FIRST_S, _LAST_S = -62_135_596_800, 253_402_300_799
_LONGEST_S = 315_576_000_000
_DAY_S = 86_400
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DAY = re.compile(r"\d{4}-\d\d-\d\dT", re.ASCII).fullmatch
_MINUTE_TEXTS = [f"{minute // 60:02d}:{minute % 60:02d}:" for minute in range(1440)]
_SECOND_TEXTS = [f"{second:02d}" for second in range(60)]
_MINUTES = {text: minute * 60 for minute, text in enumerate(_MINUTE_TEXTS)}
_SECONDS = {text: second for second, text in enumerate(_SECOND_TEXTS)}
_FRACTION_AND_ZONE = re.compile(r"(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII).fullmatch
_DURATION = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s", re.ASCII).fullmatch
_NUMBER = re.compile(r"-?\d{1,20}(?:\.\d{1,20})?", re.ASCII).fullmatch
_CAPITAL = re.compile("[A-Z]")
_SNAKE = re.compile("_([a-z])")
_BARE = re.compile("[A-Z]|_(?![a-z])").search

Fields = dict[str, Any]


@functools.lru_cache(maxsize=1024)
def _day_s(text: str) -> int:
    # "2026-03-01T"; most times that a service sends are of a few days.
    if _DAY(text) is None:
        raise UnusualError
    return (date.fromisoformat(text[:10]).toordinal() - _EPOCH_DAY) * _DAY_S


@functools.lru_cache(maxsize=1024)
def _day_text(days: int) -> str:
    return f"{date.fromordinal(days + _EPOCH_DAY).isoformat()}T"


def read_time(value: Any) -> Fields:
    """Return the fields of the Timestamp that RFC 3339 text names.

    Raises:
        UnusualError, LookupError, ValueError, TypeError: it is no such text, or an odd one.
    """
    seconds = _day_s(value[:11]) + _MINUTES[value[11:17]] + _SECONDS[value[17:19]]
    rest = value[19:]
    if rest == "Z":
        return {"seconds": seconds}
    found = _FRACTION_AND_ZONE(rest)
    if found is None:
        raise UnusualError
    fraction, sign, hours, minutes = found.groups()
    if sign is not None:
        offset = int(hours) * 3_600 + int(minutes) * 60
        seconds += offset if sign == "-" else -offset
        if not _FIRST_S <= seconds <= _LAST_S:
            raise UnusualError
    return {"seconds": seconds, "nanos": int(fraction.ljust(9, "0")) if fraction else 0}


def read_epoch(value: Any, unit_nanos: int) -> Fields:
    """Return the fields of the Timestamp that a number is, or RFC 3339 text.

    Args:
        value: a number, or text of one.
        unit_nanos: nanoseconds that 1 stands for.

    Raises:
        UnusualError: it is neither, or out of range.
    """
    kind = value.__class__
    if kind is int:
        if not -_NANOS * _NANOS < value < _NANOS * _NANOS:
            raise UnusualError
        seconds, nanos = divmod(value * unit_nanos, _NANOS)
    elif kind is float or (kind is str and _NUMBER(value) is not None):
        exact = Decimal(repr(value) if kind is float else value)
        if abs(exact) > _NANOS * _NANOS:
            raise UnusualError
        seconds, nanos = divmod(round(exact * unit_nanos), _NANOS)
    else:
        return read_time(value)
    if not _FIRST_S <= seconds <= _LAST_S:
        raise UnusualError
    return {"seconds": seconds, "nanos": nanos}


def read_epoch_seconds(value: Any) -> Fields:
    """Return the fields of the Timestamp that is `value` seconds after 1970 began."""
    return read_epoch(value, _NANOS)


def read_epoch_milliseconds(value: Any) -> Fields:
    """Return the fields of the Timestamp that is `value` milliseconds after 1970 began."""
    return read_epoch(value, 1_000_000)


def read_duration(value: Any) -> Fields:
    """Return the fields of the Duration that "1.5s" is."""
    found = _DURATION(value)
    if found is None:
        raise UnusualError
    sign, whole, fraction = found.groups()
    seconds = int(whole)
    nanos = int(fraction.ljust(9, "0")) if fraction else 0
    if seconds > _LONGEST_S:
        raise UnusualError
    return {"seconds": -seconds, "nanos": -nanos} if sign else {"seconds": seconds, "nanos": nanos}


def read_mask(value: Any) -> Fields:
    """Return the fields of the FieldMask that "a.b,cD" is."""
    if value.__class__ is not str or "_" in value or not value.isascii():
        raise UnusualError
    if not value:
        return {}
    snake = _CAPITAL.sub(lambda found: "_" + found[0].lower(), value)
    return {"paths": snake.split(",")}


READ_TIME = {
    Timestamps.RFC3339: read_time,
    Timestamps.EPOCH_SECONDS: read_epoch_seconds,
    Timestamps.EPOCH_MILLISECONDS: read_epoch_milliseconds,
}
"""How a Timestamp is read, by habit."""


def _fraction(nanos: int) -> str:
    # None, three, six or nine digits.
    if nanos % 1_000_000 == 0:
        return f".{nanos // 1_000_000:03d}" if nanos else ""
    if nanos % 1_000 == 0:
        return f".{nanos // 1_000:06d}"
    return f".{nanos:09d}"


def checked_time(message: Any) -> tuple[int, int]:
    """Return seconds and nanoseconds of a Timestamp.

    Raises:
        ValueError: it is before the year 1, beyond 9999, or its nanoseconds are none.
    """
    seconds, nanos = message.seconds, message.nanos
    if not (_FIRST_S <= seconds <= _LAST_S and 0 <= nanos < _NANOS):
        raise ValueError(f"no timestamp has {seconds} seconds and {nanos} nanoseconds")
    return seconds, nanos


def time_text(message: Any) -> str:
    """Return a Timestamp as RFC 3339 text."""
    seconds, nanos = checked_time(message)
    days, rest = divmod(seconds, _DAY_S)
    minute, second = divmod(rest, 60)
    fraction = _fraction(nanos) if nanos else ""
    return f"{_day_text(days)}{_MINUTE_TEXTS[minute]}{_SECOND_TEXTS[second]}{fraction}Z"


def epoch_seconds(message: Any) -> int | float:
    """Return a Timestamp as seconds since 1970; a float only where there is a fraction."""
    seconds, nanos = checked_time(message)
    return (seconds * _NANOS + nanos) / _NANOS if nanos else seconds


def epoch_milliseconds(message: Any) -> int | float:
    """Return a Timestamp as milliseconds since 1970; a float only where there is a fraction."""
    seconds, nanos = checked_time(message)
    millis, rest = divmod(seconds * _NANOS + nanos, 1_000_000)
    return (seconds * _NANOS + nanos) / 1_000_000 if rest else millis


TIME_TEXT = {
    Timestamps.RFC3339: time_text,
    Timestamps.EPOCH_SECONDS: epoch_seconds,
    Timestamps.EPOCH_MILLISECONDS: epoch_milliseconds,
}
"""How a Timestamp is printed, by habit."""


def duration_text(message: Any) -> str:
    """Return a Duration as seconds with an "s" behind."""
    seconds, nanos = message.seconds, message.nanos
    if (
        not (-_LONGEST_S <= seconds <= _LONGEST_S and -_NANOS < nanos < _NANOS)
        or (seconds > 0 > nanos)
        or (seconds < 0 < nanos)
    ):
        raise ValueError(f"no duration has {seconds} seconds and {nanos} nanoseconds")
    if seconds < 0 or nanos < 0:
        return f"-{-seconds}{_fraction(-nanos)}s"
    return f"{seconds}{_fraction(nanos)}s"


def mask_text(message: Any) -> str:
    """Return a FieldMask as its paths in camel case, which must lead back to them."""
    text = ",".join(message.paths)
    if not text.isascii():
        return _camel(text)
    if _BARE(text) is not None:
        raise ValueError(f"the path {text!r} does not survive camel case")
    return _SNAKE.sub(lambda found: found[1].upper(), text)


def _camel(text: str) -> str:
    # As above for all of Unicode, where a capital may be several letters.
    out = []
    before = ""
    for letter in text + ",":
        if letter.isupper() or (before == "_" and not letter.islower()):
            raise ValueError(f"the path {text!r} does not survive camel case")
        if letter != "_":
            out.append(letter.upper() if before == "_" else letter)
        before = letter
    return "".join(out)[:-1]
