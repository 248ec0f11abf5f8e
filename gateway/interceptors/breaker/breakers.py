"""The circuits of one declared breaker: one for all calls, or one a key.

Rules:
1. A circuit of a key begins closed with the key's first call, and is forgotten when more than
   `max_keys` were used since.
2. What is not closed is forgotten last: an outage of many keys would otherwise push out its
   own memory. Only where nothing is closed does the one unused longest go.
3. A circuit that was forgotten with attempts under way changes unheard when they end.
4. A key longer than 128 characters is kept as its beginning and a digest.
5. CircuitBreakerMonitor holds what is registered with it for as long as the process lasts,
   and has no way to give it up. So an unkeyed circuit is registered, as many as are declared,
   and one of a key never is.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from hashlib import blake2b

from circuitbreaker import CircuitBreakerMonitor  # type: ignore[import-untyped]  # ships none

from gateway.core.call import Call
from gateway.core.clock import Clock, Rng
from gateway.core.events import BreakerChanged, Events
from gateway.interceptors.breaker.circuit import Circuit
from gateway.interceptors.breaker.options import BreakerOptions
from gateway.interceptors.breaker.states import State

_MAX_KEY = 128
_BEGINNING = 64
_CALM = (State.CLOSED, State.MONITOR_ONLY)


def _nothing() -> None:
    pass


def bounded_key(key: str) -> str:
    """Return `key`, or what stands for it where it is long."""
    if len(key) <= _MAX_KEY:
        return key
    digest = blake2b(key.encode(errors="surrogatepass"), digest_size=16).hexdigest()
    return f"{key[:_BEGINNING]}…{digest}"


class Breakers:
    """What adapters and the admin service ask for circuits.

    Args:
        options: as declared.
        upstream: whose calls it watches.
        name: of the breaker: its upstream, service or method.
        clock: measures.
        rng: draws open times.
        events: told each change of state, under the breaker's own name whatever the key.
        key_of: one circuit for each of its values; what is secret must not be one. None:
            one circuit for all.
        on_half_open: called when an unkeyed breaker begins to let probes through, so that
            what limits concurrency begins slowly; and again when a probe has kept its permit
            too long, so that one that hangs does not hold the only place there is.
    """

    def __init__(
        self,
        options: BreakerOptions,
        upstream: str,
        name: str,
        clock: Clock,
        rng: Rng,
        events: Events,
        key_of: Callable[[Call], str] | None = None,
        on_half_open: Callable[[], None] | None = None,
    ) -> None:
        self.options = options
        self.upstream = upstream
        self.name = name
        self._clock = clock
        self._rng = rng
        self._events = events
        self._key_of = key_of
        self._on_half_open = on_half_open or _nothing
        self._calm: OrderedDict[str, Circuit] = OrderedDict()
        self._other: OrderedDict[str, Circuit] = OrderedDict()
        self._only: Circuit | None = None
        if key_of is None:
            self._only = Circuit(
                options, name, clock, rng, self._changed, on_overdue=self._on_half_open
            )
            CircuitBreakerMonitor.register(self._only)

    def of(self, call: Call) -> Circuit:
        """Return the circuit that watches `call`."""
        if self._only is not None:
            return self._only
        assert self._key_of is not None
        key = bounded_key(self._key_of(call))
        for circuits in (self._calm, self._other):
            circuit = circuits.get(key)
            if circuit is not None:
                circuits.move_to_end(key)
                return circuit
        return self._begin(key)

    def circuits(self) -> Iterable[Circuit]:
        """Return every circuit there is, those that are not closed first."""
        if self._only is not None:
            return (self._only,)
        return (*self._other.values(), *self._calm.values())

    def _begin(self, key: str) -> Circuit:
        if len(self._calm) + len(self._other) >= self.options.max_keys:
            (self._calm or self._other).popitem(last=False)

        def changed(before: State, after: State, why: str) -> None:
            self._key_changed(key, circuit, before, after, why)

        circuit = Circuit(self.options, f"{self.name}[{key}]", self._clock, self._rng, changed)
        calm = circuit.snapshot(self._clock.now()).state in _CALM
        (self._calm if calm else self._other)[key] = circuit
        return circuit

    def _key_changed(
        self, key: str, circuit: Circuit, before: State, after: State, why: str
    ) -> None:
        held = self._calm if before in _CALM else self._other
        if held.get(key) is not circuit:
            return
        del held[key]
        (self._calm if after in _CALM else self._other)[key] = circuit
        self._emit(before, after, f"{why} (key {key!r})")

    def _changed(self, before: State, after: State, why: str) -> None:
        self._emit(before, after, why)
        if after is State.HALF_OPEN:
            self._on_half_open()

    def _emit(self, before: State, after: State, why: str) -> None:
        event = BreakerChanged(self.upstream, self.name, before.value, after.value, why)
        self._events.emit(event)
