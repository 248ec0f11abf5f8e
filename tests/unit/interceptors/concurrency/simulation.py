"""An upstream and its callers in simulated time: what the limit does to them.

Callers come at random, whatever happens to those before them (open loop). The upstream has
so many servers and a queue in the order of arrival; it goes on with what its caller no
longer waits for. Everything is drawn from one seed, and nothing waits for real time.
"""

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.core.criticality import Criticality
from gateway.interceptors.concurrency.line import Refusal, Waiter
from gateway.interceptors.concurrency.options import AdaptiveOptions, BulkheadOptions
from gateway.interceptors.concurrency.places import Places, Verdict

DEFAULTS = AdaptiveOptions()
Draw = Callable[[random.Random], float]


def constant(mean_s: float) -> Draw:
    return lambda _rng: mean_s


def exponential(mean_s: float) -> Draw:
    return lambda rng: rng.expovariate(1 / mean_s)


def lognormal(mean_s: float, sigma: float = 1.0) -> Draw:
    return lambda rng: rng.lognormvariate(math.log(mean_s) - sigma * sigma / 2, sigma)


def spiky(draw: Draw, share: float, factor: float) -> Draw:
    return lambda rng: draw(rng) * (factor if rng.random() < share else 1)


@dataclass
class Ended:
    """One call, and how it ended: "served", "refused", "late" or "failed"."""

    came_at: float
    ended_at: float
    criticality: Criticality
    method: str
    how: str

    @property
    def latency_s(self) -> float:
        return self.ended_at - self.came_at


@dataclass
class Run:
    """What happened."""

    ended: list[Ended] = field(default_factory=list)
    limits: list[tuple[float, int]] = field(default_factory=list)
    present: list[tuple[float, int]] = field(default_factory=list)
    """How many the upstream had, served or queued, at each arrival there."""

    def count(
        self,
        how: str,
        since: float = 0.0,
        until: float = math.inf,
        criticality: Criticality | None = None,
    ) -> int:
        return len(self.of(how, since, until, criticality))

    def of(
        self,
        how: str,
        since: float = 0.0,
        until: float = math.inf,
        criticality: Criticality | None = None,
    ) -> list[Ended]:
        return [
            one
            for one in self.ended
            if one.how == how
            and since <= one.ended_at < until
            and criticality in (None, one.criticality)
        ]

    def share(self, how: str, since: float, until: float, criticality: Criticality) -> float:
        """Which share of the calls of one criticality ended so."""
        within = [
            one
            for one in self.ended
            if since <= one.ended_at < until and one.criticality is criticality
        ]
        return sum(one.how == how for one in within) / max(1, len(within))

    def latency_s(self, quantile: float, since: float = 0.0, until: float = math.inf) -> float:
        latencies = sorted(one.latency_s for one in self.of("served", since, until))
        return latencies[int(quantile * (len(latencies) - 1))]

    def most_present(self, since: float = 0.0, until: float = math.inf) -> int:
        return max((n for at, n in self.present if since <= at < until), default=0)

    def limits_between(self, since: float, until: float) -> list[int]:
        before = [limit for at, limit in self.limits if at <= since][-1:]
        return before + [limit for at, limit in self.limits if since < at < until]


class _Caller(Waiter):
    __slots__ = ("decided", "done", "method", "service_s", "simulation", "started_at")

    def decide(self, refusal: Refusal | None) -> None:
        self.decided = True
        self.simulation.decided(self, refusal)


class Simulation:
    """One upstream behind one limiter.

    Args:
        rate: callers a second; 0 for bursts alone.
        servers: how many it serves at once; None for as many as there are.
        methods: what they call, each equally often, and how long it takes.
        criticalities: of the callers, each equally often.
        deadline_s: how long a caller waits.
        error_share: which share is answered 503 at once.

    `rate`, `servers`, `slowness` (a factor of what comes next), `error_share` and `hangs`
    (attempts last until their deadline) may be changed while it runs, by `at`.
    """

    def __init__(
        self,
        rate: float,
        servers: int | None,
        methods: dict[str, Draw],
        *,
        seed: int = 1,
        bulkhead: BulkheadOptions | None = None,
        adaptive: AdaptiveOptions = DEFAULTS,
        criticalities: Sequence[Criticality] = (Criticality.CRITICAL,),
        deadline_s: float = 15.0,
        error_share: float = 0.0,
    ) -> None:
        self.rate = rate
        self.servers = servers
        self.slowness = 1.0
        self.error_share = error_share
        self.hangs = False
        self.now = 0.0
        self.places = Places(bulkhead, adaptive, 0.0)
        self._run = Run(limits=[(0.0, self.places.limit)])
        self._methods = methods
        self._names = list(methods)
        self._criticalities = criticalities
        self._deadline_s = deadline_s
        self._rng = random.Random(seed)
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()
        self._queue: deque[_Caller] = deque()
        self._busy = 0

    def at(self, when: float, act: Callable[[], object]) -> None:
        heapq.heappush(self._events, (when, next(self._order), act))

    def burst(self, when: float, callers: int) -> None:
        for _ in range(callers):
            self.at(when, self._arrive)

    def run(self, until: float) -> Run:
        if self.rate:
            self._next_arrival()
        while self._events and self._events[0][0] <= until:
            self.now, _, act = heapq.heappop(self._events)
            act()
            if self.places.limit != self._run.limits[-1][1]:
                self._run.limits.append((self.now, self.places.limit))
        return self._run

    def restart(self) -> None:
        self.places.restart(self.now)

    # Callers

    def _next_arrival(self) -> None:
        def arrive() -> None:
            self._next_arrival()
            self._arrive()

        self.at(self.now + self._rng.expovariate(self.rate), arrive)

    def _arrive(self) -> None:
        method = self._rng.choice(self._names)
        criticality = self._rng.choice(self._criticalities)
        caller = _Caller(
            self.places.times_of(method), criticality, self.now + self._deadline_s, self.now
        )
        caller.simulation = self
        caller.method = method
        caller.done = caller.decided = False
        caller.service_s = self._methods[method](self._rng) * self.slowness
        if self.places.try_acquire():
            caller.ticket = self.places.generation
            self._send(caller)
            return
        refusal = self.places.join(caller, self.now)
        if refusal is not None:
            self._end(caller, "refused")
            return
        self._set_timer(caller)

    def _set_timer(self, caller: _Caller) -> None:
        def wake() -> None:
            if not caller.decided:
                self.places.wake(caller, self.now)
                self._set_timer(caller)

        if not caller.decided:
            self.at(self.places.wakes_at(caller), wake)

    def decided(self, caller: _Caller, refusal: Refusal | None) -> None:
        if refusal is None:
            self._send(caller)
        else:
            self._end(caller, "refused")

    def _end(self, caller: _Caller, how: str) -> None:
        caller.done = True
        self._run.ended.append(
            Ended(caller.since, self.now, caller.criticality, caller.method, how)
        )

    def _release(self, caller: _Caller, verdict: Verdict, how: str) -> None:
        self._end(caller, how)
        self.places.release(
            caller.method, self.now - caller.started_at, verdict, self.now, caller.ticket
        )

    # The upstream

    def _send(self, caller: _Caller) -> None:
        caller.started_at = self.now
        self.at(caller.deadline_at, lambda: self._time_out(caller))
        if self.hangs:
            return
        if self._rng.random() < self.error_share:
            self.at(self.now + 0.001, lambda: self._release(caller, Verdict.OVERLOADED, "failed"))
            return
        if self.servers is None or self._busy < self.servers:
            self._serve(caller)
        else:
            self._queue.append(caller)
        self._run.present.append((self.now, self._busy + len(self._queue)))

    def _serve(self, caller: _Caller) -> None:
        self._busy += 1
        self.at(self.now + caller.service_s, lambda: self._answer(caller))

    def _answer(self, caller: _Caller) -> None:
        self._busy -= 1
        while self._queue and (self.servers is None or self._busy < self.servers):
            self._serve(self._queue.popleft())
        if not caller.done:
            self._release(caller, Verdict.OK, "served")

    def _time_out(self, caller: _Caller) -> None:
        if not caller.done:
            self._release(caller, Verdict.OVERLOADED, "late")
