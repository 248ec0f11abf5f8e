"""The poller of streams against a written-out model, over random lives of a few questions.

The model says in the plainest words what the rules of compose/watch say: who is asked when, what
each watcher must have been sent, and how its stream ends. Watchers come, go, and stand still;
questions are answered, fail, raise, or take too long; the process ends.
"""

import asyncio
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from fakes.clock import FakeClock, FakeRng
from google.protobuf import wrappers_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.compose.mapping import compile_mapping
from gateway.compose.part import Entry
from gateway.compose.watch import WatchOptions, WatchTarget
from gateway.core.call import Call, MethodInfo
from gateway.core.errors import CallError, Reason
from gateway.core.events import Events
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.core.status import Code

Text = wrappers_pb2.StringValue
ASKED = MethodInfo("shop.v1.Prices", "Get")
WATCHED = MethodInfo("shop.v1.Prices", "Watch", server_streaming=True)
SAME = compile_mapping(Text.DESCRIPTOR, Text.DESCRIPTOR, {})
LEAST_S = 5.0
PASSED_OVER, FINAL = "UPSTREAM_STATUS", "NOT_FOUND"
TOO_SLOW, TOO_MANY, DRAINING, FAULT = (
    "DEADLINE_EXCEEDED",
    "CONCURRENCY_LIMIT",
    "DRAINING",
    "RuntimeError",
)


# The model.


@dataclass
class Watcher:
    """A stream: what it was sent, and how it ended ("" while it goes on)."""

    question: str
    got: list[str] = field(default_factory=list)
    seen: int = 0
    stands_still: bool = False
    """Whether what it is sent next is not taken until it goes on."""
    is_busy: bool = False
    ended: str = ""


@dataclass
class Poll:
    watchers: list[Watcher] = field(default_factory=list)
    latest: str = ""
    version: int = 0
    failures: int = 0
    asking_until: float = math.inf
    pausing_until: float = math.inf
    error: str = ""

    @property
    def is_asking(self) -> bool:
        return self.asking_until < math.inf


@dataclass
class Model:
    options: WatchOptions
    spread: float
    now: float
    polls: dict[str, Poll] = field(default_factory=dict)
    """By question, those that are alive."""
    ended: list[Poll] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    is_over: bool = False

    def come(self, question: str, *, stands_still: bool) -> Watcher:
        watcher = Watcher(question, stands_still=stands_still)
        poll = self.polls.get(question)
        if poll is None:
            if self.is_over:
                watcher.ended = DRAINING
                return watcher
            if len(self.polls) >= self.options.max_polls:
                watcher.ended = TOO_MANY
                return watcher
            poll = self.polls[question] = Poll()
            self.ask(question, poll)
        poll.watchers.append(watcher)
        self.look(poll, watcher)
        return watcher

    def leave(self, watcher: Watcher) -> None:
        watcher.ended = watcher.ended or "left"
        for poll in (*self.polls.values(), *self.ended):
            if watcher in poll.watchers:
                poll.watchers.remove(watcher)
        self.polls = {question: poll for question, poll in self.polls.items() if poll.watchers}

    def go_on(self, watcher: Watcher) -> None:
        watcher.is_busy = watcher.stands_still = False
        for poll in (*self.polls.values(), *self.ended):
            if watcher in poll.watchers:
                self.look(poll, watcher)

    def ask(self, question: str, poll: Poll) -> None:
        self.asked[question] += 1
        poll.pausing_until = math.inf
        poll.asking_until = self.now + max(LEAST_S, self.options.interval_s)

    def pause(self, poll: Poll) -> None:
        poll.asking_until = math.inf
        poll.pausing_until = self.now + self.options.interval_s * self.spread

    def answer(self, question: str, says: str) -> None:
        poll = self.polls[question]
        poll.failures = 0
        if says != poll.latest or not poll.version or not self.options.on_change:
            poll.latest, poll.version = says, poll.version + 1
        for watcher in list(poll.watchers):
            self.look(poll, watcher)
        self.pause(poll)

    def fail(self, question: str, why: str) -> None:
        poll = self.polls[question]
        poll.failures += 1
        if why in (FINAL, FAULT) or poll.failures >= self.options.max_failures:
            self.end_poll(question, why)
        else:
            self.pause(poll)

    def end_poll(self, question: str, why: str) -> None:
        poll = self.polls.pop(question)
        poll.error = why
        self.ended.append(poll)
        for watcher in list(poll.watchers):
            self.look(poll, watcher)

    def end(self) -> None:
        self.is_over = True
        for question in list(self.polls):
            self.end_poll(question, DRAINING)

    def look(self, poll: Poll, watcher: Watcher) -> None:
        """Let a watcher have what it has not seen, and its end behind that."""
        if watcher.is_busy:
            return
        if poll.version > watcher.seen:
            watcher.seen = poll.version
            if not self.options.on_change or watcher.got[-1:] != [poll.latest]:
                watcher.got.append(poll.latest)
                watcher.is_busy = watcher.stands_still
        if poll.error and not watcher.is_busy:
            watcher.ended = poll.error
            poll.watchers.remove(watcher)

    def pass_time(self, until: float) -> float:
        """Go on to the next thing that happens by itself, `until` at the latest."""
        due = {q: min(poll.asking_until, poll.pausing_until) for q, poll in self.polls.items()}
        self.now = min(until, *due.values()) if due else until
        for question, at in due.items():
            if at > self.now:
                continue
            poll = self.polls[question]
            if poll.is_asking:
                self.fail(question, TOO_SLOW)
            else:
                self.ask(question, poll)
        return self.now


# What is tested.


class Stream:
    """A watcher's call."""

    def __init__(self, target: WatchTarget, question: str, now: float) -> None:
        self.got: list[str] = []
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        call = Call(WATCHED, self._take, arrived_at=now)
        call.message = Text(value=question)
        self.task = asyncio.ensure_future(target(call))

    async def _take(self, payload: bytes) -> None:
        self.got.append(Text.FromString(payload).value)
        await self.goes_on.wait()

    @property
    def ended(self) -> str:
        if not self.task.done():
            return ""
        if self.task.cancelled():
            return "left"
        if (fault := self.task.exception()) is not None:
            return type(fault).__name__
        error = self.task.result().error
        assert error is not None
        return FINAL if error.code is Code.NOT_FOUND else error.reason.name


class Prices:
    """The method that is asked; the test answers in its place."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.open: dict[str, asyncio.Future[str]] = {}

    async def ask(self, call: Call) -> Outcome:
        question = call.message.value
        assert question not in self.open, "it is asked already"
        self.asked[question] += 1
        answer = self.open[question] = asyncio.get_running_loop().create_future()
        try:
            says = await answer
        finally:
            del self.open[question]
        if says == FAULT:
            raise RuntimeError
        if says in (PASSED_OVER, FINAL):
            code = Code.NOT_FOUND if says == FINAL else Code.UNAVAILABLE
            return failed(CallError(code, Reason.UPSTREAM_STATUS, "no price"))
        await call.send(Text(value=says).SerializeToString())
        return SUCCESS


async def settle() -> None:
    for _ in range(12):
        await asyncio.sleep(0)


SAYS = ("1", "1", "1", "2", "2", "", *(PASSED_OVER,) * 3, FINAL, FAULT)
Come = st.tuples(st.just("come"), st.sampled_from("aaab"), st.sampled_from((False, False, True)))
Leave = st.tuples(st.sampled_from(("leave", "go on")), st.integers(0, 9))
Answer = st.tuples(st.just("answer"), st.integers(0, 2), st.sampled_from(SAYS))
Time = st.tuples(st.just("time"), st.sampled_from((0.1, 1.0, 4.0, 5.0, 11.0, 25.0)))
Round = st.tuples(st.just("round"), st.sampled_from(SAYS))
"""All that is asked is answered, and asked once more."""
Step = st.one_of(Come, Leave, Answer, Time, Round, Round, Round)
STEPS = st.builds(
    lambda before, after: [("come", "a", False), *before, ("end",), *after],
    st.lists(Step, min_size=10, max_size=50),
    st.lists(Step, max_size=5),
)
OPTIONS = st.builds(
    WatchOptions,
    method=st.just("Get"),
    request=st.just(SAME),
    response=st.just(SAME),
    interval_s=st.sampled_from((1.0, 4.0, 10.0)),
    on_change=st.booleans(),
    max_failures=st.integers(1, 3),
    max_polls=st.integers(1, 3),
)


@settings(max_examples=300, deadline=None)
@given(OPTIONS, st.sampled_from((0.0, 0.5, 0.75)), STEPS)
def test_every_watcher_sees_what_the_model_says(
    options: WatchOptions, draw: float, steps: list[tuple[Any, ...]]
) -> None:
    asyncio.run(live(options, draw, steps))


async def live(options: WatchOptions, draw: float, steps: list[tuple[Any, ...]]) -> None:
    clock, prices = FakeClock(), Prices()
    target = WatchTarget(
        options,
        lambda _name: Entry(ASKED, prices.ask, Text, Text),
        lambda call: call.message.value,
        clock,
        FakeRng([draw]),
        Events(),
    )
    model = Model(options, 1 + 0.1 * (2 * draw - 1), clock.now())
    pairs: list[tuple[Watcher, Stream]] = []

    async def same() -> None:
        await settle()
        for watcher, stream in pairs:
            assert (stream.got, stream.ended) == (watcher.got, watcher.ended)
        assert prices.asked == model.asked
        assert set(prices.open) == {q for q, poll in model.polls.items() if poll.is_asking}
        assert target.polls == len(model.polls)

    async def pass_time(seconds: float) -> None:
        until = clock.now() + seconds
        while clock.now() < until:
            clock.advance(model.pass_time(until) - clock.now())
            await same()

    def answer(question: str, says: str) -> None:
        prices.open[question].set_result(says)
        if says in (PASSED_OVER, FINAL, FAULT):
            model.fail(question, says)
        else:
            model.answer(question, says)

    for step, *said in steps:
        if step == "come":
            question, stands_still = said
            stream = Stream(target, question, clock.now())
            if stands_still:
                stream.goes_on.clear()
            pairs.append((model.come(question, stands_still=stands_still), stream))
        elif step == "end":
            target.end()
            model.end()
        elif step == "time":
            await pass_time(said[0])
        elif step == "round":
            for question in prices.open:
                answer(question, said[0])
            await same()
            await pass_time(options.interval_s * model.spread)
        elif step == "answer":
            if prices.open:
                answer(sorted(prices.open)[said[0] % len(prices.open)], said[1])
        elif pairs:
            watcher, stream = pairs[said[0] % len(pairs)]
            if step == "leave":
                stream.task.cancel()
                model.leave(watcher)
            else:
                stream.goes_on.set()
                model.go_on(watcher)
        await same()

    for watcher, stream in pairs:
        stream.task.cancel()
        model.leave(watcher)
    await settle()
    assert (target.polls, clock.pending, prices.open) == (0, 0, {})
    assert asyncio.all_tasks() == {asyncio.current_task()}
