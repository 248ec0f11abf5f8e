import sys

import pytest

from gateway.config.address import Address
from gateway.config.connections import ConnectionOptions
from gateway.config.listeners import ListenerOptions
from gateway.ingress.channel import acceptors, channel_arguments

LISTEN = Address("127.0.0.1", 0)
HEALTH = "grpc.health.v1.Health"


@pytest.mark.skipif(sys.platform != "linux", reason="ports are shared on Linux")
@pytest.mark.parametrize(
    ("services", "max_connections", "servers"),
    [
        (None, 10_000, 4),
        (None, 400, 4),
        (None, 399, 1),
        (frozenset({HEALTH}), 10_000, 1),
        (frozenset({HEALTH, "shop.v1.OrderService"}), 10_000, 4),
    ],
)
def test_servers_share_a_port_where_many_connections_bring_calls(
    services, max_connections, servers
):
    listener = ListenerOptions(listen=LISTEN, services=services)
    assert acceptors(listener, ConnectionOptions(max_connections=max_connections)) == servers


@pytest.mark.parametrize("sharing", [1, 3, 4])
def test_servers_on_a_port_never_have_more_connections_than_it_may(sharing):
    arguments = dict(channel_arguments(ConnectionOptions(max_connections=1001), 1, sharing))
    share = arguments["grpc.max_allowed_incoming_connections"]
    assert 1001 - sharing < share * sharing <= 1001
    assert arguments["grpc.so_reuseport"] == (sharing > 1)


def test_nothing_ends_of_age_unless_that_is_said():
    arguments = dict(channel_arguments(ConnectionOptions(), 1, 1))
    assert "grpc.max_connection_age_ms" not in arguments
    assert "grpc.max_connection_age_grace_ms" not in arguments


def test_times_travel_in_whole_milliseconds_that_grpc_can_count():
    options = ConnectionOptions(max_age_s=1e9, max_age_grace_s=0.0001, keepalive_timeout_s=1.5)
    arguments = dict(channel_arguments(options, 1, 1))
    assert arguments["grpc.max_connection_age_ms"] == 2**31 - 1
    assert arguments["grpc.max_connection_age_grace_ms"] == 1
    assert arguments["grpc.keepalive_timeout_ms"] == arguments["grpc.http2.ping_timeout_ms"] == 1500
