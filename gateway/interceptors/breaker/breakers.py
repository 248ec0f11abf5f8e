"""The circuits of one declared breaker: one for all calls, or one a key.

Rules:
1. A circuit of a key begins closed with the key's first call, and is forgotten when more than
   `max_keys` were used since.
2. What is not closed is forgotten last: an outage of many keys would otherwise push out its
   own memory. But one that was open and that nobody has used for a window and the longest
   open time goes before what is closed: it protects nothing any more, and `max_keys` of them
   would leave no room in which a circuit that is in use could count. Where nothing is closed,
   the one unused longest goes. What an operator forced goes last of all.
3. A circuit that was forgotten with attempts under way changes unheard when they end.
4. A key longer than 128 characters is kept as its beginning and a digest. What people are
   shown of a key, in events and as a circuit's name, is 40 characters at most, and only a
   digest where it may be a credential: where what it is read from is called so, or where it
   begins as an `authorization` does.
5. CircuitBreakerMonitor holds what is registered with it for as long as the process lasts,
   and has no way to give it up. So an unkeyed circuit is registered, as many as are declared,
   and one of a key never is.
"""

import re
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
_MAX_SHOWN = 40
_SHOWN_BEGINNING = 24
_SHOWN_DIGEST = 8
_CALM = (State.CLOSED, State.MONITOR_ONLY)
_CREDENTIAL_NAME = re.compile(
    r"auth|cookie|credential|key|passw|secret|session|signature|token", re.IGNORECASE
)
_CREDENTIAL = re.compile(r"(basic|bearer|digest|negotiate|token) ", re.IGNORECASE)


def _nothing() -> None:
    pass


def bounded_key(key: str) -> str:
    """Return `key`, or what stands for it where it is long."""
    if len(key) <= _MAX_KEY:
        return key
    return f"{key[:_BEGINNING]}…{_digest(key)}"


def shown_key(key: str, key_name: str = "") -> str:
    """Return what people are shown of a key.

    Args:
        key: the key.
        key_name: what it is read from, a metadata key or a field; "" where that is not known.
    """
    if key and (_CREDENTIAL_NAME.search(key_name) or _CREDENTIAL.match(key)):
        return f"…{_digest(key)[:_SHOWN_DIGEST]}"
    if len(key) <= _MAX_SHOWN:
        return key
    return f"{key[:_SHOWN_BEGINNING]}…{_digest(key)[:_SHOWN_DIGEST]}"


def _digest(key: str) -> str:
    return blake2b(key.encode(errors="surrogatepass"), digest_size=16).hexdigest()


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
        key_name: what `key_of` reads, to tell whether it may be a credential; "" if unknown.
        on_half_open: called when an unkeyed breaker begins to let probes through, so that
            what limits concurrency begins slowly.
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
        *,
        key_name: str = "",
    ) -> None:
        self.options = options
        self.upstream = upstream
        self.name = name
        self._clock = clock
        self._rng = rng
        self._events = events
        self._key_of = key_of
        self._key_name = key_name
        self._unused_s = options.window_s + options.max_open_time_s
        self._on_half_open = on_half_open or _nothing
        self._calm: OrderedDict[str, Circuit] = OrderedDict()
        self._tripped: OrderedDict[str, Circuit] = OrderedDict()
        self._forced: OrderedDict[str, Circuit] = OrderedDict()
        self._used_at: dict[str, float] = {}
        """When each of those that tripped was last used."""
        self._only: Circuit | None = None
        if key_of is None:
            self._only = Circuit(options, name, clock, rng, self._changed)
            CircuitBreakerMonitor.register(self._only)

    def of(self, call: Call) -> Circuit:
        """Return the circuit that watches `call`."""
        if self._only is not None:
            return self._only
        assert self._key_of is not None
        key = bounded_key(self._key_of(call))
        circuit = self._calm.get(key)
        if circuit is not None:
            self._calm.move_to_end(key)
            return circuit
        return self._of_no_calm(key) or self._begin(key)

    def circuits(self) -> Iterable[Circuit]:
        """Return every circuit there is, those that are not closed first."""
        if self._only is not None:
            return (self._only,)
        return (*self._forced.values(), *self._tripped.values(), *self._calm.values())

    def _of_no_calm(self, key: str) -> Circuit | None:
        circuit = self._tripped.get(key)
        if circuit is not None:
            self._tripped.move_to_end(key)
            self._used_at[key] = self._clock.now()
            return circuit
        circuit = self._forced.get(key)
        if circuit is not None:
            self._forced.move_to_end(key)
        return circuit

    def _held(self, state: State) -> OrderedDict[str, Circuit]:
        if state in _CALM:
            return self._calm
        return self._forced if state is State.FORCED_OPEN else self._tripped

    def _forget_one(self) -> None:
        oldest = next(iter(self._tripped), None)
        stale = oldest is not None and self._used_at[oldest] + self._unused_s <= self._clock.now()
        circuits = self._tripped if stale else self._calm or self._tripped or self._forced
        key, _ = circuits.popitem(last=False)
        self._used_at.pop(key, None)

    def _begin(self, key: str) -> Circuit:
        if len(self._calm) + len(self._tripped) + len(self._forced) >= self.options.max_keys:
            self._forget_one()

        def changed(before: State, after: State, why: str) -> None:
            self._key_changed(key, circuit, before, after, why)

        shown = shown_key(key, self._key_name)
        circuit = Circuit(self.options, f"{self.name}[{shown}]", self._clock, self._rng, changed)
        self._held(circuit.snapshot(self._clock.now()).state)[key] = circuit
        return circuit

    def _key_changed(
        self, key: str, circuit: Circuit, before: State, after: State, why: str
    ) -> None:
        held = self._held(before)
        if held.get(key) is not circuit:
            return
        del held[key]
        held = self._held(after)
        held[key] = circuit
        if held is self._tripped:
            self._used_at[key] = self._clock.now()
        else:
            self._used_at.pop(key, None)
        self._emit(before, after, f"{why} (key {shown_key(key, self._key_name)!r})")

    def _changed(self, before: State, after: State, why: str) -> None:
        self._emit(before, after, why)
        if after is State.HALF_OPEN:
            self._on_half_open()

    def _emit(self, before: State, after: State, why: str) -> None:
        event = BreakerChanged(self.upstream, self.name, before.value, after.value, why)
        self._events.emit(event)
