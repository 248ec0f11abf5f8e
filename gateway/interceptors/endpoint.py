"""Where an attempt goes: one of the upstream's endpoints, chosen anew for each.

Between the retry and the attempt. What endpoints there are and how they are is known
behind `core.endpoint.Endpoints`.

Rules:
1. An endpoint is told of the end of every attempt that it was chosen for, also of one
   that was cancelled.
2. `call.endpoint` is the attempt's endpoint until the next is chosen. One that failed is
   in `call.tried` from then on, so that a retry goes elsewhere.
3. Where there is none, the attempt is refused at once: UNAVAILABLE, with the delay until
   the next look.
4. How long a stream lasts says nothing about how fast its endpoint is: it is not timed.
"""

from typing import Protocol

from gateway.core.call import Call, CallNext
from gateway.core.clock import Clock
from gateway.core.endpoint import Endpoints
from gateway.core.errors import CallError, Reason, refused
from gateway.core.events import CallRefused, Events
from gateway.core.outcome import Outcome, failed
from gateway.core.status import Code


class ExplainedEndpoints(Endpoints, Protocol):
    """Endpoints that know why connections to them failed."""

    last_failure: str
    """For people: "is not reachable at 10.0.0.7:8080: connection refused"; may be empty."""


def no_endpoint(upstream: str, last_failure: str, retry_after_s: float | None) -> CallError:
    """Return the error for an attempt that can go nowhere.

    Args:
        upstream: its name.
        last_failure: why the last connection failed, "" where that is not known.
        retry_after_s: until somebody looks again, None where nobody will.
    """
    last = f" (it {last_failure})" if last_failure else ""
    return refused(
        Code.UNAVAILABLE,
        Reason.NO_ENDPOINT,
        f"no endpoint of upstream {upstream!r} can be connected to{last}",
        upstream=upstream,
        retry_after_s=retry_after_s,
    )


class EndpointInterceptor:
    """Chooses for one attempt.

    Args:
        endpoints: of the upstream.
        upstream: its name, for errors.
        clock: times attempts.
        events: told of refusals.
    """

    name = "endpoint"

    def __init__(
        self, endpoints: ExplainedEndpoints, upstream: str, clock: Clock, events: Events
    ) -> None:
        self._endpoints = endpoints
        self._upstream = upstream
        self._clock = clock
        self._events = events

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Run the attempt at an endpoint, or refuse it."""
        now = self._clock.now
        began_at = now()
        method = call.method
        timed = not (method.server_streaming or method.client_streaming)
        endpoint = self._endpoints.choose(call.tried, began_at, timed=timed)
        call.endpoint = endpoint
        if endpoint is None:
            return self._refused(call, began_at)
        outcome: Outcome | None = None
        try:
            outcome = await call_next(call)
            return outcome
        finally:
            ended_at = now()
            duration_s = ended_at - began_at if timed else None
            self._endpoints.ended(endpoint, outcome, duration_s, ended_at)
            if outcome is not None and outcome.error is not None:
                call.tried = (*call.tried, endpoint)

    def _refused(self, call: Call, now: float) -> Outcome:
        endpoints = self._endpoints
        error = no_endpoint(self._upstream, endpoints.last_failure, endpoints.refusal_s(now))
        self._events.emit(CallRefused(call, "endpoint", error))
        return failed(error)
