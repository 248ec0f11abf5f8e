"""Request bytes to a message; the first place that knows what was asked.

Sits behind everything that can refuse a call unread. A decoder of grpc's own
would answer UNKNOWN; this one answers INVALID_ARGUMENT.

Of a client stream the first message is waited for, since it decides where the call
goes; the others are decoded when they are asked for, one at a time, so that whoever
sends them on holds the caller back. Each has the size of a message, and an error names
it by its number.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from gateway.core.call import Call, CallNext, Preparation
from gateway.core.errors import CallError, Origin, Reason, invalid_request
from gateway.core.outcome import Outcome, failed
from gateway.core.status import Code


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodeOptions:
    """What is accepted.

    Args:
        parse: serialized bytes to a message; raises on anything malformed.
        type_name: of the message, for the error.
        max_request_bytes: of the serialized message.
    """

    parse: Callable[[bytes], Any]
    type_name: str
    max_request_bytes: int = 4 * 1024 * 1024


def _too_large(options: DecodeOptions, size: int, what: str = "the request") -> CallError:
    return CallError(
        Code.RESOURCE_EXHAUSTED,
        Reason.REQUEST_TOO_LARGE,
        f"{what} has {size} bytes; at most {options.max_request_bytes} are accepted",
        origin=Origin.CALLER,
    )


def _malformed(options: DecodeOptions, what: str = "the request") -> CallError:
    return invalid_request(f"{what} is not a valid {options.type_name} message")


class DecodeInterceptor(Preparation):
    """Fills `call.message`."""

    name = "decode"

    def __init__(self, options: DecodeOptions) -> None:
        self._parse = options.parse
        self._max_bytes = options.max_request_bytes
        self._options = options

    def prepare(self, call: Call) -> Outcome | None:
        """Decode, or answer INVALID_ARGUMENT."""
        if len(call.request) > self._max_bytes:
            return failed(_too_large(self._options, len(call.request)))
        try:
            call.message = self._parse(call.request)
        except Exception:  # the decoder's own type, which this module does not know
            return failed(_malformed(self._options))
        return None


class DecodeStreamInterceptor:
    """Fills `call.message` with a stream's first, and decodes those behind it."""

    name = "decode"

    def __init__(self, options: DecodeOptions) -> None:
        self._options = options

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Decode the first message, or answer INVALID_ARGUMENT."""
        messages = _Messages(call, self._options)
        try:
            call.message = await anext(messages, None)
        except CallError as error:
            return failed(error)
        call.requests_spent = False
        call.requests = messages
        return await call_next(call)


class _Messages(AsyncIterator[Any]):
    """The decoded messages of a client stream."""

    def __init__(self, call: Call, options: DecodeOptions) -> None:
        self._call = call
        self._options = options
        self._payloads = call.requests
        self._number = 0

    async def __anext__(self) -> Any:
        # Given up, a read may take a message along: the stream counts as spent until the
        # caller's next message, or its end, is here. That the caller was waited for stays
        # true of a call that ends meanwhile.
        call = self._call
        spent, call.requests_spent = call.requests_spent, True
        call.awaits_caller = True
        try:
            payload = await anext(self._payloads)
        except StopAsyncIteration:
            call.requests_spent, call.awaits_caller = spent, False
            raise
        call.awaits_caller = False
        self._number += 1
        options, what = self._options, f"message {self._number} of the stream"
        if len(payload) > options.max_request_bytes:
            raise _too_large(options, len(payload), what)
        try:
            return options.parse(payload)
        except Exception:  # as above
            raise _malformed(options, what) from None
