"""What a caller says of its call: how important it is, and how often it was sent before.

Stands right inside `access`, so that everything further in may shed by importance. Rules:
1. A call is as critical as its method, unless `x-criticality` says otherwise. The names are
   those of `Criticality` in any case; any other value is not read.
2. Less is always believed. More is believed of a trusted peer only: nobody may push others
   aside by its own word. Of several values the least counts.
3. `grpc-previous-rpc-attempts` (gRFC A6) is how often the caller has sent this call before:
   decimal digits, capped; anything else is not read. Of several values the largest counts.
4. A peer is trusted where its address lies in a declared network. One without an address
   (a Unix socket) lies in none.
"""

from collections.abc import Callable, Sequence
from ipaddress import ip_network

from gateway.core.call import Call, Preparation
from gateway.core.criticality import Criticality
from gateway.core.outcome import Outcome
from gateway.core.peer import address_of

_CRITICALITY = "x-criticality"
_PREVIOUS_ATTEMPTS = "grpc-previous-rpc-attempts"
_NAMES = frozenset((_CRITICALITY, _PREVIOUS_ATTEMPTS))
_LEVELS = {level.name.lower(): level for level in Criticality}
_MAX_DIGITS = 9
_MAX_PREVIOUS_ATTEMPTS = 1000
_MAX_PEERS = 4096


class TrustedPeers:
    """Tells whether a peer lies in one of `networks`.

    Args:
        networks: CIDR notation ("10.0.0.0/8", "fd00::/8"), or single addresses.

    Raises:
        ValueError: one of them is no network; the text names it.
    """

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = tuple(map(ip_network, networks))
        self._known: dict[str, bool] = {}

    def __call__(self, peer: str) -> bool:
        """Return whether `peer`, in gRPC's notation ("ipv4:10.1.2.3:5000"), is trusted."""
        known = self._known.get(peer)
        if known is None:
            # Every connection has a port of its own, so this is once a connection.
            if len(self._known) >= _MAX_PEERS:
                self._known.clear()
            known = self._known[peer] = self._contains(peer)
        return known

    def _contains(self, peer: str) -> bool:
        address = address_of(peer)
        return address is not None and any(address in network for network in self._networks)


class ArrivalInterceptor(Preparation):
    """Reads both from the metadata; a call that says neither costs one look at each name.

    Args:
        criticality: the method's.
        trusted: whose word is believed on more than that; None believes nobody.
    """

    name = "arrival"

    def __init__(
        self, criticality: Criticality, trusted: Callable[[str], bool] | None = None
    ) -> None:
        self._criticality = criticality
        self._trusted = trusted

    def prepare(self, call: Call) -> Outcome | None:
        """Set the call's criticality and previous attempts; it always goes on."""
        call.criticality = self._criticality
        for name, _ in call.metadata:
            if name in _NAMES:
                self._read(call)
                break
        return None

    def _read(self, call: Call) -> None:
        level: Criticality | None = None
        for name, value in call.metadata:
            if not isinstance(value, str):
                continue
            if name == _CRITICALITY:
                given = _LEVELS.get(value.lower())
                if given is not None and (level is None or given < level):
                    level = given
            elif name == _PREVIOUS_ATTEMPTS:
                call.previous_attempts = max(call.previous_attempts, _count(value))
        if level is not None and (level <= self._criticality or self._believed(call.peer)):
            call.criticality = level

    def _believed(self, peer: str) -> bool:
        return self._trusted is not None and self._trusted(peer)


def _count(value: str) -> int:
    if len(value) > _MAX_DIGITS or not (value.isascii() and value.isdecimal()):
        return 0
    return min(int(value), _MAX_PREVIOUS_ATTEMPTS)
