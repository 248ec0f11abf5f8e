"""A server stream of what a unary method answers, asked again and again.

Rules:
1. Equal questions are one poll, however many watch: it begins with the first watcher, asks at once
   and then every `interval`, a tenth more or less at random, and ends with the last one.
2. A question enters the other method behind that one's decode: at its cache, retries and breaker.
   It has the time of an interval, five seconds at least, and the credential of who began the
   poll; watchers with another credential have a poll of their own, unless the other method's
   answers are shared.
3. Whoever comes later gets the latest answer at once. With `on_change` nobody is sent what they
   were sent last. A watcher that is slower than the answers gets the latest when it can take one,
   and not those between: nobody is held up, and nothing piles up.
4. A failure that no other question would mend (the request's, the caller's) ends the streams of the
   poll; so do `max_failures` in a row. Others are passed over; one answer makes them forgotten.
   What raises is a fault of the gateway, and raised to every watcher.
5. At most `max_polls` different questions are asked at one time; one more is RESOURCE_EXHAUSTED. A
   poll that has ended counts no more, though a slow watcher has yet to hear of it.
6. At the end of the process streams end with UNAVAILABLE: they would hold up its drain.
"""

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

from gateway.compose.mapping import MessageMapping
from gateway.compose.part import Entry, EntryOf
from gateway.core.call import Call
from gateway.core.clock import Clock, Rng
from gateway.core.deadline import Expired, Expiry
from gateway.core.errors import CallError, Reason, Sent, refused
from gateway.core.events import CallRefused, Events
from gateway.core.flight import FlightCall
from gateway.core.outcome import Outcome, failed
from gateway.core.status import Code

_LEAST_TIMEOUT_S: Final = 5.0
_SPREAD: Final = 0.1
_FINAL: Final = frozenset(
    (
        Code.INVALID_ARGUMENT,
        Code.NOT_FOUND,
        Code.PERMISSION_DENIED,
        Code.UNAUTHENTICATED,
        Code.FAILED_PRECONDITION,
        Code.OUT_OF_RANGE,
        Code.UNIMPLEMENTED,
    )
)


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchOptions:
    """See seawall.policy.v1.PollingPolicy.

    Args:
        method: full name of the method that is asked.
        request: makes its request of the watcher's.
        response: makes an answer of its.
        interval_s: between questions.
        on_change: only answers that differ are sent.
        max_failures: in a row.
        max_polls: different questions at one time.
    """

    method: str
    request: MessageMapping
    response: MessageMapping
    interval_s: float = 10.0
    on_change: bool = True
    max_failures: int = 5
    max_polls: int = 1000


class _Poll:
    """One question that is asked again and again."""

    def __init__(self, first: Call, key: Hashable, watch: "WatchTarget") -> None:
        self._first = first
        self._watch = watch
        self.key = key
        self.latest = b""
        self.version = 0
        self.error: Exception | None = None
        self.watchers: set[asyncio.Event] = set()
        self.task = asyncio.get_running_loop().create_task(
            self._run(), name=f"poll {watch.options.method}"
        )

    async def _run(self) -> None:
        try:
            await self._ask()
        except Exception as fault:
            self.end(fault)

    async def _ask(self) -> None:
        watch = self._watch
        failures = 0
        while True:
            outcome, answer = await watch.ask(self._first)
            error = outcome.error
            if error is None:
                failures = 0
                if answer != self.latest or not self.version or not watch.options.on_change:
                    self.latest, self.version = answer, self.version + 1
                    self.wake()
            else:
                failures += 1
                if error.code in _FINAL or failures >= watch.options.max_failures:
                    self.end(error)
                    return
            await watch.pause()

    def end(self, error: Exception) -> None:
        """End every stream."""
        self.error = error
        self._watch.forget(self)
        self.wake()

    def wake(self) -> None:
        """Let every watcher look."""
        for woken in self.watchers:
            woken.set()


class WatchTarget:
    """Answers a server stream.

    Args:
        options: of the method.
        entry_of: returns the entry of the method that is asked; at the first question.
        key_of: tells questions apart that may not share their answers.
        clock: for intervals.
        rng: spreads them.
        events: told of what is refused.
    """

    def __init__(
        self,
        options: WatchOptions,
        entry_of: EntryOf,
        key_of: Callable[[Call], Hashable],
        clock: Clock,
        rng: Rng,
        events: Events,
    ) -> None:
        self.options = options
        self._entry_of = entry_of
        self._entry: Entry | None = None
        self._key_of = key_of
        self._clock = clock
        self._rng = rng
        self._events = events
        self._polls: dict[Hashable, _Poll] = {}
        self._is_over = False

    @property
    def polls(self) -> int:
        """Different questions that are asked."""
        return len(self._polls)

    async def __call__(self, call: Call) -> Outcome:
        """Send what is answered, until the caller leaves or it cannot be asked any more."""
        key = self._key_of(call)
        poll = self._polls.get(key)
        if poll is None:
            if self._is_over:
                return failed(_draining())
            if len(self._polls) >= self.options.max_polls:
                error = _too_many(self.options)
                self._events.emit(CallRefused(call, "polling", error))
                return failed(error)
            poll = self._polls[key] = _Poll(call, key, self)
        woken = asyncio.Event()
        poll.watchers.add(woken)
        try:
            return await self._watch(call, poll, woken)
        finally:
            poll.watchers.discard(woken)
            if not poll.watchers:
                poll.task.cancel()
                self.forget(poll)

    def forget(self, poll: _Poll) -> None:
        """Let nobody join a poll any more."""
        if self._polls.get(poll.key) is poll:
            del self._polls[poll.key]

    async def _watch(self, call: Call, poll: _Poll, woken: asyncio.Event) -> Outcome:
        seen, sent = 0, None
        while True:
            woken.clear()
            if poll.version > seen:
                seen = poll.version
                if poll.latest != sent or not self.options.on_change:
                    sent = poll.latest
                    await call.send(sent)
            elif isinstance(poll.error, CallError):
                return failed(poll.error)
            elif poll.error is not None:
                raise poll.error
            else:
                await woken.wait()

    def end(self) -> None:
        """End every stream, now and from now on; for the end of the process."""
        self._is_over = True
        for poll in list(self._polls.values()):
            poll.end(_draining())
            poll.task.cancel()

    async def ask(self, first: Call) -> tuple[Outcome, bytes]:
        """Ask once on behalf of a poll; return the outcome, and the watchers' answer."""
        options = self.options
        if self._entry is None:
            self._entry = self._entry_of(options.method)
        entry = self._entry
        now = self._clock.now()
        question = FlightCall(first, now)
        question.method = entry.method
        question.message = options.request.make(first.message)
        question.deadline_at = now + max(_LEAST_TIMEOUT_S, options.interval_s)
        try:
            with Expiry(self._clock, question.deadline_at) as question.expiry:
                outcome = await entry.run(question)
        except Expired:
            outcome = failed(_too_slow(options, sent=question.attempts > 0))
        except CallError as error:
            outcome = failed(error)
        if outcome.error is not None:
            return outcome, b""
        if options.response.identity:
            return outcome, question.answer
        answer = options.response.make(entry.response_type.FromString(question.answer))
        return outcome, answer.SerializePartialToString()

    async def pause(self) -> None:
        """Return when it is time for the next question."""
        spread = 1 + _SPREAD * (2 * self._rng.random() - 1)
        await self._clock.sleep(self.options.interval_s * spread)


def _too_many(options: WatchOptions) -> CallError:
    return refused(
        Code.RESOURCE_EXHAUSTED,
        Reason.CONCURRENCY_LIMIT,
        f"{options.max_polls} different questions are asked of {options.method} already",
        retry_after_s=options.interval_s,
    )


def _too_slow(options: WatchOptions, *, sent: bool) -> CallError:
    return CallError(
        Code.DEADLINE_EXCEEDED,
        Reason.DEADLINE_EXCEEDED,
        f"{options.method} did not answer in time",
        sent=Sent.UNKNOWN if sent else Sent.NOT_SENT,
        transient=True,
    )


def _draining() -> CallError:
    return CallError(
        Code.UNAVAILABLE,
        Reason.DRAINING,
        "the gateway is shutting down, and ends what would go on for long",
        transient=True,
    )
