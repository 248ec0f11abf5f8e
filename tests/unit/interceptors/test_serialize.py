import asyncio
import gc
import weakref

import pytest
from fakes.clock import FakeClock
from support.calls import Recorder, Script, answered, new_call

from gateway.core.call import Call
from gateway.core.deadline import Expired, Expiry
from gateway.core.errors import Origin, Reason
from gateway.core.events import CallRefused, Events
from gateway.core.outcome import SUCCESS, Kind, Outcome
from gateway.core.status import Code
from gateway.interceptors.serialize import KeyedTurns, SerializeInterceptor, SerializeOptions


class Work:
    """Calls that end when told; knows who runs."""

    def __init__(self, **options) -> None:
        self.clock = FakeClock()
        self.turns = KeyedTurns(SerializeOptions(**options))
        self.heard = Recorder()
        self.running: dict[str, list[str]] = {}
        self.begun: list[str] = []
        self.ends: dict[str, asyncio.Future[None]] = {}
        self._serialize = SerializeInterceptor(
            self.turns, lambda call: call.message[0], Events([self.heard])
        )

    async def _run(self, call: Call) -> Outcome:
        key, name = call.message
        here = self.running.setdefault(key, [])
        here.append(name)
        self.begun.append(name)
        try:
            await self.ends.setdefault(name, asyncio.get_running_loop().create_future())
        finally:
            here.remove(name)
        return SUCCESS

    def call(self, key: str, name: str) -> asyncio.Task[Outcome]:
        call = new_call(self.clock)
        call.message = (key, name)
        return asyncio.create_task(self._serialize(call, self._run))

    async def end(self, name: str) -> None:
        self.ends[name].set_result(None)
        await turns()


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_call_at_a_time_for_a_key_in_the_order_of_arrival():
    work = Work()
    tasks = [work.call("k", name) for name in "abcd"]
    for name in "abcd":
        await turns()
        assert work.running["k"] == [name]
        await work.end(name)
    assert work.begun == list("abcd")
    assert await asyncio.gather(*tasks) == [SUCCESS] * 4


async def test_nobody_newer_comes_before_one_that_waits():
    work = Work()
    work.call("k", "a")
    work.call("k", "b")
    await turns()
    work.ends["a"].set_result(None)
    late = work.call("k", "c")  # arrives while the turn is handed on
    await turns()
    assert work.begun == ["a", "b"]
    await work.end("b")
    await work.end("c")
    assert await late is SUCCESS


async def test_other_keys_are_not_waited_for():
    work = Work()
    for name, key in (("a", "1"), ("b", "2"), ("c", "1")):
        work.call(key, name)
    await turns()
    assert work.begun == ["a", "b"]
    for name in "abc":
        await work.end(name)


async def test_a_call_without_a_key_waits_for_nobody():
    work = Work()
    for name in "abc":
        work.call("", name)
    await turns()
    assert work.begun == ["a", "b", "c"]
    assert work.turns.keys == 0
    for name in "abc":
        await work.end(name)


async def test_a_full_line_is_refused_at_once():
    work = Work(max_queued=2)
    for name in "abc":
        work.call("k", name)
    await turns()
    outcome = await work.call("k", "d")
    assert outcome.kind is Kind.IGNORED
    assert outcome.error is not None
    assert outcome.error.code is Code.RESOURCE_EXHAUSTED
    assert outcome.error.reason is Reason.SERIALIZED
    assert outcome.error.origin is Origin.GATEWAY
    assert "2 calls for the same key wait" in outcome.error.message
    assert [(type(e), e.mechanism, e.error) for e in work.heard] == [
        (CallRefused, "serialize", outcome.error)
    ]
    for name in "abc":
        await work.end(name)
    assert work.begun == ["a", "b", "c"]


async def test_more_keys_than_are_kept_are_refused_at_once():
    work = Work(max_keys=2)
    work.call("1", "a")
    work.call("2", "b")
    waits = work.call("2", "c")  # the key is held already
    await turns()
    outcome = await work.call("3", "d")
    assert outcome.error is not None
    assert outcome.error.reason is Reason.SERIALIZED
    await work.end("a")
    again = work.call("3", "e")
    await turns()
    assert work.running["3"] == ["e"]
    for name in "bec":
        await work.end(name)
    assert await asyncio.gather(waits, again) == [SUCCESS] * 2


@pytest.mark.parametrize("max_queued", [0, 1])
async def test_the_bound_of_the_line_is_exact(max_queued):
    work = Work(max_queued=max_queued)
    tasks = [work.call("k", name) for name in ("a", "b", "c")[: max_queued + 2]]
    await turns()
    assert [task.done() for task in tasks] == [False] * (max_queued + 1) + [True]
    for name in ("a", "b")[: max_queued + 1]:
        await work.end(name)


async def test_a_cancelled_waiter_leaves_the_line():
    work = Work(max_queued=2)
    tasks = [work.call("k", name) for name in "abc"]
    await turns()
    tasks[1].cancel()
    await turns()
    assert work.turns.waiting("k") == 1
    await work.end("a")
    assert work.running["k"] == ["c"]
    await work.end("c")
    assert work.turns.keys == 0


async def test_a_cancelled_holder_hands_its_turn_on():
    work = Work()
    tasks = [work.call("k", name) for name in "ab"]
    await turns()
    tasks[0].cancel()
    await turns()
    assert work.running["k"] == ["b"]
    await work.end("b")
    assert work.turns.keys == 0


async def test_one_cancelled_while_the_turn_is_handed_to_it_hands_it_on():
    work = Work()
    tasks = [work.call("k", name) for name in "abc"]
    await turns()
    work.turns.give_back("k")  # hands it to b, which has not run yet
    tasks[1].cancel()
    await turns()
    assert work.begun == ["a", "c"]
    tasks[0].cancel()
    tasks[2].cancel()


async def test_a_waiter_cancelled_just_before_the_turn_comes_is_passed_by():
    work = Work()
    tasks = [work.call("k", name) for name in "abc"]
    await turns()
    work.ends["a"].set_result(None)
    tasks[1].cancel()  # its task runs after a's, which hands the turn on
    await turns()
    assert work.begun == ["a", "c"]
    assert tasks[1].cancelled()
    await work.end("c")
    assert work.turns.keys == 0


async def test_waiting_ends_with_the_calls_deadline():
    work = Work()
    work.call("k", "a")
    await turns()

    async def waits() -> None:
        with Expiry(work.clock, work.clock.now() + 2):
            await work.turns.take("k")

    task = asyncio.create_task(waits())
    await turns()
    work.clock.advance(2)
    with pytest.raises(Expired):
        await task
    assert work.turns.waiting("k") == 0
    await work.end("a")
    assert work.turns.keys == 0


async def test_a_turn_ends_however_its_call_does():
    keyed = KeyedTurns(SerializeOptions())
    serialize = SerializeInterceptor(keyed, lambda _: "k", Events())
    clock = FakeClock()
    failure = await serialize(new_call(clock), Script(answered(503)))
    assert failure.kind is Kind.FAILURE
    assert keyed.keys == 0

    async def breaks(_call: Call) -> Outcome:
        raise RuntimeError("a fault of the gateway")

    with pytest.raises(RuntimeError):
        await serialize(new_call(clock), breaks)
    assert keyed.keys == 0


async def test_a_key_without_calls_leaves_no_trace():
    work = Work()
    for key in map(str, range(50)):
        tasks = [work.call(key, f"{key}{name}") for name in "abc"]
        await turns()
        tasks[2].cancel()
        await work.end(f"{key}a")
        await work.end(f"{key}b")
        assert work.turns.keys == 0
    held = weakref.ref(tasks[2])
    del tasks
    await turns()
    gc.collect()
    assert held() is None
