"""One endpoint: its connections, its client, and what each machine knows of it."""

import asyncio
import dataclasses
import enum
from collections.abc import Callable

from gateway.core.clock import Clock, Rng
from gateway.core.errors import CallError
from gateway.core.http import HttpClient
from gateway.downstream.dial import Dialer, new_tls
from gateway.downstream.endpoints.balance import Load
from gateway.downstream.endpoints.discovery import Place, shown
from gateway.downstream.endpoints.health import Health
from gateway.downstream.endpoints.options import EndpointOptions
from gateway.downstream.endpoints.outliers import Record
from gateway.downstream.endpoints.reachability import Reachability
from gateway.downstream.http1 import Http1Client
from gateway.downstream.options import ClientOptions
from gateway.downstream.pool import Pool
from gateway.downstream.redirects import at_origin, following
from gateway.downstream.resolve import Resolve


class State(enum.StrEnum):
    """How an endpoint is; the worst that is true. The words of core.events.EndpointChanged."""

    HEALTHY = "healthy"
    EJECTED = "ejected"
    UNHEALTHY = "unhealthy"
    UNREACHABLE = "unreachable"
    REMOVED = "removed"


class Member(Load):
    """`core.endpoint.Endpoint`, and its place among the others.

    Args:
        address: HOST:PORT, for people.
        options: its connections; `address` is where they go.
        dialer: makes them.
        reachability: whether they come about.
        record: what is held against it; None where nobody is ejected.
        health: what it says itself; None where it is not asked.
        clock: for the client.
        rng: for the client.
        told: of connections to it that came about or failed, as `Pool` is.
    """

    __slots__ = (
        "address",
        "client",
        "connections",
        "health",
        "origin",
        "probe_at",
        "reachability",
        "record",
        "state",
        "watchers",
    )

    def __init__(
        self,
        address: str,
        options: ClientOptions,
        dialer: Dialer,
        *,
        reachability: Reachability,
        record: Record | None,
        health: Health | None,
        clock: Clock,
        rng: Rng,
        told: "Told",
    ) -> None:
        super().__init__(clock.now())
        self.address = address
        self.connections = Pool(
            options, clock, rng, dialer, lambda failure, began_at: told(self, failure, began_at)
        )
        self.origin = Http1Client(at_origin(options), clock, rng, self.connections)
        """For questions to the server itself, whatever path the upstream's URL has."""
        self.client: HttpClient = (
            following(options, lambda _: self.origin)
            if options.max_redirects
            else Http1Client(options, clock, rng, self.connections)
        )
        self.reachability = reachability
        self.record = record
        self.health = health
        self.state = State.HEALTHY
        self.probe_at = 0.0
        """When the next probe begins, in monotonic seconds, while it is unreachable."""
        self.watchers: list[asyncio.Task[None]] = []

    def look(self) -> State:
        """Return how it is, by what each machine says."""
        if self.state is State.REMOVED:
            return State.REMOVED
        if not self.reachability.reachable:
            return State.UNREACHABLE
        if self.health is not None and not self.health.well:
            return State.UNHEALTHY
        if self.record is not None and self.record.ejected_until is not None:
            return State.EJECTED
        return State.HEALTHY


Told = Callable[[Member, CallError | None, float], None]


class MemberMaker:
    """Makes the members of one upstream; they share what TLS is checked by.

    Args:
        options: how they are treated.
        clock: for their clients.
        rng: for their clients.
        resolve: knows the addresses of names.
        told: of connections to them that came about or failed, as `Pool` is.
    """

    def __init__(
        self, options: EndpointOptions, clock: Clock, rng: Rng, resolve: Resolve, told: Told
    ) -> None:
        self._options = options
        self._clock = clock
        self._rng = rng
        self._resolve = resolve
        self._told = told
        self._tls = new_tls(options.client)

    def new(self, place: Place, record: Record | None) -> Member:
        """Return the endpoint at `place`."""
        options, clock = self._options, self._clock
        reachability = options.reachability
        client = dataclasses.replace(
            options.client, address=place, resolved_for_s=options.refresh_interval_s
        )
        return Member(
            shown(place),
            client,
            Dialer(client, clock, tls=self._tls, resolve=self._resolve),
            reachability=Reachability(reachability.consecutive_failures if reachability else 0),
            record=record,
            health=Health(options.health) if options.health else None,
            clock=clock,
            rng=self._rng,
            told=self._told,
        )
