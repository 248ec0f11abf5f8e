"""What the gateway answers itself beside health and reflection: part of the composition root."""

from collections.abc import Callable, Sequence
from functools import partial

from google.longrunning import operations_pb2
from seawall.admin.v1 import admin_pb2
from seawall.config.v1.config_pb2 import GatewayConfig

from gateway.admin import unknown_calls
from gateway.admin import upstreams as admin
from gateway.admin.cache import PURGE_REQUEST, purge_cache
from gateway.admin.unknown_calls import list_unknown_calls, resolve_unknown_call
from gateway.chain import Surroundings
from gateway.config.rate_limit_service import described_limits
from gateway.config.sharing.metadata import caller_of_call
from gateway.core.call import MethodInfo, Target
from gateway.core.state import UpstreamState
from gateway.edge import Edge
from gateway.ingress import rate_limit_service
from gateway.ingress.local import LocalCall, LocalUnary
from gateway.ingress.rate_limit_service import Domain, RateLimitTarget
from gateway.operations.message import OperationMessages
from gateway.operations.service import SERVICE as OPERATIONS
from gateway.operations.service import OperationsService
from gateway.pipelines import Pipelines
from gateway.stores import Stores


def own_targets(
    config: GatewayConfig,
    around: Surroundings,
    edge: Edge,
    stores: Stores,
    upstream_states: Callable[[], Sequence[UpstreamState]],
    pipelines: Pipelines,
) -> dict[MethodInfo, Target]:
    """Return what is answered here, by method.

    Args:
        config: says what is served.
        around: clock and events.
        edge: counts.
        stores: that are asked.
        upstream_states: returns the state of each upstream.
        pipelines: of what is served.
    """
    kept = pipelines.kept if pipelines.has_operations else None
    found: dict[MethodInfo, Target] = {}
    if config.admin.enabled:
        found[MethodInfo(admin.SERVICE, "ListUpstreams")] = LocalUnary(
            admin.LIST_REQUEST, partial(admin.list_upstreams, upstream_states)
        )
        found[MethodInfo(admin.SERVICE, "PurgeCache")] = LocalUnary(
            PURGE_REQUEST, partial(purge_cache, stores.answers)
        )
        found[MethodInfo(admin.SERVICE, "ListUnknownCalls")] = LocalUnary(
            unknown_calls.LIST_REQUEST, partial(list_unknown_calls, stores.records)
        )
        found[MethodInfo(admin.SERVICE, "ResolveUnknownCall")] = LocalUnary(
            unknown_calls.RESOLVE_REQUEST,
            partial(resolve_unknown_call, stores.records, pipelines.answers),
        )
    if config.rate_limit_service.enabled:
        domains = {
            name: Domain(limits, around.credential_metadata)
            for name, limits in described_limits(config).items()
        }
        found[MethodInfo(rate_limit_service.SERVICE, "ShouldRateLimit")] = RateLimitTarget(
            domains, edge.limits, around.events
        )
    caller = caller_of_call(around.credential_metadata)
    messages = OperationMessages({}) if kept is None else kept.messages
    service = OperationsService(
        stores.operations,
        caller,
        messages,
        around.clock,
        around.events,
        lambda: kept.wake() if kept else None,
    )
    if config.admin.enabled:
        found[MethodInfo(admin.SERVICE, "ListOperations")] = LocalCall(
            operations_pb2.ListOperationsRequest, service.list_all
        )
        found[MethodInfo(admin.SERVICE, "RetryOperation")] = LocalCall(
            admin_pb2.RetryOperationRequest, service.retry
        )
    if kept is not None:
        around.ending_streams.append(service.end)
        for name, (request, answer) in service.methods().items():
            found[MethodInfo(OPERATIONS, name)] = LocalCall(request, answer)
    return found
