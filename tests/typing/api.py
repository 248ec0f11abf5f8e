"""The public API's types, checked by mypy and not run."""

import grpc
from seawall_client import Failure, FieldViolation, read_failure

from gateway.core.call import Call, CallNext, Interceptor
from gateway.core.clock import Clock, Rng, SystemClock, system_rng
from gateway.core.events import Event, Events, Listener
from gateway.core.outcome import SUCCESS, Outcome


class Counting:
    """An interceptor that somebody else might write."""

    name = "counting"

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        self.calls += 1
        return await call_next(call)


def listen(event: Event) -> None:
    print(event)


interceptor: Interceptor = Counting()
listener: Listener = listen
events: Events = Events([listener])
clock: Clock = SystemClock()
rng: Rng = system_rng()
success: Outcome = SUCCESS


def read(error: grpc.RpcError) -> tuple[float | None, tuple[FieldViolation, ...]]:
    failure: Failure = read_failure(error)
    return failure.retry_delay_s, failure.violations
