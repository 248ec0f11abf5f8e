"""A CallError as what travels: status, message, and google.rpc.Status details (AIP-193).

Details, in this order: what the upstream sent, then ErrorInfo (domain "seawall", or that of
the error catalog, with the gateway's own reason as its `cause`), RetryInfo, BadRequest,
QuotaFailure, LocalizedMessage where the caller asked for a language that the catalog has, and
seawall.error.v1.UserMessage.

Rules:
1. All of it, the message included, stays under `MAX_DETAILS`, because clients refuse trailers
   of more than 8 KiB and then lose the status too.
2. ErrorInfo, RetryInfo and UserMessage always travel: sentences are cut, numbers are not.
3. What is left out where the room ends: first what the upstream sent, its last details first;
   then LocalizedMessage, whose sentence is in UserMessage; then the last limits, and the last
   fields at fault.
4. Where the catalog says that nobody is to come back, no delay travels: the upstream's own
   RetryInfo is left out too.

Beside them `grpc-retry-pushback-ms` (gRFC A6) where the error says when to retry, or not to.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from seawall.error.v1.error_pb2 import UserMessage

from gateway.core.catalog import DOMAIN, MAX_SENTENCE, MAX_TITLE
from gateway.core.errors import CallError, KnownReason, Words
from gateway.core.own_words import OWN_WORDS, action_for
from gateway.core.status import Code

MAX_DETAILS = 3 * 1024
"""Serialized; a third more as base64 on the wire."""
_MAX_MESSAGE = 1024
"""Percent-encoded, as it travels."""
_MAX_NAME = 128
"""Bytes of an upstream's name."""
_ITEM_BYTES = 4
"""Before an item of a list: its tag and its length."""
_ANY_BYTES = 64
"""Of a packed list beside its items: the type's URL, tags and lengths."""

_UNNAMED = KnownReason(name="", domain="", words=Words())

CODES = {Code(code.value[0]): code for code in grpc.StatusCode}
"""grpc's own enum by number."""

Trailers = tuple[tuple[str, str | bytes], ...]


def _duration(duration_s: float) -> duration_pb2.Duration:
    nanos = max(0, round(duration_s * 1e9))
    return duration_pb2.Duration(seconds=nanos // 10**9, nanos=nanos % 10**9)


class _Room:
    """Details that are packed while there is room, the most important first.

    Args:
        left: bytes for them, serialized.
    """

    def __init__(self, left: int) -> None:
        self.left = left

    def pack(self, detail: Message) -> list[any_pb2.Any]:
        """Return `detail` packed; nothing where it does not fit."""
        packed = any_pb2.Any()
        packed.Pack(detail)
        return self.keep(packed)

    def pack_list(self, detail: Any, items: Any, kept: Iterable[Message]) -> list[any_pb2.Any]:
        """Return `detail` with as many of `kept` in its field `items` as fit; else nothing."""
        left = self.left - _ANY_BYTES
        for item in kept:
            left -= item.ByteSize() + _ITEM_BYTES
            if left < 0:
                break
            items.append(item)
        return self.pack(detail) if items else []

    def keep(self, packed: any_pb2.Any) -> list[any_pb2.Any]:
        """Return what is packed already; nothing where it does not fit."""
        size = packed.ByteSize() + _ITEM_BYTES
        if size > self.left:
            return []
        self.left -= size
        return [packed]


def _details(error: CallError, attempts: int, room: _Room) -> list[any_pb2.Any]:
    """Return the details in their order; room is given by importance."""
    known = error.known_as or _UNNAMED
    retry: list[any_pb2.Any] = []
    info = room.pack(_error_info(error, known, attempts))
    if error.retry_after_s is not None:
        delay = _duration(error.retry_after_s)
        retry = room.pack(error_details_pb2.RetryInfo(retry_delay=delay))
    said = room.pack(_user_message(error, known.words))
    bad = error_details_pb2.BadRequest()
    fields = room.pack_list(
        bad,
        bad.field_violations,
        (
            error_details_pb2.BadRequest.FieldViolation(
                field=_cut(v.field, MAX_TITLE), description=_cut(v.description, MAX_TITLE)
            )
            for v in error.violations
        ),
    )
    quota = error_details_pb2.QuotaFailure()
    limits = room.pack_list(
        quota,
        quota.violations,
        (
            error_details_pb2.QuotaFailure.Violation(
                subject=_cut(v.field, MAX_TITLE), description=_cut(v.description, MAX_TITLE)
            )
            for v in error.exhausted
        ),
    )
    localized: list[any_pb2.Any] = []
    if known.language and known.words.message:
        localized = room.pack(
            error_details_pb2.LocalizedMessage(
                locale=known.language, message=_cut(known.words.message, MAX_SENTENCE)
            )
        )
    theirs = [one for told in _theirs(error) for one in room.keep(told)]
    return [*theirs, *info, *retry, *fields, *limits, *localized, *said]


def _theirs(error: CallError) -> Iterator[any_pb2.Any]:
    """Yield what the upstream sent and the catalog does not deny."""
    final = error.known_as is not None and not error.transient
    for packed in error.details:
        told = any_pb2.Any.FromString(packed)
        if not (final and told.Is(error_details_pb2.RetryInfo.DESCRIPTOR)):
            yield told


def _error_info(error: CallError, known: KnownReason, attempts: int) -> error_details_pb2.ErrorInfo:
    metadata = {"origin": str(error.origin), "attempts": str(attempts)}
    if known.name and (known.domain != DOMAIN or known.name != error.reason):
        metadata["cause"] = str(error.reason)
    if error.upstream:
        metadata["upstream"] = _cut(error.upstream, _MAX_NAME)
    if error.http_status is not None:
        metadata["http_status"] = str(error.http_status)
    if error.known_to_operators:
        metadata["resource"] = error.known_to_operators
    return error_details_pb2.ErrorInfo(
        reason=known.name or error.reason, domain=known.domain or DOMAIN, metadata=metadata
    )


def _user_message(error: CallError, words: Words) -> UserMessage:
    own = OWN_WORDS[error.reason]
    said = UserMessage(
        title=_cut(words.title or own.title, MAX_TITLE),
        text=_cut(words.message or _sentence(error.message), MAX_SENTENCE),
        action=_cut(words.action or own.action or action_for(error), MAX_SENTENCE),
        should_retry=error.transient,
    )
    if error.retry_after_s is not None:
        said.retry_delay.CopyFrom(_duration(error.retry_after_s))
    return said


def _cut(text: str, max_bytes: int) -> str:
    """Return `text`, cut between characters where it is longer in UTF-8.

    What is no character (half of a surrogate pair) is a question mark: protobuf refuses it.
    """
    if text.isascii() and len(text) <= max_bytes:
        return text
    serialized = text.encode(errors="replace")
    if len(serialized) <= max_bytes:
        return serialized.decode()
    return serialized[: max_bytes - 3].decode(errors="ignore") + "…"


def _shortened(text: str) -> str:
    """Return `text`, cut where its percent-encoded form on the wire grows too long."""
    text = text.encode(errors="replace").decode()
    room = _MAX_MESSAGE
    for at, character in enumerate(text):
        plain = " " <= character <= "~" and character != "%"
        room -= 1 if plain else 3 * len(character.encode())
        if room < 0:
            return text[: max(at - 1, 0)] + "…"
    return text


def _sentence(text: str) -> str:
    """Return a message as people write it: with a capital, and with a stop."""
    text = _cut(text, MAX_SENTENCE - 1)
    word = text.split(" ", 1)[0]
    if word.isalpha():  # an identifier keeps its case
        text = text[:1].upper() + text[1:]
    return text + ("" if text.endswith((".", "!", "?", "…")) else ".")


def to_trailers(error: CallError, attempts: int) -> tuple[grpc.StatusCode, str, Trailers]:
    """Return what ends a failed call: status, message, trailing metadata."""
    message = _shortened(error.message)
    room = _Room(MAX_DETAILS - len(message.encode()) - _ITEM_BYTES)
    details = _details(error, attempts, room)
    status = status_pb2.Status(code=int(error.code), message=message, details=details)
    trailers: Trailers = (("grpc-status-details-bin", status.SerializeToString()),)
    if error.pushback_s is not None:
        told = -1 if error.pushback_s < 0 else round(error.pushback_s * 1000)
        trailers = (*trailers, ("grpc-retry-pushback-ms", str(told)))
    return CODES[error.code], message, trailers
