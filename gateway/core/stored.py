"""How a call ended, as bytes: for what is kept longer than the call, or elsewhere.

The answers of caches and idempotency keys. Credentials are in none of it. The form is a
length, JSON of what is not the answer, and the answer; it says its version, and what another
version wrote is not read.
"""

import base64
import json
from typing import Any, Final

from gateway.core.errors import CallError, Origin, Reason, Sent, Violation
from gateway.core.flight import Landing
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.core.status import Code

VERSION: Final = 1
_MAX_BODY: Final = 16_384


class UnreadableError(ValueError):
    """Bytes that are not what `pack` makes."""


def pack(landing: Landing) -> bytes:
    """Return how a call ended as bytes."""
    told: dict[str, Any] = {"v": VERSION}
    if landing.trailing:
        told["trailing"] = [
            [key, value] if isinstance(value, str) else [key, None, _text(value)]
            for key, value in landing.trailing
        ]
    if landing.outcome.error is not None:
        told["error"] = _error(landing.outcome.error)
    head = json.dumps(told, separators=(",", ":")).encode()
    return len(head).to_bytes(4, "big") + head + landing.answer


def unpack(data: bytes) -> Landing:
    """Return what `pack` was given.

    Raises:
        UnreadableError: it was written by another version, or is damaged.
    """
    try:
        size = int.from_bytes(data[:4], "big")
        told = json.loads(data[4 : 4 + size])
        if told["v"] != VERSION:
            raise UnreadableError(f"it has version {told['v']!r}")
        trailing = tuple(
            (key, value[0] if value[0] is not None else base64.b64decode(value[1]))
            for key, *value in told.get("trailing", ())
        )
        error = told.get("error")
        outcome = SUCCESS if error is None else _outcome(error)
    except UnreadableError:
        raise
    except Exception as error:  # whatever damaged bytes lead to
        raise UnreadableError(f"it cannot be read: {type(error).__name__}") from None
    return Landing(outcome, bytes(data[4 + size :]), trailing)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _error(error: CallError) -> dict[str, Any]:
    told: dict[str, Any] = {
        "code": error.code.name,
        "reason": error.reason.value,
        "message": error.message,
        "origin": error.origin.value,
        "sent": error.sent.name,
        "transient": error.transient,
    }
    for name in ("http_status", "retry_after_s", "upstream"):
        if value := getattr(error, name):
            told[name] = value
    for name in ("violations", "exhausted"):
        if violations := getattr(error, name):
            told[name] = [[v.field, v.description] for v in violations]
    if error.details:
        told["details"] = [_text(detail) for detail in error.details]
    if error.body is not None and len(json.dumps(error.body)) <= _MAX_BODY:
        told["body"] = error.body
    return told


def _outcome(told: dict[str, Any]) -> Outcome:
    return failed(
        CallError(
            Code[told["code"]],
            Reason(told["reason"]),
            told["message"],
            origin=Origin(told["origin"]),
            sent=Sent[told["sent"]],
            transient=told["transient"],
            http_status=told.get("http_status"),
            retry_after_s=told.get("retry_after_s"),
            upstream=told.get("upstream", ""),
            violations=tuple(Violation(*v) for v in told.get("violations", ())),
            exhausted=tuple(Violation(*v) for v in told.get("exhausted", ())),
            details=tuple(base64.b64decode(detail) for detail in told.get("details", ())),
            body=told.get("body"),
        )
    )
