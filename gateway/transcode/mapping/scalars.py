"""Scalars that are not written in the usual way, from JSON and to JSON.

The generated code handles the usual by itself and calls these for the rest. What
they do not take they leave to the reference, by raising.
"""

import binascii
import struct
from collections.abc import Callable, Mapping
from typing import Any

FLOAT_MAX = 3.4028234663852886e38
"""The greatest finite number of 32 bits."""
_NAMED = {"Infinity": float("inf"), "-Infinity": float("-inf"), "NaN": float("nan")}
_PADDING = (b"====", b"===", b"==", b"=")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_pack = struct.Struct("<f").pack
BOOL_KEYS = {"true": True, "false": False}


class MappingError(ValueError):
    """JSON that does not fit a message, or a message that has no JSON."""


class UnusualError(Exception):
    """Fast code met what it does not know; the reference decides whether that is an error."""


def to_int(value: Any) -> int:
    """Return the integer that JSON's number or text is; the range is checked later."""
    kind = value.__class__
    if kind is int:
        return int(value)
    if kind is str:
        if " " in value:
            raise UnusualError
        try:
            return int(value)
        except ValueError:
            value = float(value)  # "1e3"
    elif kind is not float:
        raise UnusualError
    if not value.is_integer():
        raise UnusualError
    return int(value)


def to_double(value: Any) -> float:
    """Return the number of 64 bits that JSON's number, text or boolean is."""
    if value == "nan":
        raise UnusualError
    try:
        return float(value)
    except ValueError:
        return _NAMED[value]


def to_float(value: Any) -> float:
    """Return the number of 32 bits that JSON's number, text or boolean is."""
    if value.__class__ is float and not -FLOAT_MAX <= value <= FLOAT_MAX:
        raise UnusualError
    return to_double(value)


def to_text(value: Any) -> str:
    """Return `value`, which must be text."""
    if value.__class__ is not str:
        raise UnusualError
    return str(value)


def to_bool(value: Any) -> bool:
    """Return `value`, which must be true or false."""
    if value is not True and value is not False:
        raise UnusualError
    return bool(value)


def to_bytes(value: Any) -> bytes:
    """Return what base64 text of either alphabet holds, padded or not."""
    if value.__class__ is not str:
        raise UnusualError
    encoded = value.encode()
    padded = encoded + _PADDING[len(encoded) % 4]
    return binascii.a2b_base64(padded.translate(_URL_SAFE))


def odd_enum(closed: bool) -> Callable[[Any], int | None]:
    """Return how to read what is not a declared name or number of an enum.

    A name that is not known is None: it is ignored, as unknown fields are.
    """

    def read(value: Any) -> int | None:
        if value.__class__ is str:
            try:
                value = int(value)
            except ValueError:
                return None
        if value.__class__ is not int or closed:
            raise UnusualError
        return int(value)

    return read


def no_text(value: bytes) -> str:
    """Return bytes as base64 text."""
    return binascii.b2a_base64(value, newline=False).decode("ascii")


def odd_number(value: float) -> str:
    """Return the name of a number that is not finite."""
    if value != value:
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def shortest(value: float) -> float | str:
    """Return the shortest decimal that 32 bits read back as `value`, or a name."""
    if value - value != 0:
        return odd_number(value)
    wanted = _pack(value)
    short = float(f"{value:.6g}")
    if _pack(short) == wanted:
        return short
    for digits in (7, 8):
        short = float(f"{value:.{digits}g}")
        if _pack(short) == wanted:
            return short
    return float(f"{value:.9g}")


def named(names: Mapping[int, str]) -> Callable[[int], str]:
    """Return how to print a closed enum; a number without a name has no JSON."""

    def text(number: int) -> str:
        try:
            return names[number]
        except KeyError:
            raise ValueError(f"the enum has no value {number}") from None

    return text
