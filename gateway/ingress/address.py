"""HOST:PORT as operators write it, and whether it can be listened on."""

import errno
import socket
from dataclasses import dataclass

from gateway.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Address:
    """A host (name, IPv4, or IPv6 without brackets) and a port; 0 picks a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_address(text: str, flag: str) -> Address:
    """Parse "HOST:PORT", "[IPv6]:PORT" or ":PORT" (every interface).

    Raises:
        ConfigError: it is none of these; `flag` says where it was written.
    """
    host, colon, port = text.strip().rpartition(":")
    if len(host) > 2 and host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ConfigError.one(flag, f"{text!r}: write an IPv6 address as [ADDRESS]:PORT")
    if (
        not colon
        or not (port.isascii() and port.isdigit())
        or int(port) > 65535
        or any(c in host for c in "*[]/ ")
    ):
        raise ConfigError.one(flag, f"{text!r} is not HOST:PORT, such as 127.0.0.1:50051")
    return Address(host or "0.0.0.0", int(port))


def resolve_free(address: Address, flag: str) -> Address:
    """Return `address`, once it is sure that it can be listened on, as grpc understands it.

    Short numbers ("127.1") are written out; a name stays, because it may have several
    addresses.

    grpc says no more of a failed bind than that it failed; this says why.

    Raises:
        ConfigError: it is in use, not of this machine, or not allowed.
    """
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError):
        raise ConfigError.one(flag, f"{address}: the host does not resolve") from None
    family, kind, protocol, _, place = found[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(place)
            probe.listen(1)
        except OSError as error:
            raise ConfigError.one(flag, f"{address}: {_why(error)}") from None
    is_name = ":" in address.host or any(c.isalpha() for c in address.host)
    return address if is_name else Address(str(place[0]), address.port)


def reserve(address: Address, flag: str) -> socket.socket:
    """Take a port for this gateway alone, until the returned socket is closed (Linux).

    A port that several sockets of one process share can be joined by another process of
    the same user. Gateways do not: each holds a name in the abstract namespace of Unix
    sockets, which lives in the network namespace of the port.

    Raises:
        ConfigError: another gateway has it.
    """
    name = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        name.bind(f"\0seawall {address}")
    except OSError as error:
        name.close()
        raise ConfigError.one(flag, f"{address}: {_why(error)}") from None
    return name


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the port is in use; stop what listens there, or choose another (0 picks a free one)"
    if error.errno == errno.EADDRNOTAVAIL:
        return "is not an address of this machine"
    if error.errno == errno.EACCES:
        return "not allowed to listen there; ports below 1024 need a privilege"
    return (error.strerror or str(error)).lower()
