"""Where a call comes from, for what counts by address.

Rules:
1. An address is what one customer has: an IPv4 address, or the /64 of an IPv6 address
   ("2001:db8:1:2::/64"), because whoever has one address of it has them all (RFC 6177).
   An IPv4 address inside IPv6 (::ffff:1.2.3.4) is the IPv4 address.
2. A connection without an IP address is known by its kind alone: "unix". What gRPC tells in
   a way nobody knows is "unknown"; so nothing is counted by what a caller could vary.
3. Behind N trusted proxies the address is the N-th of x-forwarded-for from its end: each
   proxy adds the address that it saw, and what stands further left anybody can write.
   Several headers are read as one, in their order. Where there are fewer addresses, or the
   N-th is none, it is the connection's.
"""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import unquote

from gateway.core.call import Call

_FORWARDED = "x-forwarded-for"
_KNOWN = 4096
"""Connections and addresses whose form is remembered."""
_MAX_LENGTH = 64
"""No longer text is an address: 45 characters, brackets and a port."""
_PREFIX = 64


@lru_cache(maxsize=_KNOWN)
def address_of(peer: str) -> IPv4Address | IPv6Address | None:
    """Return the IP address of a connection, None where it has none.

    Args:
        peer: in gRPC's notation: "ipv4:10.1.2.3:5000", "ipv6:%5B::1%5D:5000", "unix:…".
    """
    kind, _, rest = peer.partition(":")
    if kind not in ("ipv4", "ipv6") or len(rest) > _MAX_LENGTH * 3:
        return None
    return _parsed(unquote(rest).rpartition(":")[0].removeprefix("[").removesuffix("]"))


@lru_cache(maxsize=_KNOWN)
def host_of(peer: str) -> str:
    """Return what calls of a connection are counted by.

    Args:
        peer: in gRPC's notation.
    """
    address = address_of(peer)
    if address is not None:
        return _counted(address)
    kind, separator, _ = peer.partition(":")
    return kind if separator and kind in ("unix", "unix-abstract", "vsock") else "unknown"


class PeerAddress:
    """Returns what a call is counted by where it is counted by its peer.

    Args:
        trusted_hops: proxies in front of the gateway whose word on the address before them
            is believed; 0 reads no header.
        of_listeners: the same for calls that came in by a listener of this address.
    """

    def __init__(
        self, trusted_hops: int = 0, of_listeners: Mapping[str, int] | None = None
    ) -> None:
        self._hops = trusted_hops
        self._of_listeners = dict(of_listeners or {})

    def __call__(self, call: Call) -> str:
        """Return the address, as rule 1 writes it."""
        hops = self._hops
        if self._of_listeners:
            hops = self._of_listeners.get(call.listener, hops)
        return (_forwarded(call, hops) if hops else "") or host_of(call.peer)


def _forwarded(call: Call, hops: int) -> str:
    for name, value in reversed(call.metadata):
        if name != _FORWARDED or not isinstance(value, str):
            continue
        found = value.rsplit(",", hops)
        # Without as many commas the first part is an address itself, else the rest.
        if len(found) > hops:
            return _host(found[1].strip())
        if len(found) == hops:
            return _host(found[0].strip())
        hops -= len(found)
    return ""


def _host(text: str) -> str:
    """Return what an entry of x-forwarded-for is counted by, "" where it is no address."""
    return _known_host(text) if len(text) <= _MAX_LENGTH else ""


@lru_cache(maxsize=_KNOWN)
def _known_host(text: str) -> str:
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    address = _parsed(text)
    return "" if address is None else _counted(address)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _counted(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    shift = address.max_prefixlen - _PREFIX
    return str(IPv6Network((int(address) >> shift << shift, _PREFIX)))
