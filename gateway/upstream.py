"""One upstream as its methods share it: endpoints, breakers, limits, budget.

Made by `app.py`, handed to the chain of each of its methods, and asked for its state by
admin and metrics. The machines are made here and know nothing of each other; what
connects them is said in `Upstream.__init__`:

1. When the breaker lets its first probe through, or an endpoint can be connected to
   again after none could, the concurrency limit begins at one (slow start). Nothing
   else keeps an upstream that comes back at a fraction of its capacity alive. The limit
   itself sees to it that the one attempt does not hold the only place while it hangs
   (interceptors/concurrency/looks.py), and does the same where an upstream hangs and the
   breaker has yet to hear of a failure. A probe that hangs opens the breaker again, so
   that callers are refused at once and do not wait for that place.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from gateway.config.protection import DeclaredBreaker, UpstreamOptions
from gateway.core.call import Metadata
from gateway.core.clock import Clock, Rng
from gateway.core.endpoint import Endpoint
from gateway.core.events import Events
from gateway.core.http import HttpClient
from gateway.core.outcome import Outcome
from gateway.core.state import (
    BreakerState,
    ConcurrencyState,
    PacingState,
    UpstreamState,
)
from gateway.downstream import new_client
from gateway.downstream.credentials import UpstreamCredentials
from gateway.downstream.dial import new_tls
from gateway.downstream.endpoints import Discovery, EndpointOptions, EndpointSet
from gateway.downstream.tls import UpstreamTls
from gateway.interceptors.breaker import Breakers
from gateway.interceptors.concurrency import ConcurrencyLimiter
from gateway.interceptors.credentials import CredentialSource
from gateway.interceptors.endpoint import ExplainedEndpoints
from gateway.interceptors.pacing.pacer import Pacer
from gateway.interceptors.retry import RetryBudget


def is_plain(options: EndpointOptions) -> bool:
    """Tell whether there is one address, which nothing watches: nothing is to be chosen."""
    return (
        len(options.addresses) <= 1
        and options.mode is Discovery.LOGICAL
        and options.health is None
        and options.reachability is None
    )


class _Nowhere:
    """Endpoints of what is explained and never called."""

    last_failure = "nothing was connected"

    def choose(
        self, _tried: Sequence[Endpoint], _now: float, *, timed: bool = True
    ) -> Endpoint | None:
        return None

    def refusal_s(self, _now: float) -> float | None:
        return None

    def ended(
        self, _endpoint: Endpoint, _outcome: Outcome | None, _duration_s: float | None, _now: float
    ) -> None:
        pass


class _Nobody:
    """Credentials of what is explained and never called."""

    def at_hand(self, _metadata: Metadata) -> Mapping[str, str]:
        return {}

    async def obtain(self, _metadata: Metadata) -> Mapping[str, str]:
        return {}

    def rejected(self, headers: Mapping[str, str], metadata: Metadata) -> None:
        pass


class Upstream:
    """The machines of one upstream; None for each that is off.

    Args:
        name: of the upstream.
        options: of everything its methods share.
        clock: for all of them.
        rng: draws open times and endpoints.
        events: told of every change.
    """

    def __init__(
        self, name: str, options: UpstreamOptions, clock: Clock, rng: Rng, events: Events
    ) -> None:
        self.name = name
        self._options = options
        self._clock = clock
        self._rng = rng
        self._events = events
        self.budget = None if options.budget is None else RetryBudget(options.budget)
        self.limiter = None
        adaptive, bulkhead = options.adaptive, options.bulkhead
        if adaptive is not None or (bulkhead is not None and bulkhead.max_in_flight is not None):
            self.limiter = ConcurrencyLimiter(name, bulkhead, adaptive, clock)
        self.pacer = None if options.pacing is None else Pacer(options.pacing, name)
        self.breaker = None
        if options.breaker is not None:
            self.breaker = Breakers(
                options.breaker, name, name, clock, rng, events, on_half_open=self._begin_slowly
            )
        self._declared: dict[str, Breakers] = {}
        self._set: EndpointSet | None = None
        self.endpoints: ExplainedEndpoints = _Nowhere()
        self.client: HttpClient | None = None
        """Of the only endpoint there will ever be; None where each attempt has its own."""
        self.credential_source: CredentialSource | None = (
            _Nobody() if options.credentials.asks else None
        )
        """Asked before each attempt; None where nothing has to be."""
        self.credentials: UpstreamCredentials | None = None
        """Made by `connect`; `.own` is for what is sent on nobody's behalf."""
        self._tls: UpstreamTls | None = None

    def connect(self) -> None:
        """Make what has sockets. Must be called on the running event loop; never fails."""
        endpoints, clock = self._options.endpoints, self._clock
        self.credentials = credentials = UpstreamCredentials(
            self.name, self._options.credentials, clock, self._rng
        )
        self.credential_source = credentials.source
        self._tls = new_tls(endpoints.client)
        endpoints = replace(endpoints, client=replace(endpoints.client, tls=self._tls))
        if endpoints.health is not None:
            health = replace(endpoints.health, credential=credentials.own)
            endpoints = replace(endpoints, health=health)
        if is_plain(endpoints):
            address = endpoints.addresses[0] if endpoints.addresses else None
            client = replace(
                endpoints.client, address=address, resolved_for_s=endpoints.refresh_interval_s
            )
            self.client = new_client(client, clock, self._rng)
            return
        self.endpoints = self._set = EndpointSet(
            endpoints, clock, self._rng, self._events, on_reachable=self._begin_slowly
        )

    def start(self) -> None:
        """Begin to watch the endpoints, and files of certificates."""
        if self._tls is not None:
            self._tls.watch(self._clock, self._events)
        if self._set is not None:
            self._set.start()

    async def close(self) -> None:
        """Close every connection."""
        for owner in (self._set, self.client, self.credentials, self._tls):
            if owner is not None:
                await owner.close()

    def _begin_slowly(self) -> None:
        if self.limiter is not None:
            self.limiter.restart(self._clock.now())

    @property
    def chooses(self) -> bool:
        """Whether attempts choose between endpoints, or are kept from one."""
        return not is_plain(self._options.endpoints)

    def declared(self, breaker: DeclaredBreaker) -> Breakers:
        """Return the instance of a breaker that methods declare; made at its first use."""
        known = self._declared.get(breaker.name)
        if known is None:
            known = self._declared[breaker.name] = Breakers(
                breaker.options,
                self.name,
                breaker.name,
                self._clock,
                self._rng,
                self._events,
                key_of=breaker.key_of,
                key_name=breaker.key_name,
            )
        return known

    def state(self) -> UpstreamState:
        """Return how it stands now."""
        now = self._clock.now()
        limiter, pacer, endpoints = self.limiter, self.pacer, self._set
        if pacer is not None:
            pacer.refresh(now)
        rate = None if pacer is None else pacer.rate_per_s
        return UpstreamState(
            name=self.name,
            reachable=endpoints is None or endpoints.reachable,
            endpoints=() if endpoints is None else endpoints.states(),
            breakers=tuple(self._breaker_states(now)),
            concurrency=None
            if limiter is None
            else ConcurrencyState(
                limit=limiter.limit, in_flight=limiter.in_flight, queued=limiter.queued
            ),
            retry_budget=None if self.budget is None else self.budget.remaining(now),
            pacing=None
            if pacer is None or rate is None
            else PacingState(requests_per_s=rate, queued=pacer.queued, learned=pacer.learned),
        )

    def _breaker_states(self, now: float) -> Iterator[BreakerState]:
        for breakers in (self.breaker, *self._declared.values()):
            for circuit in () if breakers is None else breakers.circuits():
                assert breakers is not None
                seen = circuit.snapshot(now)
                yield BreakerState(
                    name=breakers.name,
                    key=circuit.name.removeprefix(breakers.name),
                    state=seen.state.value,
                    open_for_s=seen.open_remaining_s or 0.0,
                    calls=seen.calls,
                    failures=seen.failures,
                    consecutive_failures=seen.consecutive_failures,
                )
