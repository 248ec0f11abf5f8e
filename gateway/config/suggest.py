"""Sentences for names that do not exist, and for values that were meant otherwise."""

import difflib
import re
from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

_SHOWN = 10
_AMOUNT = re.compile(r"([0-9]{1,9})(\.[0-9]{1,6})? ?([a-z]*)")
_SECONDS = {
    "": 1.0,
    "ms": 0.001,
    "s": 1.0,
    "sec": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
}
_LEVELS = ("policy", "method", "methods", "stream")
"""Fields that hold policy, in the order in which they are looked into."""
_NO = frozenset(("false", "off", "no", "none", "disabled", "0"))


def closest(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?", or "; known: …" where nothing is close."""
    names = list(known)
    if close := difflib.get_close_matches(name, names, n=1, cutoff=0.5):
        return f"; did you mean {close[0]!r}?"
    more = f", … ({len(names)} in all)" if len(names) > _SHOWN else ""
    return f"; known: {', '.join(names[:_SHOWN]) or 'none'}{more}"


def slip_of(name: str, known: Iterable[str]) -> str:
    """Return the one name that `name` is likely a slip of, "" where there is none."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.7)
    return close[0] if close else ""


def no_such(kind: str, name: str, known: Iterable[str]) -> str:
    """Return "there is no service 'x'; did you mean 'y'?"."""
    return f"there is no {kind} {name!r}{closest(name, known)}"


def for_key(key: str, descriptor: Any, at: str) -> str:
    """Return what an unknown key of a message was meant to be.

    Args:
        key: as it is written.
        descriptor: of the message that has no such field.
        at: path of the message; "" for the whole file.
    """
    fields = descriptor.fields_by_name
    above, _, name = at.rpartition(".")
    if above and name in fields:  # an entry of a map that is called like what it should hold
        return f"; does {name!r} belong to the entry above it? Then indent it further"
    if key == "enabled" and "disabled" in fields:
        return "; what is on says nothing, what is off says 'disabled: true'"
    for name in _LEVELS:
        field = fields.get(name)
        if field is None or field.is_repeated or key not in field.message_type.fields_by_name:
            continue
        return f"; did you mean '{'.'.join(filter(None, (at, name, key)))}'?"
    methods = fields.get("methods")
    if methods is not None and methods.is_repeated and key[:1].isupper():
        return f"; did you mean '{at}.methods.{key}'?"
    return closest(key, fields)


def for_value(text: str, field: FieldDescriptor) -> str:
    """Return what a value that a field does not take was meant to be; "" where nobody knows."""
    if field.enum_type is not None:
        upper = text.upper().replace("-", "_")
        return f"; did you mean {upper}?" if upper in field.enum_type.values_by_name else ""
    kind = field.message_type
    if kind is None:
        return ""
    if kind.full_name == "google.protobuf.Duration":
        return _for_duration(text)
    if "disabled" in kind.fields_by_name and text.lower() in _NO:
        return "; did you mean {disabled: true}?"
    if "default" in kind.fields_by_name and (text.endswith("s") or _for_duration(text)):
        return f"; did you mean {{default: {text}}}?"
    return ""


def _for_duration(text: str) -> str:
    amount = _AMOUNT.fullmatch(text)
    factor = _SECONDS.get(amount[3]) if amount else None
    if amount is None or factor is None:
        return ""
    seconds = float(amount[1] + (amount[2] or "")) * factor
    return f'; did you mean "{seconds:.9f}'.rstrip("0").rstrip(".") + 's"?'
