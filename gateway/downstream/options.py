"""What an upstream's HTTP client is told: a frozen record made from its policy."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it is made of these options
    from gateway.downstream.tls import UpstreamTls


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientOptions:
    """One upstream's connections.

    Args:
        name: of the upstream.
        url: base URL, http or https, without query or fragment.
        address: host and port to connect to instead of the URL's. The Host header, the
            scheme and the name that TLS checks stay the URL's.
        resolved_for_s: how long what the resolver said of a host is kept.
        max_connections: open at once.
        connect_timeout_s: to resolve and connect, TLS included.
        idle_timeout_s: how long an unused connection is kept.
        max_age_s: a connection this old is closed instead of used again.
        max_header_bytes: status line and headers of an answer.
        max_redirects: followed for one request; 0 follows none.
        ca_file: PEM of the authorities to trust; the system's if None.
        cert_file: PEM of the gateway's own certificate and its chain; None shows none.
        key_file: PEM of its key.
        server_name: that the upstream is asked for, and its certificate must have; the URL's
            host if None.
        oldest_tls: "1.2" or "1.3".
        tls: what new connections are secured by, of which the files are watched; made of
            these options, and of the files as they are, where there is none.
    """

    name: str
    url: str
    address: tuple[str, int] | None = None
    resolved_for_s: float = 10.0
    max_connections: int = 256
    connect_timeout_s: float = 2.0
    idle_timeout_s: float = 30.0
    max_age_s: float = 300.0
    max_header_bytes: int = 65536
    max_redirects: int = 0
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    server_name: str | None = None
    oldest_tls: str = "1.2"
    tls: "UpstreamTls | None" = field(default=None, repr=False, compare=False)
