"""What a caller is told of broken constraints: short enough for any client's trailers.

Clients refuse trailers of more than 8 KiB and lose the call's end with them.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from gateway.core.errors import Violation
from gateway.transcode.prose import quotable

_MOST = 20
_MOST_BYTES = 1500
"""Of all paths and sentences together."""
_MOST_CHARS = 200
"""Of a path, and of a sentence."""


def told(found: Sequence[Any]) -> list[Violation]:
    """Return protovalidate's violations as ours, the first whatever its length."""
    violations: list[Violation] = []
    room = _MOST_BYTES
    for one in found[:_MOST]:
        violation = _violation(one.proto)
        room -= len(violation.field.encode()) + len(violation.description.encode())
        if room < 0 and violations:
            break
        violations.append(violation)
    return violations


def _violation(proto: Any) -> Violation:
    path = "".join(_path(proto.field.elements)) if proto.field is not None else ""
    text = quotable(proto.message, _MOST_CHARS) or f"breaks the rule {proto.rule_id}"
    return Violation(_cut(path), f"the key: {text}" if proto.for_key else text)


def _path(elements: Sequence[Any]) -> Iterator[str]:
    for i, element in enumerate(elements):
        yield f".{element.field_name}" if i else element.field_name
        if element.subscript is not None:
            yield f"[{_shown(element.subscript.value)}]"


def _shown(key: str | bool | int) -> str:
    if isinstance(key, str):  # of a map; it is the caller's
        key = key[:_MOST_CHARS]
        return json.dumps(key, ensure_ascii=not key.isprintable())
    return json.dumps(key)


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARS else text[: _MOST_CHARS - 1] + "…"
