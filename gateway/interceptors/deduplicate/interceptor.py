"""Calls that must not happen twice: outside of cache, retries and everything that sends.

A key is claimed in a durable store before anything is sent, and its record says afterwards what
happened (state/records.py has its states, `ending.py` what an end says). Here:

1. Equal calls of one process share a flight, and one claim. Across processes, whoever finds the
   key claimed waits for the record, or is told to come back: `in_flight`.
2. A call that finds an answer gets it, with `idempotency-replayed: true` behind it; nothing is
   sent. Another request with the same key is refused.
3. Once an attempt was begun the call is nobody's any more: a caller that leaves leaves it alone,
   and its end is recorded; it has `max_completion_s` for that. Before, the last caller out ends
   it, and its claim is taken back.
4. While a call runs its lease is renewed. A process that dies leaves a claim whose lease runs
   out: then nobody knows what happened, and the record says so.
5. UNKNOWN ends by `on_unknown`: HOLD refuses; RESEND sends again with the same key, which the
   upstream honours (a call without a key is held); LOOKUP asks what became of it, and sends
   only what had no effect.
6. Without the store nothing is sent: the call fails. An end that cannot be recorded is tried
   again for a while; the caller gets its answer, and the record becomes UNKNOWN without it.
7. Equal calls without a key are one for `window_s`: the same, with a key made of the request
   and a record that is kept so long. After a failure that left nothing behind the window is
   over.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

from gateway.core.call import Call, CallNext
from gateway.core.clock import Clock, Rng
from gateway.core.deadline import Expired, Expiry
from gateway.core.errors import CallError
from gateway.core.events import CallDeduplicated, CallRefused, Events, RecordUnknown
from gateway.core.flight import Flight, FlightCall, Landing, deliver
from gateway.core.outcome import Outcome, failed
from gateway.core.stored import UnreadableError, pack, unpack
from gateway.interceptors.deduplicate.claims import Claims
from gateway.interceptors.deduplicate.ending import Ending, ending_of
from gateway.interceptors.deduplicate.errors import (
    duplicate,
    in_progress,
    key_required,
    key_reused,
    outcome_unknown,
    store_unavailable,
    unknown_name,
)
from gateway.interceptors.deduplicate.options import (
    CallKey,
    DeduplicationOptions,
    InFlight,
    KeyOf,
    Lookup,
    OnUnknown,
)
from gateway.state.records import Record, RecordStore, Standing, StoreUnavailable

_log = logging.getLogger(__name__)
REPLAYED: Final = ("idempotency-replayed", "true")
_LAST_S: Final = 5.0
"""For what is still to be recorded, at the end of the process."""
_FIRST_WAIT_S: Final = 0.010
_LONGEST_WAIT_S: Final = 0.250
_WAIT_GROWTH: Final = 1.5


class _Running(NamedTuple):
    """A flight of a key in this process, and what it was asked."""

    flight: Flight
    fingerprint: bytes


class _Known(Exception):
    """A flight that sends nothing ends with what is known already."""

    def __init__(self, landing: Landing) -> None:
        super().__init__()
        self.landing = landing


class DeduplicateInterceptor:
    """Once a call of one method.

    Args:
        options: of the method.
        store: keeps records.
        key_of: reads the key of a call.
        fingerprint_of: tells requests apart by what they say.
        place: where a key is expected, for the error.
        clock: for leases and waits.
        rng: spreads what waits.
        events: told of calls that were not made, and of records that became unknown.
        lookup: for LOOKUP.
    """

    name = "deduplicate"

    def __init__(
        self,
        options: DeduplicationOptions,
        store: RecordStore,
        key_of: KeyOf,
        fingerprint_of: Callable[[Call], bytes],
        place: str,
        clock: Clock,
        rng: Rng,
        events: Events,
        lookup: Lookup | None = None,
    ) -> None:
        self._options = options
        self._store = store
        self._key_of = key_of
        self._fingerprint_of = fingerprint_of
        self._place = place
        self._clock = clock
        self._rng = rng
        self._events = events
        self._lookup = lookup
        self._running: dict[bytes, _Running] = {}
        self._claims = Claims(store, clock, options.lease_s)

    @property
    def running(self) -> int:
        """Keys with a call under way in this process."""
        return len(self._running)

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Make the call, or give the answer of its equal."""
        try:
            key = self._key_of(call)
        except CallError as error:
            return self._refused(call, error)
        if key is None:
            if self._options.required:
                return self._refused(call, key_required(self._place))
            return await call_next(call)
        fingerprint = self._fingerprint_of(call)
        running = self._running.get(key.record)
        if running is None:
            flight = self._begin(call, call_next, key, fingerprint)
            landing = await self._joined(flight, call, key)
            call.attempts = landing.attempts
            return await self._given(call, landing)
        if running.fingerprint != fingerprint:
            return self._refused(call, key_reused())
        if self._aborts(key):
            return self._refused(call, in_progress(self._come_back_s()))
        landing = await self._joined(running.flight, call, key)
        if landing.outcome.error is None and REPLAYED not in landing.trailing:
            landing = landing._replace(trailing=(*landing.trailing, REPLAYED))
        return await self._given(call, landing)

    async def _joined(self, flight: Flight, call: Call, key: CallKey) -> Landing:
        try:
            return await flight.join(call)
        except asyncio.CancelledError:
            call.goes_on = flight.goes_on and (not key.derived or self._options.replay)
            raise

    async def end(self, until: float) -> None:
        """Let what runs come to its end; record how, also of what has none in time.

        Args:
            until: monotonic seconds; for the end of the process.
        """
        with suppress(Expired), Expiry(self._clock, until):
            while self._running:
                await asyncio.gather(*(one.flight.landed() for one in self._running.values()))
        cut = [running.flight for running in self._running.values()]
        for flight in cut:
            await flight.end()
        if cut:
            _log.warning(
                "the process ends, and with it %d calls of %s that nobody waited for any more; "
                "what they did is recorded as unknown",
                len(cut),
                cut[0].call.method.full_name,
            )
        # A store that is away holds up no end for long.
        now = self._clock.now()
        await self._claims.settled(max(now + 1.0, min(until, now + _LAST_S)))

    def _aborts(self, key: CallKey) -> bool:
        options = self._options
        said = options.window_in_flight if key.derived else options.in_flight
        return said is InFlight.ABORT

    def _come_back_s(self) -> float:
        return 1.0 + self._rng.random()

    def _refused(self, call: Call, error: CallError) -> Outcome:
        self._events.emit(CallRefused(call, self.name, error))
        return failed(error)

    async def _given(self, call: Call, landing: Landing) -> Outcome:
        if REPLAYED in landing.trailing:
            self._events.emit(CallDeduplicated(call))
        return await deliver(landing, call)

    def _begin(self, call: Call, call_next: CallNext, key: CallKey, fingerprint: bytes) -> Flight:
        async def fly(flight_call: Call) -> Outcome:
            assert isinstance(flight_call, FlightCall)
            try:
                token = await self._claim(flight_call, key, fingerprint)
            except _Known as known:
                flight_call.answer = known.landing.answer
                flight_call.trailing_metadata += known.landing.trailing
                return known.landing.outcome
            except StoreUnavailable as error:
                refusal = store_unavailable(error.why, error.retry_after_s)
                return self._refused(flight_call, refusal)
            return await self._make(flight_call, call_next, key, token)

        def ended(flight: Flight) -> None:
            running = self._running.get(key.record)
            if running is not None and running.flight is flight:
                del self._running[key.record]

        flight = Flight(
            fly,
            call,
            self._clock,
            completes_by=self._clock.now() + self._options.max_completion_s,
            runs_on=lambda flight_call: flight_call.attempts > 0,
            ended=ended,
        )
        self._running[key.record] = _Running(flight, fingerprint)
        return flight

    async def _claim(self, call: FlightCall, key: CallKey, fingerprint: bytes) -> int:
        """Return the token of a claim, once there is one.

        Raises:
            _Known: there is an answer already, or a reason not to send.
            StoreUnavailable: the store does not answer.
        """
        options = self._options
        retention_s = options.window_s if key.derived else options.retention_s
        wait_s = _FIRST_WAIT_S
        while True:
            record = await self._claims.claim(
                key.record, call.method.full_name, fingerprint, retention_s
            )
            match record.standing:
                case Standing.MINE if key.doubtful:
                    # As if that had been recorded: what becomes of it is decided as ever.
                    await self._claims.end(key.record, record.token, Ending.UNKNOWN, b"")
                    continue
                case Standing.MINE:
                    return record.token
                case Standing.DONE:
                    raise _Known(self._answer(call, record, key))
                case Standing.OTHER_REQUEST:
                    raise _Known(Landing(self._refused(call, key_reused())))
                case Standing.UNKNOWN:
                    token = await self._decide(call, key, record)
                    if token is not None:
                        return token
                case Standing.CLAIMED:
                    if self._aborts(key):
                        error = in_progress(min(record.left_s, self._come_back_s()))
                        raise _Known(Landing(self._refused(call, error)))
            claimed = True
            while claimed:
                await self._clock.sleep(wait_s * (0.75 + self._rng.random() / 2))
                wait_s = min(wait_s * _WAIT_GROWTH, _LONGEST_WAIT_S)
                claimed = await self._is_claimed(key)

    async def _is_claimed(self, key: CallKey) -> bool:
        record = await self._store.look(key.record)
        return record is not None and record.standing is Standing.CLAIMED and record.left_s > 0

    def _answer(self, call: Call, record: Record, key: CallKey) -> Landing:
        if key.derived and not self._options.replay:
            return Landing(self._refused(call, duplicate(record.left_s)))
        try:
            landing = unpack(record.answer)
        except UnreadableError:
            # Another version wrote it: the call was made, and its answer cannot be given.
            return Landing(failed(outcome_unknown(key)))
        return landing._replace(trailing=(*landing.trailing, REPLAYED))

    async def _decide(self, call: FlightCall, key: CallKey, record: Record) -> int | None:
        """Return the token of a call that may be sent again; None to look once more.

        Raises:
            _Known: it may not, or there is an answer now.
        """
        options = self._options
        # Without a key that it could know, the upstream knows nothing again.
        blind = options.on_unknown is OnUnknown.RESEND and not (options.header and key.header)
        if options.on_unknown is OnUnknown.HOLD or blind:
            raise _Known(Landing(self._refused(call, outcome_unknown(key))))
        token = await self._claims.reclaim(key.record, record.token)
        if token is None or options.on_unknown is OnUnknown.RESEND:
            return token
        assert self._lookup is not None
        beat = self._claims.keep(key.record, token)
        try:
            landing = await self._lookup(call, key)
        except BaseException as error:
            self._claims.end_beside(key.record, token, Ending.UNKNOWN)
            if not isinstance(error, CallError):
                raise
            refusal = outcome_unknown(key, error.retry_after_s)
            refusal.message += f" (asked what became of it: {error.message})"
            raise _Known(Landing(self._refused(call, refusal))) from None
        finally:
            beat.cancel()
        if landing is None:
            return token
        await self._claims.end(key.record, token, Ending.KEEP, pack(landing))
        raise _Known(landing._replace(trailing=(*landing.trailing, REPLAYED)))

    async def _make(
        self, call: FlightCall, call_next: CallNext, key: CallKey, token: int
    ) -> Outcome:
        """Make the call, and record its end."""
        if self._options.header and key.header:
            call.added_headers = {self._options.header: key.header}
            call.repeatable = self._options.on_unknown is OnUnknown.RESEND
        beat = self._claims.keep(key.record, token)
        try:
            outcome = await call_next(call)
        except BaseException:
            ending = Ending.UNKNOWN if call.attempts else Ending.FORGET
            self._tell(call, key, ending)
            self._claims.end_beside(key.record, token, ending)
            raise
        finally:
            beat.cancel()
        ending = ending_of(outcome, call.attempts)
        self._tell(call, key, ending)
        landing = Landing(outcome, call.answer, tuple(call.trailing_metadata))
        answer = pack(landing) if ending is Ending.KEEP else b""
        await self._claims.end(key.record, token, ending, answer)
        return outcome

    def _tell(self, call: Call, key: CallKey, ending: Ending) -> None:
        if ending is Ending.UNKNOWN:
            self._events.emit(RecordUnknown(call, unknown_name(key.record)))
