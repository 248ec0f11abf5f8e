"""The endpoints of one upstream: which there are, how they are, where an attempt goes.

`endpoint_set.py` is `core.endpoint.Endpoints` and ties together what stands beside it:
`balance.py` (which of several), `outliers.py` (who fails more than the others),
`reachability.py` (who cannot be connected to) and `health.py` (who says that it is
unwell) are machines without clock and sockets; `watch.py` and `discovery.py` are what
waits and asks.
"""

from gateway.downstream.endpoints.endpoint_set import EndpointSet
from gateway.downstream.endpoints.options import (
    Balancing,
    Discovery,
    EndpointOptions,
    HealthOptions,
    OutlierOptions,
    ReachabilityOptions,
)

__all__ = [
    "Balancing",
    "Discovery",
    "EndpointOptions",
    "EndpointSet",
    "HealthOptions",
    "OutlierOptions",
    "ReachabilityOptions",
]
