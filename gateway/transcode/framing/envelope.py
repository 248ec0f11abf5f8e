"""grpc-gateway's envelope: {"result": message} or {"error": status}, one a message.

1. Declared as enveloped, every value must be one. Not declared, a value is taken for
   one if it is an object with no other key than "result" and "error", and what a value
   stands for is a message of fields, none of which has such a name. Declared as not
   enveloped, none is looked for.
2. An "error" that is not null ends the stream, whatever stands beside it.
3. Where it is an envelope, its "result" is the message; null is the empty one.

What the error says is understood in `transcode/failure.py`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson
from google.protobuf.descriptor import FieldDescriptor

from gateway.transcode.framing.contract import misframed

_KEYS = {"result", "error"}
_LOOKS_LIKE_ONE = re.compile(rb'\s*+\{\s*+"(?:result|error)"\s*+:')


@dataclass(frozen=True, slots=True)
class Opened:
    """What an envelope holds: `error`, or the message's JSON value."""

    result: Any = None
    error: Any = None


def may_be_enveloped(enveloped: bool | None, fields: Iterable[FieldDescriptor]) -> bool:
    """Tell whether values are looked at for envelopes at all.

    Args:
        enveloped: what is declared, None for nothing.
        fields: of the message that a value is.
    """
    if enveloped is not None:
        return enveloped
    return not any(field.name in _KEYS or field.json_name in _KEYS for field in fields)


def open_envelope(text: bytes, *, declared: bool) -> Opened | None:
    """Return what the envelope `text` holds, None where it is none.

    Args:
        text: of one value.
        declared: it must be one.

    Raises:
        CallError: it must be one and is not.
    """
    if not declared and _LOOKS_LIKE_ONE.match(text) is None:
        return None
    try:
        value: Any = orjson.loads(text)
    except orjson.JSONDecodeError as wrong:
        if declared:
            raise misframed(f"has a message that is not JSON: {wrong}") from None
        return None  # its reader says what is wrong with it
    if not isinstance(value, dict) or not value or not value.keys() <= _KEYS:
        if declared:
            raise misframed("has a message that is not wrapped as result or error")
        return None
    error = value.get("error")
    return Opened(value.get("result")) if error is None else Opened(error=error)
