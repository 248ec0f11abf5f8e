"""Methods that composed methods call: each a script, and what was asked of it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from compose.v1.compose_pb2 import GetRequest, Order
from fakes.clock import FakeClock

from gateway.compose.part import Entry
from gateway.core.call import Call, MethodInfo
from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.core.status import Code

ORIGIN = MethodInfo("compose.v1.Front", "Ask")


class Caller:
    """A call and what its caller was sent."""

    def __init__(self, clock: FakeClock, message: Any, timeout_s: float | None = 2.0) -> None:
        self.answers: list[bytes] = []

        async def sink(payload: bytes) -> None:
            self.answers.append(payload)

        deadline_at = None if timeout_s is None else clock.now() + timeout_s
        self.call = Call(ORIGIN, sink, arrived_at=clock.now(), deadline_at=deadline_at)
        self.call.message = message

    def answer(self, kind: Any) -> Any:
        """Return the one answer."""
        (payload,) = self.answers
        return kind.FromString(payload)


class Method:
    """A method that takes its time and then answers, or fails.

    Attributes:
        asked: the calls made so far.
        most: calls that were under way at once.
        ended: calls that ended by themselves.
        cancelled: calls that were cancelled.
    """

    def __init__(
        self,
        clock: FakeClock,
        name: str,
        answers: Any = None,
        *,
        after_s: float | Callable[[Any], float] = 0.0,
        trailing: Sequence[tuple[str, str]] = (),
        request_type: Any = GetRequest,
        response_type: Any = Order,
        attempts: int = 1,
    ) -> None:
        self._clock = clock
        self._answers = answers
        self._after_s = after_s
        self._trailing = trailing
        self._attempts = attempts
        self.entry = Entry(
            MethodInfo("compose.v1.Back", name), self._run, request_type, response_type
        )
        self.asked: list[Call] = []
        self.running = self.most = self.ended = self.cancelled = 0

    async def _run(self, call: Call) -> Outcome:
        self.asked.append(call)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            call.attempts += self._attempts
            after_s = self._after_s
            await self._clock.sleep(after_s(call.message) if callable(after_s) else after_s)
            answer = self._answers
            if callable(answer):
                answer = answer(call.message)
            if isinstance(answer, CallError):
                return failed(answer)
            if isinstance(answer, Exception):
                raise answer
            call.trailing_metadata += self._trailing
            await call.send(answer.SerializeToString())
            self.ended += 1
            return SUCCESS
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1

    @property
    def requests(self) -> list[Any]:
        """The requests it was sent."""
        return [call.message for call in self.asked]


def failing(
    code: Code = Code.UNAVAILABLE,
    message: str = "upstream 'shop' answered 503",
    *,
    sent: Sent = Sent.ANSWERED,
    reason: Reason = Reason.UPSTREAM_STATUS,
    origin: Origin = Origin.UPSTREAM,
    **more: Any,
) -> CallError:
    """Return an upstream's failure."""
    return CallError(code, reason, message, origin=origin, sent=sent, upstream="shop", **more)


def entries(*methods: Method) -> Callable[[str], Entry]:
    """Return what finds their entries."""
    by_name = {method.entry.method.full_name: method.entry for method in methods}
    return by_name.__getitem__
