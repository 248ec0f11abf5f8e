"""Which addresses an upstream has: as declared, or as the resolver says.

Rules:
1. LOGICAL: every declared place is an endpoint. ADDRESSES: an address is, and so is every
   address of a name.
2. A name whose addresses are not known yet is an endpoint itself, so that calls that come
   first wait for the resolver and are told what it says.
3. Names are asked for again every `refresh_interval_s`, drawn around it by a tenth; as
   long as nothing is known of one, every second. A look-up that fails, finds nothing or
   takes longer than five seconds changes nothing. One that was given up still runs, so
   that no other is begun for its name; what it says late is taken then.
4. There are at most 256 endpoints; what is behind them in the order of declaration, then
   of addresses, is left out.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.core.clock import Clock, Rng
from gateway.core.deadline import Expired, Expiry
from gateway.downstream.endpoints.options import Discovery
from gateway.downstream.resolve import Resolve, numeric

MAX_ENDPOINTS = 256
_JITTER = 0.1
_UNKNOWN_INTERVAL_S = 1.0
_LOOK_UP_TIMEOUT_S = 5.0

Place = tuple[str, int]
"""A host, without brackets, and a port."""


def shown(place: Place) -> str:
    """Return "HOST:PORT" or "[IPv6]:PORT"."""
    host, port = place
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def jittered(interval_s: float, rng: Rng) -> float:
    """Return an interval up to a tenth shorter or longer."""
    return interval_s * (1 + _JITTER * (2 * rng.random() - 1))


def places_of(declared: Sequence[Place], known: Mapping[Place, Sequence[Place]]) -> list[Place]:
    """Return the endpoints that there are, each once.

    Args:
        declared: in their order.
        known: the addresses of those that are names, as far as they are known.
    """
    places: dict[Place, None] = {}
    for place in declared:
        places.update(dict.fromkeys(known.get(place) or [place]))
    return list(places)


def addresses_of(found: Sequence[Any], port: int) -> list[Place]:
    """Return what getaddrinfo found, sorted, each address once.

    Names lead to addresses in another order every time; sorted, nothing has changed.
    """
    hosts = set()
    for _, _, _, _, place in found:
        scope = place[3] if len(place) > 3 else 0
        host = str(place[0])
        hosts.add(f"{host}%{scope}" if scope and "%" not in host else host)
    return [(host, port) for host in sorted(hosts)]


class Directory:
    """The places of one upstream, and what the resolver said of them.

    Args:
        declared: host and port each.
        mode: whether names are looked up here.
        refresh_interval_s: between two look-ups of a name.
        resolve: looks up.
        clock: for intervals and the time limit.
        rng: for jitter.
        changed: called when `places` are others than before.
    """

    def __init__(
        self,
        declared: Sequence[Place],
        mode: Discovery,
        refresh_interval_s: float,
        *,
        resolve: Resolve,
        clock: Clock,
        rng: Rng,
        changed: Callable[[], None],
    ) -> None:
        self._declared = list(dict.fromkeys(declared))
        self._interval_s = refresh_interval_s
        self._resolve = resolve
        self._clock = clock
        self._rng = rng
        self._changed = changed
        self._known: dict[Place, list[Place]] = {}
        self._asked: dict[Place, asyncio.Task[list[Place]]] = {}
        self.names = [
            place for place in self._declared if mode is Discovery.ADDRESSES and not numeric(*place)
        ]
        """What is looked up."""

    @property
    def places(self) -> list[Place]:
        """All of them, also beyond `MAX_ENDPOINTS`."""
        return places_of(self._declared, self._known)

    async def watch(self, name: Place) -> None:
        """Look `name` up over and over."""
        while True:
            addresses = await self._look_up(name)
            if addresses and addresses != self._known.get(name):
                self._known[name] = addresses
                self._changed()
            interval_s = self._interval_s
            if name not in self._known:
                interval_s = min(interval_s, _UNKNOWN_INTERVAL_S)
            await self._clock.sleep(jittered(interval_s, self._rng))

    async def _look_up(self, name: Place) -> list[Place]:
        asked = self._asked.get(name)
        if asked is None:
            asked = asyncio.get_running_loop().create_task(self._ask(name))
            self._asked[name] = asked
        try:
            with Expiry(self._clock, self._clock.now() + _LOOK_UP_TIMEOUT_S):
                await asyncio.shield(asked)
        except Expired:
            return []
        except asyncio.CancelledError:
            asked.cancel()
            raise
        del self._asked[name]
        return asked.result()

    async def _ask(self, name: Place) -> list[Place]:
        host, port = name
        try:
            return addresses_of(await self._resolve(host, port), port)
        except (OSError, UnicodeError):
            return []
