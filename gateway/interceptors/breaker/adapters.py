"""A breaker on the way of a call: a check before the queues, a permit around the attempt.

The check refuses at once what would only wait in queues to be refused; it takes nothing. The
permit is asked for again just before the attempt, because the circuit may have opened while
the call waited, and it spans the attempt and nothing else.
"""

from gateway.core.call import Call, CallNext, Preparation
from gateway.core.clock import Clock
from gateway.core.events import CallRefused, Events
from gateway.core.outcome import Outcome, failed
from gateway.interceptors.breaker.breakers import Breakers
from gateway.interceptors.breaker.circuit import Circuit
from gateway.interceptors.breaker.errors import breaker_open
from gateway.interceptors.breaker.machine import Permit
from gateway.interceptors.breaker.results import Result, read_outcome


def _refuse(
    breakers: Breakers, circuit: Circuit, call: Call, now: float, events: Events
) -> Outcome:
    error = breaker_open(breakers.upstream, breakers.name, circuit, now)
    events.emit(CallRefused(call, "breaker", error))
    return failed(error)


class BreakerCheckInterceptor(Preparation):
    """Outside everything that queues."""

    name = "breaker_check"

    def __init__(self, breakers: Breakers, clock: Clock, events: Events) -> None:
        self._breakers = breakers
        self._clock = clock
        self._events = events

    def prepare(self, call: Call) -> Outcome | None:
        """Refuse the call where its attempt would be refused now."""
        circuit = self._breakers.of(call)
        now = self._clock.now()
        if circuit.allows(now):
            return None
        return _refuse(self._breakers, circuit, call, now, self._events)


class BreakerPermitInterceptor:
    """Next to the attempt.

    How long a stream lasts says nothing about the upstream's health: streams are never slow,
    and a probe that has sent a message by the time its permit expires has succeeded.
    """

    name = "breaker_permit"

    def __init__(self, breakers: Breakers, clock: Clock, events: Events) -> None:
        self._breakers = breakers
        self._clock = clock
        self._events = events
        self._failure_http_statuses = breakers.options.failure_http_statuses

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Make the attempt with a permit, or refuse it."""
        clock = self._clock
        circuit = self._breakers.of(call)
        started_at = clock.now()
        permit = circuit.acquire(started_at)
        if permit is None:
            return _refuse(self._breakers, circuit, call, started_at, self._events)
        method = call.method
        streamed = method.server_streaming or method.client_streaming
        watch = (
            clock.call_at(permit.expires_at, lambda: self._expired(call, permit))
            if streamed and permit.is_probe
            else None
        )
        outcome: Outcome | None = None
        try:
            outcome = await call_next(call)
            return outcome
        finally:
            if watch is not None:
                watch.cancel()
            now = clock.now()
            duration_s = 0.0 if streamed else now - started_at
            result = read_outcome(outcome, self._failure_http_statuses)
            permit.release(result, duration_s, now)

    def _expired(self, call: Call, permit: Permit) -> None:
        if call.sent:
            permit.release(Result.SUCCESS, 0.0, self._clock.now())
