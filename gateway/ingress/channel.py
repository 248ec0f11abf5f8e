"""The arguments of grpc servers: how messages, connections and silence are bounded.

Where each is enforced: in gRPC's own threads, before a call costs the event loop anything.
Rules:
1. Every server on a port counts its own connections, so that each has its part of the bound:
   together they never have more. Connections are spread over servers by chance; where the
   bound is small, that chance would refuse too early, and one server has the port alone
   (`acceptors`).
2. Metadata has one bound, counted as HTTP/2 does, with 32 bytes more an entry (RFC 9113,
   6.5.2). gRPC has two, and refuses by chance between them.
3. Clients may ping while they have no call, as often as otherwise: what they keep alive is a
   connection. Two pings that come too soon are forgiven, the third ends the connection
   (GOAWAY, "too_many_pings"; gRFC A8).
4. A client that does not answer is gone when gRPC's own ping has had no answer: its timeout,
   a minute where nothing is said, is the one that ends the connection.
5. A client that keeps to the bound of calls is refused none. gRPC counts a call until its
   memory is given back, which is later than its end, and would refuse what a client begins
   then; as many as may be under way may also be ending. A client that begins calls and resets
   them at once (CVE-2023-44487) is bounded by the two together.
6. A connection is asked to end at its age give or take a tenth, which gRPC draws, so that
   clients do not come back all at once (gRFC A9).
"""

import socket
import sys
from collections.abc import Sequence

from gateway.config.connections import ConnectionOptions
from gateway.config.listeners import ListenerOptions

_SHARED = hasattr(socket, "SO_REUSEPORT") and sys.platform == "linux"
_ACCEPTORS = 4
"""Servers on a port; more than four gained nothing."""
_FEW = 400
"""Connections for which a part for each server is too coarse."""
_MAX_MS = 2**31 - 1


def acceptors(listener: ListenerOptions, connections: ConnectionOptions) -> int:
    """Return how many servers share the listener's port."""
    if not _SHARED or listener.own_only or connections.max_connections < _FEW:
        return 1
    return _ACCEPTORS


def channel_arguments(
    connections: ConnectionOptions, max_request_bytes: int, sharing: int
) -> Sequence[tuple[str, int]]:
    """Return the arguments of one server.

    Args:
        connections: what they may take.
        max_request_bytes: the largest message of any method.
        sharing: how many servers have the port.
    """
    arguments = [
        ("grpc.so_reuseport", int(sharing > 1)),
        # A method's own bound answers with details; the library's is there for what no
        # method would take, and must leave room for health and reflection.
        ("grpc.max_receive_message_length", 2 * max_request_bytes + 64 * 1024),
        # The answers' size is bounded by policy, as JSON; protobuf must not trip over its own.
        ("grpc.max_send_message_length", -1),
        ("grpc.max_allowed_incoming_connections", connections.max_connections // sharing),
        ("grpc.max_concurrent_streams", connections.max_concurrent_streams),
        ("grpc.http2.max_deallocating_streams", connections.max_concurrent_streams),
        ("grpc.max_metadata_size", connections.max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", connections.max_metadata_bytes),
        ("grpc.http2.min_ping_interval_without_data_ms", _ms(connections.min_ping_interval_s)),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", _ms(connections.keepalive_interval_s)),
        ("grpc.keepalive_timeout_ms", _ms(connections.keepalive_timeout_s)),
        ("grpc.http2.ping_timeout_ms", _ms(connections.keepalive_timeout_s)),
        ("grpc.server_handshake_timeout_ms", _ms(connections.handshake_timeout_s)),
    ]
    if connections.max_age_s is not None:
        arguments.append(("grpc.max_connection_age_ms", _ms(connections.max_age_s)))
    if connections.max_age_grace_s is not None:
        arguments.append(("grpc.max_connection_age_grace_ms", _ms(connections.max_age_grace_s)))
    return arguments


def _ms(seconds: float) -> int:
    return min(_MAX_MS, max(1, round(seconds * 1000)))
