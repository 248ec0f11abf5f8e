"""A Call for unit tests of interceptors, and what stands behind them."""

from collections.abc import Awaitable, Callable
from typing import Any

from fakes.clock import FakeClock

from gateway.core.call import Call, MethodInfo
from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.events import Event
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.core.status import Code

METHOD = MethodInfo("shop.v1.OrderService", "GetOrder")


def new_call(clock: FakeClock, *, timeout_s: float | None = None, **more: Any) -> Call:
    """Return a call that arrived now."""

    async def sink(_payload: bytes) -> None:
        pass

    return Call(
        METHOD,
        sink,
        arrived_at=clock.now(),
        deadline_at=None if timeout_s is None else clock.now() + timeout_s,
        **more,
    )


class Script:
    """A `call_next` that ends each attempt as told, and counts them."""

    def __init__(self, *ends: CallError | Callable[[Call], Awaitable[Outcome]] | None) -> None:
        self._ends = list(ends)
        self.attempts = 0

    async def __call__(self, call: Call) -> Outcome:
        self.attempts += 1
        call.attempts += 1
        end = self._ends.pop(0) if len(self._ends) > 1 else self._ends[0]
        if callable(end):
            return await end(call)
        return SUCCESS if end is None else failed(end)


class Recorder(list[Event]):
    """A listener that keeps events."""

    def __call__(self, event: Event) -> None:
        self.append(event)


def answered(status: int, retry_after_s: float | None = None) -> CallError:
    """Return the error of an upstream that answered `status`."""
    return CallError(
        Code.UNAVAILABLE,
        Reason.UPSTREAM_STATUS,
        f"upstream 'shop' answered {status}",
        origin=Origin.UPSTREAM,
        sent=Sent.REFUSED if status == 429 else Sent.ANSWERED,
        transient=status in (429, 502, 503, 504),
        http_status=status,
        retry_after_s=retry_after_s,
    )


def refused() -> CallError:
    """Return the error of a connection that never came to be."""
    return CallError(
        Code.UNAVAILABLE,
        Reason.UPSTREAM_UNREACHABLE,
        "upstream 'shop' is not reachable",
        origin=Origin.UPSTREAM,
        sent=Sent.NOT_SENT,
        transient=True,
    )


def reset() -> CallError:
    """Return the error of a connection that broke after the request was sent."""
    return CallError(
        Code.UNAVAILABLE,
        Reason.UPSTREAM_RESET,
        "upstream 'shop' closed the connection before it answered",
        origin=Origin.UPSTREAM,
        sent=Sent.UNKNOWN,
        transient=True,
    )
