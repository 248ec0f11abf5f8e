"""Calls that must not happen twice: each rule of interceptors/deduplicate/interceptor.py.

Two interceptors on one store are two processes.
"""

import asyncio
from dataclasses import replace

import pytest
from fakes.clock import FakeClock
from support.calls import Recorder, answered, new_call, refused
from support.records import ModelRecords

from gateway.core.call import Call
from gateway.core.deadline import Expired, Expiry
from gateway.core.errors import CallError, Origin, Reason, Sent, invalid_request
from gateway.core.events import CallDeduplicated, CallRefused, Events, RecordUnknown
from gateway.core.flight import Landing
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.core.status import Code
from gateway.interceptors.deduplicate import (
    CallKey,
    DeduplicateInterceptor,
    DeduplicationOptions,
    InFlight,
    OnUnknown,
)
from gateway.state.records import NotAsked, Record, Standing

SILENT = CallError(
    Code.DEADLINE_EXCEEDED,
    Reason.ATTEMPT_TIMEOUT,
    "upstream 'shop' did not answer",
    origin=Origin.UPSTREAM,
    sent=Sent.UNKNOWN,
)
REPLAYED = ("idempotency-replayed", "true")


class Half:
    def random(self) -> float:
        return 0.5


class Tokens:
    """Draws other numbers each time."""

    def __init__(self) -> None:
        self.drawn = 0

    def random(self) -> float:
        self.drawn += 1
        return 0.3 + self.drawn / 1000


class Upstream:
    """Does what it is asked, once its gate is open."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: CallError | None = None
        self.asked: list[Call] = []
        self.done: list[bytes] = []
        self.cancelled = 0
        self.queued = False
        """Whether calls wait for a place instead of being sent."""

    async def __call__(self, call: Call) -> Outcome:
        self.asked.append(call)
        try:
            if self.queued:
                await self.gate.wait()
            call.attempts += 1
            await self.gate.wait()
        except asyncio.CancelledError:
            if call.expiry is not None and call.expiry.claim():
                return failed(replace(SILENT))
            self.cancelled += 1
            raise
        if self.error is not None:
            return failed(replace(self.error))
        self.done.append(call.request)
        await call.send(b"receipt %d" % len(self.done))
        call.trailing_metadata.append(("x-receipt", "1"))
        return SUCCESS


class World:
    def __init__(self, **options: object) -> None:
        self.clock = FakeClock()
        self.events = Recorder()
        self.store = ModelRecords(self.clock)
        self.upstream = Upstream()
        self.looked_up: list[CallKey] = []
        self.lookup_says: Landing | CallError | None = None
        self.tokens = Tokens()
        self.options = DeduplicationOptions(**options)  # type: ignore[arg-type]
        self.processes = [self.process(), self.process()]

    def process(self) -> DeduplicateInterceptor:
        return DeduplicateInterceptor(
            self.options,
            self.store,
            self.key_of,
            lambda call: call.request,
            "idempotency-key",
            self.clock,
            self.tokens,
            Events([self.events]),
            self.lookup,
        )

    def key_of(self, call: Call) -> CallKey | None:
        key = dict(call.metadata).get("idempotency-key")
        if key == "bad":
            raise invalid_request("the idempotency key is none")
        if key is None:
            derived = self.options.window_s > 0
            return CallKey(b"derived" + call.request, "", derived=True) if derived else None
        assert isinstance(key, str)
        return CallKey(key.encode(), key, derived=False)

    async def lookup(self, _call: Call, key: CallKey) -> Landing | None:
        self.looked_up.append(key)
        if isinstance(self.lookup_says, CallError):
            raise self.lookup_says
        return self.lookup_says

    def ask(
        self, key: str | None = "k", request: bytes = b"pay", process: int = 0, timeout_s: float = 5
    ) -> "Asked":
        return Asked(self, key, request, self.processes[process], timeout_s)

    async def later(self, seconds: float = 0.0) -> None:
        for _ in range(25):
            await asyncio.sleep(0)
        if seconds:
            self.clock.advance(seconds)
            await self.later()

    def standing(self, key: bytes = b"k") -> Standing | None:
        one = self.store.kept.get(key)
        return None if one is None else one.standing


class Asked:
    def __init__(
        self,
        world: World,
        key: str | None,
        request: bytes,
        process: DeduplicateInterceptor,
        timeout_s: float,
    ) -> None:
        self.answers: list[bytes] = []

        async def sink(payload: bytes) -> None:
            self.answers.append(payload)

        metadata = () if key is None else (("idempotency-key", key),)
        self.call = new_call(world.clock, timeout_s=timeout_s, request=request, metadata=metadata)
        self.call._sink = sink
        self.task = asyncio.get_running_loop().create_task(self._run(world, process))

    async def _run(self, world: World, process: DeduplicateInterceptor) -> Outcome | None:
        try:
            with Expiry(world.clock, self.call.deadline_at):
                return await process(self.call, world.upstream)
        except Expired:
            return None

    @property
    def replayed(self) -> bool:
        return REPLAYED in self.call.trailing_metadata

    @property
    def error(self) -> CallError:
        outcome = self.task.result()
        assert outcome is not None
        assert outcome.error is not None
        return outcome.error


# Keys


async def test_a_call_without_a_key_is_a_call() -> None:
    world = World()
    await world.ask(None).task
    await world.ask(None).task
    assert len(world.upstream.done) == 2
    assert world.store.asked == []


async def test_a_method_may_need_a_key() -> None:
    world = World(required=True)
    asked = world.ask(None)
    await asked.task
    assert (asked.error.code, asked.error.reason) == (Code.INVALID_ARGUMENT, Reason.KEY_REQUIRED)
    assert "idempotency-key" in asked.error.message


async def test_what_cannot_be_a_key_is_refused() -> None:
    world = World()
    asked = world.ask("bad")
    await asked.task
    assert asked.error.code is Code.INVALID_ARGUMENT
    assert world.upstream.asked == []


async def test_the_upstream_is_sent_the_key() -> None:
    world = World()
    await world.ask().task
    assert world.upstream.asked[0].added_headers == {"idempotency-key": "k"}
    silent = World(header="")
    await silent.ask().task
    assert silent.upstream.asked[0].added_headers is None


# Answers


async def test_a_repeated_call_gets_the_stored_answer_and_nothing_is_sent() -> None:
    world = World()
    first = world.ask()
    await first.task
    again = world.ask(process=1)
    await again.task
    assert (again.answers, again.replayed) == ([b"receipt 1"], True)
    assert ("x-receipt", "1") in again.call.trailing_metadata
    assert not first.replayed
    assert len(world.upstream.done) == 1
    assert len([e for e in world.events if isinstance(e, CallDeduplicated)]) == 1


async def test_another_request_with_the_key_is_refused() -> None:
    world = World()
    await world.ask().task
    other = world.ask(request=b"pay more", process=1)
    await other.task
    assert (other.error.code, other.error.reason) == (Code.INVALID_ARGUMENT, Reason.KEY_REUSED)
    world.upstream.gate.clear()
    world.ask("running")
    await world.later()
    beside = world.ask("running", request=b"pay more")
    await beside.task
    assert beside.error.reason is Reason.KEY_REUSED


async def test_a_failure_that_the_upstream_decided_is_given_again() -> None:
    world = World()
    world.upstream.error = answered(422)
    await world.ask().task
    world.upstream.error = None
    again = world.ask(process=1)
    await again.task
    assert again.error.http_status == 422
    assert again.replayed
    assert world.upstream.done == []


async def test_after_the_retention_a_key_is_new() -> None:
    world = World(retention_s=60)
    await world.ask().task
    await world.later(60)
    again = world.ask()
    await again.task
    assert (again.answers, again.replayed) == ([b"receipt 2"], False)


@pytest.mark.parametrize("error", [refused(), answered(429), answered(401)])
async def test_a_failure_that_left_nothing_behind_is_not_recorded(error: CallError) -> None:
    world = World()
    world.upstream.error = error
    await world.ask().task
    assert world.standing() is None
    world.upstream.error = None
    again = world.ask(process=1)
    await again.task
    assert again.answers == [b"receipt 1"]


# In flight


async def test_a_thousand_equal_calls_of_one_process_are_one_call_and_one_claim() -> None:
    world = World()
    world.upstream.gate.clear()
    asked = [world.ask() for _ in range(1000)]
    await world.later()
    world.upstream.gate.set()
    await asyncio.gather(*(one.task for one in asked))
    assert world.upstream.done == [b""]
    assert all(one.answers == [b"receipt 1"] for one in asked)
    assert [one.replayed for one in asked] == [False] + [True] * 999
    assert world.store.asked.count("claim") == 1
    assert world.processes[0].running == 0


async def test_another_process_waits_for_the_answer() -> None:
    world = World()
    world.upstream.gate.clear()
    first, other = world.ask(), world.ask(process=1)
    await world.later(0.5)
    assert not other.task.done()
    world.upstream.gate.set()
    await world.later(0.3)
    assert first.answers == other.answers == [b"receipt 1"]
    assert other.replayed
    assert len(world.upstream.asked) == 1


async def test_it_asks_less_and_less_often_while_it_waits() -> None:
    world = World(lease_s=100)
    world.upstream.gate.clear()
    world.ask(timeout_s=60)
    await world.later()
    world.ask(process=1, timeout_s=60)
    for _ in range(4000):
        await world.later(0.005)
    looks = world.store.asked.count("look")
    assert 80 < looks < 95, "20 s at 0.25 s each, and some more at the beginning"


async def test_waiting_takes_over_where_the_first_left_nothing_behind() -> None:
    world = World()
    world.upstream.gate.clear()
    world.upstream.error = refused()
    first, other = world.ask(), world.ask(process=1)
    await world.later()
    world.upstream.gate.set()
    await first.task
    world.upstream.error = None
    await world.later(0.3)
    assert other.answers == [b"receipt 1"]
    assert not other.replayed


@pytest.mark.parametrize("process", [0, 1])
async def test_a_method_may_say_that_nobody_waits(process: int) -> None:
    world = World(in_flight=InFlight.ABORT)
    world.upstream.gate.clear()
    first = world.ask()
    await world.later()
    other = world.ask(process=process)
    await other.task
    error = other.error
    assert (error.code, error.reason) == (Code.ABORTED, Reason.IN_PROGRESS)
    assert error.retry_after_s is not None
    assert error.retry_after_s > 0
    world.upstream.gate.set()
    await first.task
    assert first.answers == [b"receipt 1"]


# Detached completion


async def test_a_caller_that_leaves_leaves_a_sent_call_alone_and_its_answer_is_kept() -> None:
    world = World()
    world.upstream.gate.clear()
    gone = world.ask()
    await world.later()
    gone.task.cancel()
    await world.later()
    assert world.upstream.cancelled == 0
    world.upstream.gate.set()
    await world.later()
    assert world.standing() is Standing.DONE
    again = world.ask(process=1)
    await again.task
    assert again.answers == [b"receipt 1"]
    assert len(world.upstream.done) == 1


async def test_a_deadline_that_passes_does_the_same_and_a_retry_joins() -> None:
    world = World()
    world.upstream.gate.clear()
    late = world.ask(timeout_s=1)
    await world.later(1)
    assert await late.task is None
    assert late.call.attempts == 1
    retry = world.ask(timeout_s=1)
    await world.later()
    world.upstream.gate.set()
    await world.later()
    assert retry.answers == [b"receipt 1"]
    assert len(world.upstream.asked) == 1


async def test_a_detached_call_ends_in_time_and_is_unknown_then() -> None:
    world = World(max_completion_s=30)
    world.upstream.gate.clear()
    world.ask(timeout_s=1)
    await world.later(1)
    await world.later(29)
    assert world.standing() is Standing.UNKNOWN
    assert world.processes[0].running == 0


async def test_a_call_not_sent_yet_is_cancelled_and_its_claim_taken_back() -> None:
    world = World()
    world.upstream.gate.clear()
    world.upstream.queued = True
    gone = world.ask()
    await world.later()
    assert world.standing() is Standing.CLAIMED
    gone.task.cancel()
    await world.later()
    assert (world.upstream.cancelled, world.standing()) == (1, None)


# Unknown


async def silence(world: World) -> None:
    world.upstream.error = SILENT
    first = world.ask()
    await first.task
    assert first.error.reason is Reason.ATTEMPT_TIMEOUT, "who made it is told what happened"
    world.upstream.error = None


@pytest.mark.parametrize("error", [SILENT, answered(500), answered(503)])
async def test_a_call_of_unknown_effect_is_never_silently_made_again(error: CallError) -> None:
    world = World()
    world.upstream.error = error
    await world.ask().task
    world.upstream.error = None
    again = world.ask(process=1)
    await again.task
    assert (again.error.code, again.error.reason) == (Code.ABORTED, Reason.OUTCOME_UNKNOWN)
    assert again.error.pushback_s == -1, "a client does not retry it by itself"
    assert len(world.upstream.asked) == 1
    assert len([e for e in world.events if isinstance(e, RecordUnknown)]) == 1


async def test_a_process_that_dies_leaves_an_unknown_outcome() -> None:
    world = World(lease_s=10)
    await world.store.claim(b"k", 7, "m", b"pay", lease_s=10, retention_s=60)
    waits = world.ask(timeout_s=30)
    await world.later(9)
    assert not waits.task.done()
    await world.later(1.5)
    assert waits.error.reason is Reason.OUTCOME_UNKNOWN
    assert world.upstream.asked == []


async def test_where_the_upstream_honours_keys_it_is_sent_again_with_the_same() -> None:
    world = World(on_unknown=OnUnknown.RESEND)
    await silence(world)
    again = world.ask(process=1)
    await again.task
    assert again.answers == [b"receipt 1"]
    assert [call.added_headers for call in world.upstream.asked] == [{"idempotency-key": "k"}] * 2
    assert world.standing() is Standing.DONE


async def test_of_many_that_send_again_one_does() -> None:
    world = World(on_unknown=OnUnknown.RESEND)
    await silence(world)
    world.upstream.gate.clear()
    asked = [world.ask(process=number % 2) for number in range(10)]
    await world.later()
    world.upstream.gate.set()
    await world.later(0.5)
    assert all(one.answers == [b"receipt 1"] for one in asked)
    assert len(world.upstream.asked) == 2


async def test_a_lookup_that_finds_an_effect_is_the_answer() -> None:
    world = World(on_unknown=OnUnknown.LOOKUP)
    await silence(world)
    world.lookup_says = Landing(SUCCESS, b"receipt found")
    again = world.ask(process=1)
    await again.task
    assert (again.answers, again.replayed) == ([b"receipt found"], True)
    assert len(world.upstream.asked) == 1
    assert [key.header for key in world.looked_up] == ["k"]
    await world.ask().task
    assert len(world.looked_up) == 1, "it is known now"


async def test_a_lookup_that_finds_no_effect_lets_it_be_sent() -> None:
    world = World(on_unknown=OnUnknown.LOOKUP)
    await silence(world)
    again = world.ask(process=1)
    await again.task
    assert (again.answers, again.replayed) == ([b"receipt 1"], False)


async def test_a_lookup_that_fails_leaves_it_unknown() -> None:
    world = World(on_unknown=OnUnknown.LOOKUP)
    await silence(world)
    world.lookup_says = answered(503)
    again = world.ask(process=1)
    await again.task
    assert again.error.reason is Reason.OUTCOME_UNKNOWN
    assert "answered 503" in again.error.message
    await world.later()
    assert world.standing() is Standing.UNKNOWN


# Leases and the store


async def test_a_lease_is_renewed_while_the_call_runs() -> None:
    world = World(lease_s=9, max_completion_s=500)
    world.upstream.gate.clear()
    world.ask(timeout_s=100)
    for _ in range(30):
        await world.later(2)
    record = await world.store.look(b"k")
    assert record is not None
    assert record.standing is Standing.CLAIMED
    world.upstream.gate.set()
    await world.later()
    assert world.standing() is Standing.DONE
    asked = len(world.store.asked)
    await world.later(20)
    assert len(world.store.asked) == asked, "and no longer"


async def test_a_lease_survives_a_store_that_was_away_for_less() -> None:
    world = World(lease_s=9, max_completion_s=500)
    world.upstream.gate.clear()
    world.ask(timeout_s=100)
    await world.later(3)
    world.store.away = True
    await world.later(4)
    world.store.away = False
    await world.later(3)
    await world.later(5)
    record = await world.store.look(b"k")
    assert record is not None
    assert record.standing is Standing.CLAIMED


async def test_without_the_store_nothing_is_sent() -> None:
    world = World()
    world.store.away = True
    asked = world.ask()
    await asked.task
    error = asked.error
    assert (error.code, error.reason) == (Code.UNAVAILABLE, Reason.STORE_UNAVAILABLE)
    assert error.retry_after_s == 0.5
    assert world.upstream.asked == []
    assert any(isinstance(e, CallRefused) for e in world.events)


async def test_a_claim_whose_answer_was_lost_is_taken_back() -> None:
    world = World()
    world.store.lost_answers = True
    asked = world.ask()
    await asked.task
    assert asked.error.reason is Reason.STORE_UNAVAILABLE
    world.store.lost_answers = False
    await world.later(1)
    assert world.standing() is None
    again = world.ask()
    await again.task
    assert again.answers == [b"receipt 1"]


async def test_a_claim_whose_question_was_cancelled_is_taken_back() -> None:
    world = World()
    gate = asyncio.Event()
    claim = world.store.claim

    async def slow(*args: object, **more: object) -> object:
        found = await claim(*args, **more)  # type: ignore[arg-type]
        await gate.wait()
        return found

    world.store.claim = slow  # type: ignore[assignment,method-assign]
    asked = world.ask()
    await world.later()
    assert world.standing() is Standing.CLAIMED
    asked.task.cancel()
    await world.later()
    assert world.standing() is None


async def test_an_end_that_cannot_be_recorded_is_tried_again_and_the_caller_has_its_answer() -> (
    None
):
    world = World()
    world.upstream.gate.clear()
    asked = world.ask()
    await world.later()
    world.store.away = True
    world.upstream.gate.set()
    await world.later()
    assert asked.answers == [b"receipt 1"]
    assert world.standing() is Standing.CLAIMED
    world.store.away = False
    await world.later(1)
    assert world.standing() is Standing.DONE


async def test_an_end_that_can_never_be_recorded_leaves_an_unknown_outcome() -> None:
    world = World(lease_s=10)
    world.upstream.gate.clear()
    asked = world.ask()
    await world.later()
    world.store.away = True
    world.upstream.gate.set()
    for _ in range(100):
        await world.later(3)
    await world.processes[0].end(world.clock.now())
    assert asked.answers == [b"receipt 1"]
    world.store.away = False
    again = world.ask(process=1)
    await again.task
    assert again.error.reason is Reason.OUTCOME_UNKNOWN


async def test_the_end_of_the_process_ends_detached_calls_and_records_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.upstream.gate.clear()
    gone = world.ask()
    await world.later()
    gone.task.cancel()
    await world.later()
    ending = asyncio.ensure_future(world.processes[0].end(world.clock.now() + 30))
    await world.later(29)
    assert not ending.done()
    await world.later(1.1)
    await ending
    assert world.standing() is Standing.UNKNOWN
    assert world.processes[0].running == 0
    assert "with it 1 calls of" in caplog.text


async def test_the_end_of_the_process_waits_for_detached_calls_that_come_to_an_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.upstream.gate.clear()
    gone = world.ask()
    await world.later()
    gone.task.cancel()
    await world.later()
    ending = asyncio.ensure_future(world.processes[0].end(world.clock.now() + 30))
    await world.later(1)
    world.upstream.gate.set()
    await world.later()
    await ending
    assert world.standing() is Standing.DONE
    assert caplog.text == ""


# Windows


async def test_twenty_and_a_thousand_equal_calls_within_a_window_are_one() -> None:
    for count in (20, 1000):
        world = World(window_s=60)
        world.upstream.gate.clear()
        asked = [world.ask(None, process=number % 2) for number in range(count)]
        await world.later()
        world.upstream.gate.set()
        await asyncio.gather(*(one.task for one in asked))
        assert len(world.upstream.done) == 1
        told = [one.error for one in asked if not one.answers]
        assert len(told) == count - 1
        assert {error.reason for error in told} == {Reason.IN_PROGRESS}
        assert all(error.retry_after_s for error in told)


async def test_other_requests_are_independent_and_after_the_window_all_is_new() -> None:
    world = World(window_s=60)
    await world.ask(None, b"campaign 1").task
    await world.ask(None, b"campaign 2").task
    assert len(world.upstream.done) == 2
    within = world.ask(None, b"campaign 1")
    await within.task
    assert within.replayed
    await world.later(60)
    await world.ask(None, b"campaign 1").task
    assert len(world.upstream.done) == 3


async def test_within_the_window_a_method_may_refuse_instead_of_replaying() -> None:
    world = World(window_s=60, replay=False)
    await world.ask(None).task
    await world.later(20)
    again = world.ask(None, process=1)
    await again.task
    assert (again.error.code, again.error.reason) == (Code.ALREADY_EXISTS, Reason.DUPLICATE)
    assert again.error.retry_after_s == pytest.approx(40)


async def test_an_unknown_outcome_ends_with_its_window() -> None:
    world = World(window_s=60)
    world.upstream.error = SILENT
    await world.ask(None).task
    world.upstream.error = None
    held = world.ask(None)
    await held.task
    assert held.error.reason is Reason.OUTCOME_UNKNOWN
    await world.later(60)
    again = world.ask(None)
    await again.task
    assert again.answers == [b"receipt 1"]


async def test_a_store_that_is_left_alone_leaves_no_task_behind() -> None:
    world = World()
    world.store.claim = refused_claim  # type: ignore[method-assign]
    before = len(asyncio.all_tasks())
    asked = [world.ask(f"k{i}") for i in range(50)]
    await world.later()
    assert {one.error.reason for one in asked} == {Reason.STORE_UNAVAILABLE}
    assert world.upstream.asked == []
    assert len(asyncio.all_tasks()) == before


async def refused_claim(*_: object, **__: object) -> Record:
    raise NotAsked("it failed several times, and is left alone for now", 0.5)


async def test_the_end_of_a_process_waits_five_seconds_for_a_store_that_is_away() -> None:
    world = World()
    world.upstream.gate.clear()
    asked = world.ask()
    await world.later()
    world.store.away = True
    world.upstream.gate.set()
    await world.later()
    assert asked.answers == [b"receipt 1"]
    ending = asyncio.ensure_future(world.processes[0].end(world.clock.now() + 30))
    for _ in range(4):
        await world.later(1.0)
    assert not ending.done()
    await world.later(1.1)
    assert ending.done()
