"""What connections may take, from the configuration file: options and mistakes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.duration_pb2 import Duration
from seawall.config.v1.config_pb2 import Connections

from gateway.config.values import Mistake, seconds, walk

_BOUNDS = {
    "max_connections": (1, 1_000_000),
    "max_concurrent_streams": (1, 1_000_000),
    "max_metadata_bytes": (1024, 1024 * 1024),
}
_LEAST_S = 0.001
"""gRPC counts in milliseconds, and takes 0 for none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionOptions:
    """What connections may take; times in seconds.

    Args:
        max_connections: at once, on each listener.
        max_concurrent_streams: calls at once on one connection.
        max_metadata_bytes: of one call.
        min_ping_interval_s: clients that ping more often are sent away.
        keepalive_interval_s: silence after which a client is asked whether it is there.
        keepalive_timeout_s: for its answer.
        max_age_s: when a connection is asked to end, give or take a tenth; None for never.
        max_age_grace_s: for the calls on it; None for as long as they take.
        handshake_timeout_s: for TLS and the first words of HTTP/2. No setting.
    """

    max_connections: int = 10_000
    max_concurrent_streams: int = 1000
    max_metadata_bytes: int = 16 * 1024
    min_ping_interval_s: float = 10.0
    keepalive_interval_s: float = 60.0
    keepalive_timeout_s: float = 20.0
    max_age_s: float | None = None
    max_age_grace_s: float | None = None
    handshake_timeout_s: float = 10.0


def connection_options(said: Connections) -> ConnectionOptions:
    """Return the bounds, with what is built in where nothing is said."""
    given: dict[str, Any] = {}
    for field, value in said.ListFields():
        if isinstance(value, Duration):
            given[f"{field.name}_s"] = seconds(value)
        elif field.name in _BOUNDS:
            given[field.name] = value
    return ConnectionOptions(**given)


def connection_mistakes(said: Connections) -> Iterator[Mistake]:
    """Yield what is wrong with the bounds of connections."""
    yield from walk(said, "")
    for field, value in said.ListFields():
        if field.name in _BOUNDS:
            low, high = _BOUNDS[field.name]
            if not low <= value <= high:
                yield field.name, f"must be {low} to {high}, found {value}"
        elif isinstance(value, Duration) and 0 < seconds(value) < _LEAST_S:
            yield field.name, f"must be {_LEAST_S:g}s or more, found {seconds(value):g}s"
    if said.HasField("max_age_grace") and not said.HasField("max_age"):
        yield "max_age_grace", "says nothing without max_age"
