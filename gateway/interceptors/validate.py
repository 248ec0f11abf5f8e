"""Requests are held to the constraints of their protos, before anything is sent.

Stands behind decode. Of a client stream every message is held to them: the first here, the
others when they are asked for.
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


def violated(violations: Sequence[Violation]) -> CallError:
    """Return the error of a request with `violations`, at least one."""
    shown = "; ".join(
        f"{one.field}: {one.description}" if one.field else one.description
        for one in violations[:_SHOWN]
    )
    more = len(violations) - _SHOWN
    return CallError(
        Code.INVALID_ARGUMENT,
        Reason.INVALID_REQUEST,
        f"{shown}; and {more} more" if more > 0 else shown,
        origin=Origin.CALLER,
        violations=tuple(violations),
    )


class ValidateInterceptor(Preparation):
    """Checks `call.message`, and what follows it in a stream.

    Args:
        check: of the method's request.
        events: told of refusals.
    """

    name = "validate"

    def __init__(self, check: Check, events: Events) -> None:
        self._check = check
        self._events = events

    def prepare(self, call: Call) -> Outcome | None:
        """Let the call go on, or answer INVALID_ARGUMENT."""
        if call.method.client_streaming:
            call.requests = _Checked(call.requests, self._check)
            if call.message is None:
                return None
        try:
            violations = self._check(call.message)
        except CallError as broken:
            return failed(broken)
        if not violations:
            return None
        error = violated(violations)
        self._events.emit(CallRefused(call, self.name, error))
        return failed(error)


class _Checked(AsyncIterator[Any]):
    """The further messages of a client stream."""

    def __init__(self, messages: AsyncIterator[Any], check: Check) -> None:
        self._messages = messages
        self._check = check
        self._number = 1

    async def __anext__(self) -> Any:
        message = await anext(self._messages)
        self._number += 1
        violations = self._check(message)
        if violations:
            error = violated(violations)
            error.message = f"message {self._number} of the stream: {error.message}"
            raise error
        return message
