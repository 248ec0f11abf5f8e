"""What the gateway answers itself beside health and reflection: part of the composition root."""

from collections.abc import Callable, Sequence
from functools import partial

from seawall.config.v1.config_pb2 import GatewayConfig

from gateway.admin import upstreams as admin
from gateway.admin.cache import PURGE_REQUEST, purge_cache
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
from gateway.stores import Stores


def own_targets(
    config: GatewayConfig,
    around: Surroundings,
    edge: Edge,
    stores: Stores,
    upstream_states: Callable[[], Sequence[UpstreamState]],
    operations: OperationMessages | None,
) -> dict[MethodInfo, Target]:
    """Return what is answered here, by method.

    Args:
        config: says what is served.
        around: clock and events.
        edge: counts.
        stores: that are asked.
        upstream_states: returns the state of each upstream.
        operations: makes what is told of operations, None where no method has any.
    """
    found: dict[MethodInfo, Target] = {}
    if config.admin.enabled:
        found[MethodInfo(admin.SERVICE, "ListUpstreams")] = LocalUnary(
            admin.LIST_REQUEST, partial(admin.list_upstreams, upstream_states)
        )
        found[MethodInfo(admin.SERVICE, "PurgeCache")] = LocalUnary(
            PURGE_REQUEST, partial(purge_cache, stores.answers)
        )
    if config.rate_limit_service.enabled:
        domains = {
            name: Domain(limits, around.credential_metadata)
            for name, limits in described_limits(config).items()
        }
        found[MethodInfo(rate_limit_service.SERVICE, "ShouldRateLimit")] = RateLimitTarget(
            domains, edge.limits, around.events
        )
    if operations is not None:
        caller = caller_of_call(around.credential_metadata)
        service = OperationsService(stores.operations, caller, operations, around.clock)
        around.ending_streams.append(service.end)
        for name, (request, answer) in service.methods().items():
            found[MethodInfo(OPERATIONS, name)] = LocalCall(request, answer)
    return found
