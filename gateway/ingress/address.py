"""Whether an address can be listened on, and by this gateway alone."""

import errno
import socket

from gateway.config.address import Address as Address
from gateway.config.address import parse_address as parse_address
from gateway.core.errors import ConfigError


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
