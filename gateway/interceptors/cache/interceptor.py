"""Answers that are kept and given again: outside coalescing and retries, behind decode.

`freshness.py` says how long and for what; the store (state/answers.py) keeps. Here:

1. What is fresh is served. What may be served while it is asked for anew is served at once,
   and exactly one flight of this process asks.
2. Anything else is asked for, by one flight for all equal calls that come meanwhile: callers
   of one key wait for one call. They join only what began with the marks that the tags have
   now (a fetch that began before a write is never served after it).
3. Where something is kept for failures, whoever waits is given it when asking fails, and a
   moment before its own deadline where asking takes too long; the flight then goes on.
4. A kept answer with an etag or a date is asked for with it; 304 renews it.
5. Kept is what the method's own upstream answered: not what a fallback said, nor an answer
   that lacks a part. A failure is not kept but NOT_FOUND, where the method says so.
6. `seawall-cache` says in the trailing metadata: "fresh", from the upstream now; "cached";
   "stale". `age` says how many seconds ago the upstream gave it.
7. A flight asks with the credential of the call that began it: equal calls have the same, or
   the method says that its answer does not depend on it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from gateway.core.call import Call, CallNext
from gateway.core.clock import Clock, Rng
from gateway.core.deadline import Expired, Expiry
from gateway.core.errors import CallError
from gateway.core.events import CacheAnswered, CacheRefreshed, Events
from gateway.core.flight import Flight, FlightCall, Landing, deliver
from gateway.core.outcome import Outcome
from gateway.core.status import Code
from gateway.interceptors.cache.directives import directives
from gateway.interceptors.cache.freshness import CacheOptions, Life, Use, age_s, life_of, use_of
from gateway.state.answers import AnswerStore, Entry, Found, Marks

STATE: Final = "seawall-cache"
AGE: Final = "age"
_NOT_KEPT: Final = frozenset(("seawall-answered-by", "seawall-missing"))
"""Trailing metadata of answers that are not the method's own, or lack a part."""
_SERVED_INSTEAD: Final = frozenset(
    (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED, Code.INTERNAL)
)
"""Failures for which a stale answer is served (RFC 5861, 4)."""
_RESERVE_SHARE: Final = 0.05
_MAX_RESERVE_S: Final = 0.1


class _About(NamedTuple):
    """What a call asks for, and what the store has of it."""

    key: bytes
    tags: Sequence[str]
    found: Found

    @property
    def flight(self) -> tuple[bytes, Marks]:
        """Tells flights that may be joined."""
        return self.key, self.found.marks


class CacheInterceptor:
    """Once a call of one method.

    Args:
        options: of the method.
        store: keeps answers.
        key_of: tells equal calls, which are decoded.
        ttl_of: returns the ttl of a call's answer in seconds; 0 for one that is not kept.
        tags_of: returns the tags of a call's answer.
        clock: for ages and deadlines.
        rng: for jitter.
        events: are told what became of calls.
    """

    name = "cache"

    def __init__(
        self,
        options: CacheOptions,
        store: AnswerStore,
        key_of: Callable[[Call], bytes],
        ttl_of: Callable[[Call], float],
        tags_of: Callable[[Call], Sequence[str]],
        clock: Clock,
        rng: Rng,
        events: Events,
    ) -> None:
        self._options = options
        self._store = store
        self._key_of = key_of
        self._ttl_of = ttl_of
        self._tags_of = tags_of
        self._clock = clock
        self._rng = rng
        self._events = events
        self._fetches: dict[tuple[bytes, Marks], Flight] = {}

    @property
    def fetches(self) -> int:
        """Flights under way."""
        return len(self._fetches)

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Serve what is kept, or ask and keep."""
        key = self._key_of(call)
        tags = self._tags_of(call)
        found = await self._store.read(key, tags)
        entry, about = found.entry, _About(key, tags, found)
        if entry is None:
            return await self._ask(call, call_next, about)
        now = self._clock.wall()
        use = use_of(entry, now)
        if use is Use.SERVE:
            return await self._serve(call, entry, "cached", now)
        if use is Use.SERVE_AND_REFRESH:
            self._refresh(call, call_next, about)
            return await self._serve(call, entry, "stale", now)
        if use is Use.ON_ERROR:
            return await self._ask_or_serve(call, call_next, about, entry)
        return await self._ask(call, call_next, about)

    async def _serve(self, call: Call, entry: Entry, state: str, now: float) -> Outcome:
        age = age_s(entry, now)
        negative = entry.landing.outcome.error is not None
        self._events.emit(CacheAnswered(call, "negative" if negative else state, age))
        call.trailing_metadata += ((STATE, state), (AGE, str(age)))
        return await deliver(entry.landing, call)

    async def _ask(self, call: Call, call_next: CallNext, about: _About) -> Outcome:
        flight, mine = self._fetch(call, call_next, about)
        landing = await flight.join(call)
        if mine:
            call.attempts = landing.attempts
        return await self._give(call, landing)

    async def _ask_or_serve(
        self, call: Call, call_next: CallNext, about: _About, entry: Entry
    ) -> Outcome:
        """Ask, and serve what is kept where that fails or takes too long."""
        flight, mine = self._fetch(call, call_next, about)
        now = self._clock.now()
        reserve_s = min(_MAX_RESERVE_S, (call.deadline_at - now) * _RESERVE_SHARE)
        try:
            with Expiry(self._clock, call.deadline_at - reserve_s):
                landing = await flight.join(call)
        except Expired:
            return await self._serve(call, entry, "stale", self._clock.wall())
        if mine:
            call.attempts = landing.attempts
        error = landing.outcome.error
        if error is not None and error.code in _SERVED_INSTEAD:
            return await self._serve(call, entry, "stale", self._clock.wall())
        return await self._give(call, landing)

    async def _give(self, call: Call, landing: Landing) -> Outcome:
        ok = landing.outcome.error is None
        self._events.emit(CacheAnswered(call, "fresh" if ok else "missed", 0))
        if ok:
            call.trailing_metadata += ((STATE, "fresh"), (AGE, "0"))
        return await deliver(landing, call)

    def _refresh(self, call: Call, call_next: CallNext, about: _About) -> None:
        """Begin to ask anew, unless somebody has."""
        if about.flight in self._fetches:
            return
        method = call.method

        async def refresh(flight: Call) -> Outcome:
            outcome = await call_next(flight)
            self._events.emit(CacheRefreshed(method, outcome))
            return outcome

        self._fetch(call, refresh, about)

    def _fetch(self, call: Call, call_next: CallNext, about: _About) -> tuple[Flight, bool]:
        """Return the flight that asks, and whether it was begun here."""
        at = about.flight
        flight = self._fetches.get(at)
        if flight is not None:
            return flight, False
        entry = about.found.entry

        async def fetch(flight_call: Call) -> Outcome:
            assert isinstance(flight_call, FlightCall)
            if entry is not None:
                flight_call.added_headers = _conditions(entry)
            outcome = await call_next(flight_call)
            return await self._keep(flight_call, outcome, about)

        def ended(_flight: Flight) -> None:
            self._fetches.pop(at, None)

        # What is kept already can be asked for anew whether or not anybody waits.
        kept = entry is not None
        timeout_s = self._options.refresh_timeout_s
        flight = self._fetches[at] = Flight(
            fetch,
            call,
            self._clock,
            completes_by=self._clock.now() + timeout_s if kept else None,
            runs_on=lambda _call: kept,
            ended=ended,
        )
        return flight, True

    async def _keep(self, call: FlightCall, outcome: Outcome, about: _About) -> Outcome:
        """Keep what may be kept of a fetch; return what it ended with."""
        entry, now = about.found.entry, self._clock.wall()
        headers: Mapping[str, str] = call.answer_headers or {}
        if call.not_modified and entry is not None:
            call.answer = entry.landing.answer
            call.trailing_metadata[:0] = entry.landing.trailing
            headers = {**_names(entry), **headers}
        elif any(name in _NOT_KEPT for name, _ in call.trailing_metadata):
            return outcome
        landing = Landing(outcome, call.answer, tuple(call.trailing_metadata))
        life, age = self._life(call, outcome.error, headers)
        if life is None or len(landing.answer) > self._options.max_answer_bytes:
            if entry is not None and _is_known(outcome.error):
                await self._store.forget(about.key)
            return outcome
        kept = Entry(
            landing,
            now - age,
            life.fresh_s + age,
            life.revalidate_s,
            life.error_s,
            life.ask_s,
            headers.get("etag", ""),
            headers.get("last-modified", ""),
            about.found.marks,
        )
        await self._store.write(about.key, about.tags, kept)
        return outcome

    def _life(
        self, call: Call, error: CallError | None, headers: Mapping[str, str]
    ) -> tuple[Life | None, float]:
        """Return how long an answer is kept, and how old it was on arrival."""
        options = self._options
        said = directives(headers, shared=options.shared)
        if error is not None:
            negative = error.code is Code.NOT_FOUND and not said.no_store
            ttl_s = options.negative_ttl_s if negative else 0.0
            return (Life(ttl_s) if ttl_s > 0 else None), 0.0
        ttl_s = self._ttl_of(call)
        if ttl_s <= 0:
            return None, 0.0
        can_ask = options.respect_headers and bool(
            headers.get("etag") or headers.get("last-modified")
        )
        life = life_of(options, ttl_s, said, self._rng, can_ask=can_ask)
        return life, said.age_s if options.respect_headers else 0.0


def _is_known(error: CallError | None) -> bool:
    """Whether what is kept is known to be old: there is another answer now, or none at all."""
    return error is None or error.code is Code.NOT_FOUND


def _conditions(entry: Entry) -> dict[str, str] | None:
    """Return the headers that ask for `entry` only if it has changed, None for none."""
    if entry.etag:
        return {"if-none-match": entry.etag}
    if entry.last_modified:
        return {"if-modified-since": entry.last_modified}
    return None


def _names(entry: Entry) -> dict[str, str]:
    names = {"etag": entry.etag, "last-modified": entry.last_modified}
    return {name: value for name, value in names.items() if value}
