"""Requests are held to the constraints of their protos, before anything is sent.

Stands behind decode. Of a client stream every message is held to them: the first here, the
others when they are asked for.

Calls that the gateway makes itself (fallbacks, parts of composed answers) are held to them as
well: their requests are made of what a caller sent. What is told then says whose request it is.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from gateway.core.call import Call, Preparation
from gateway.core.errors import CallError, Origin, Reason, Violation
from gateway.core.events import CallRefused, Events
from gateway.core.outcome import Outcome, failed
from gateway.core.status import Code

Check = Callable[[Any], Sequence[Violation]]
"""Returns what is wrong with a message; may raise CallError."""

_SHOWN = 3
_MOST_CHARS = 300


def violated(violations: Sequence[Violation], what: str = "") -> CallError:
    """Return the error of a request with `violations`, at least one.

    Args:
        violations: fields, and what is wrong with them.
        what: which message it is, where there are several.
    """
    shown = "; ".join(
        f"{one.field}: {one.description}" if one.field else one.description
        for one in violations[:_SHOWN]
    )
    if len(shown) > _MOST_CHARS:
        shown = shown[: _MOST_CHARS - 1] + "…"
    more = len(violations) - _SHOWN
    return CallError(
        Code.INVALID_ARGUMENT,
        Reason.INVALID_REQUEST,
        what + (f"{shown}; and {more} more" if more > 0 else shown),
        origin=Origin.CALLER,
        violations=tuple(violations),
    )


class ValidateInterceptor(Preparation):
    """Checks `call.message`, and what follows it in a stream.

    Args:
        check: of the method's request.
        events: told of refusals.
        of_part: calls are the gateway's own.
    """

    name = "validate"

    def __init__(self, check: Check, events: Events, *, of_part: bool = False) -> None:
        self._check = check
        self._events = events
        self._of_part = of_part

    def prepare(self, call: Call) -> Outcome | None:
        """Let the call go on, or answer INVALID_ARGUMENT."""
        if call.method.client_streaming:
            call.requests = _Checked(call, self)
            if call.message is None:
                return None
        try:
            violations = self._check(call.message)
        except CallError as broken:
            return failed(self.told(call, broken))
        if not violations:
            return None
        what = f"the request of {call.method.full_name}: " if self._of_part else ""
        return failed(self.told(call, violated(violations, what)))

    def check_next(self, call: Call, message: Any, number: int) -> None:
        """Raise CallError where the message of this number in a stream breaks a constraint."""
        try:
            violations = self._check(message)
        except CallError as broken:
            raise self.told(call, broken) from None
        if violations:
            raise self.told(call, violated(violations, f"message {number} of the stream: "))

    def told(self, call: Call, error: CallError) -> CallError:
        """Return `error`, which ends the call, and emit the event."""
        self._events.emit(CallRefused(call, self.name, error))
        return error


class _Checked(AsyncIterator[Any]):
    """The further messages of a client stream."""

    def __init__(self, call: Call, validate: ValidateInterceptor) -> None:
        self._call = call
        self._messages = call.requests
        self._validate = validate
        self._number = 1

    async def __anext__(self) -> Any:
        message = await anext(self._messages)
        self._number += 1
        self._validate.check_next(self._call, message, self._number)
        return message
