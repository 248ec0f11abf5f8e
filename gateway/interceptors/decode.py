"""Request bytes to a message; the first place that knows what was asked.

Sits behind everything that can refuse a call unread. A decoder of grpc's own
would answer UNKNOWN; this one answers INVALID_ARGUMENT.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.core.call import Call, CallNext
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


class DecodeInterceptor:
    """Fills `call.message`."""

    name = "decode"

    def __init__(self, options: DecodeOptions) -> None:
        self._options = options

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Decode, or answer INVALID_ARGUMENT."""
        options = self._options
        if len(call.request) > options.max_request_bytes:
            return failed(_too_large(len(call.request), options.max_request_bytes))
        try:
            call.message = options.parse(call.request)
        except Exception:  # the decoder's own type, which this module does not know
            return failed(
                invalid_request(f"the request is not a valid {options.type_name} message")
            )
        return await call_next(call)


def _too_large(size: int, limit: int) -> CallError:
    return CallError(
        Code.RESOURCE_EXHAUSTED,
        Reason.REQUEST_TOO_LARGE,
        f"the request has {size} bytes; at most {limit} are accepted",
        origin=Origin.CALLER,
    )
