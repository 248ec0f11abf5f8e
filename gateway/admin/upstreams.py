"""AdminService.ListUpstreams: the state of upstreams as protobuf.

A servicer of the gateway's own behind the same pipeline as health. It knows the frozen
records of `core/state.py` and none of the mechanisms.
"""

from collections.abc import Callable, Iterable

from google.protobuf.duration_pb2 import Duration
from seawall.admin.v1 import admin_pb2

from gateway.core.errors import CallError, Origin, Reason
from gateway.core.state import BreakerState, EndpointState, UpstreamState
from gateway.core.status import Code

SERVICE = "seawall.admin.v1.AdminService"
LIST_REQUEST = admin_pb2.ListUpstreamsRequest


def list_upstreams(
    states: Callable[[], Iterable[UpstreamState]],
    request: admin_pb2.ListUpstreamsRequest,
) -> admin_pb2.ListUpstreamsResponse:
    """Answer ListUpstreams.

    Raises:
        CallError: NOT_FOUND, for a name that no upstream has.
    """
    found = {state.name: state for state in states()}
    for name in request.names:
        if name not in found:
            raise CallError(
                Code.NOT_FOUND,
                Reason.INVALID_REQUEST,
                f"there is no upstream {name!r}; there are {', '.join(sorted(found)) or 'none'}",
                origin=Origin.CALLER,
            )
    wanted = request.names or sorted(found)
    return admin_pb2.ListUpstreamsResponse(upstreams=[_upstream(found[name]) for name in wanted])


def _upstream(state: UpstreamState) -> admin_pb2.Upstream:
    message = admin_pb2.Upstream(
        name=state.name,
        reachable=state.reachable,
        endpoints=[_endpoint(endpoint) for endpoint in state.endpoints],
        breakers=[_breaker(breaker) for breaker in state.breakers],
    )
    if (concurrency := state.concurrency) is not None:
        message.concurrency.limit = concurrency.limit
        message.concurrency.in_flight = concurrency.in_flight
        message.concurrency.queued = concurrency.queued
    if state.retry_budget is not None:
        message.retry_budget.remaining = state.retry_budget
    if (pacing := state.pacing) is not None:
        message.pacing.requests_per_second = pacing.requests_per_s
        message.pacing.queued = pacing.queued
        message.pacing.learned = pacing.learned
    return message


def _endpoint(state: EndpointState) -> admin_pb2.Endpoint:
    message = admin_pb2.Endpoint(
        address=state.address,
        state=f"STATE_{state.state.upper()}",
        in_flight=state.in_flight,
    )
    if state.latency_s is not None:
        message.latency.CopyFrom(_duration(state.latency_s))
    return message


def _breaker(state: BreakerState) -> admin_pb2.Breaker:
    message = admin_pb2.Breaker(
        name=f"{state.name} [{state.key}]" if state.key else state.name,
        state=f"STATE_{state.state.upper()}",
        calls=state.calls,
        failures=state.failures,
        consecutive_failures=state.consecutive_failures,
    )
    if state.open_for_s > 0:
        message.opens_for.CopyFrom(_duration(state.open_for_s))
    return message


def _duration(duration_s: float) -> Duration:
    nanos = round(duration_s * 1e9)
    return Duration(seconds=nanos // 10**9, nanos=nanos % 10**9)
