"""Many single reads as one bulk call: each rule of compose/batch.py."""

import asyncio
from typing import Any

import pytest
from compose.v1.compose_pb2 import BatchRequest, GetRequest, Order, Source
from fakes.clock import FakeClock
from support.calls import Recorder
from unit.compose.calls import Method, entries, failing

from gateway.compose import batch as module
from gateway.compose.batch import BatchInterceptor, BatchOptions
from gateway.compose.mapping import compile_mapping
from gateway.core.call import Call, MethodInfo
from gateway.core.deadline import Expired, Expiry
from gateway.core.errors import CallError
from gateway.core.events import BatchSent, CallBatched, Events
from gateway.core.outcome import SUCCESS, Outcome
from gateway.core.status import Code

SINGLE = MethodInfo("compose.v1.Front", "GetOrder")


def bulk(request: BatchRequest) -> Source:
    """Answer with an order for each id, in another order; none for those that begin with "no"."""
    return Source(
        orders=[
            Order(id=one, owner={"name": f"owner of {one}"})
            for one in reversed(request.ids)
            if not one.startswith("no")
        ]
    )


class World:
    def __init__(self, answers: Any = bulk, **options: Any) -> None:
        self.clock = FakeClock()
        self.events = Recorder()
        self.many = Method(
            self.clock,
            "BatchGet",
            answers,
            after_s=0.1,
            request_type=BatchRequest,
            response_type=Source,
            trailing=[("x-shard", "7")],
        )
        self.alone: list[Call] = []
        self.batch = BatchInterceptor(
            BatchOptions(
                method="compose.v1.Back/BatchGet",
                key="id",
                keys="ids",
                rest=compile_mapping(GetRequest.DESCRIPTOR, BatchRequest.DESCRIPTOR, {}),
                items="orders",
                item_key="id",
                answer=compile_mapping(Order.DESCRIPTOR, Order.DESCRIPTOR, {}),
                new_answer=Order,
                **options,
            ),
            lambda call: call.message.locale.encode(),
            entries(self.many),
            self.clock,
            Events([self.events]),
        )

    async def single(self, call: Call) -> Outcome:
        self.alone.append(call)
        call.attempts += 1
        await call.send(Order(id=call.message.id, owner={"name": "alone"}).SerializeToString())
        return SUCCESS

    def ask(self, one: str, locale: str = "", timeout_s: float = 5) -> "Asked":
        return Asked(self, one, locale, timeout_s)

    async def later(self, seconds: float) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        self.clock.advance(seconds)
        for _ in range(15):
            await asyncio.sleep(0)


class Asked:
    def __init__(self, world: World, one: str, locale: str, timeout_s: float) -> None:
        self.answers: list[Order] = []

        async def sink(payload: bytes) -> None:
            self.answers.append(Order.FromString(payload))

        now = world.clock.now()
        self.call = Call(SINGLE, sink, arrived_at=now, deadline_at=now + timeout_s)
        self.call.message = GetRequest(id=one, locale=locale)
        self.task = asyncio.get_running_loop().create_task(self._run(world))

    async def _run(self, world: World) -> Outcome | None:
        try:
            with Expiry(world.clock, self.call.deadline_at):
                return await world.batch(self.call, world.single)
        except Expired:
            return None

    @property
    def owner(self) -> str:
        assert self.task.result() is SUCCESS
        (answer,) = self.answers
        assert answer.id == self.call.message.id
        return str(answer.owner.name)

    @property
    def error(self) -> CallError:
        outcome = self.task.result()
        assert outcome is not None
        assert outcome.error is not None
        return outcome.error


async def test_calls_of_one_window_are_one_bulk_call_and_each_gets_its_item() -> None:
    world = World()
    asked = [world.ask(f"o{number}") for number in range(20)]
    await world.later(0.005)
    assert [len(request.ids) for request in world.many.requests] == [20]
    late = world.ask("o1")
    await world.later(0.1)
    assert [one.owner for one in asked] == [f"owner of o{number}" for number in range(20)]
    assert ("x-shard", "7") in asked[3].call.trailing_metadata
    await late.task
    assert late.owner == "alone", "it came after the window"
    assert [e.keys for e in world.events if isinstance(e, BatchSent)] == [20]
    assert len([e for e in world.events if isinstance(e, CallBatched)]) == 20
    assert world.batch.under_way == 0


async def test_calls_of_one_key_share_its_item() -> None:
    world = World()
    asked = [world.ask(one) for one in ("a", "b", "a", "a")]
    await world.later(0.005)
    await world.later(0.1)
    assert [list(request.ids) for request in world.many.requests] == [["a", "b"]]
    assert [one.owner for one in asked] == [f"owner of {one}" for one in ("a", "b", "a", "a")]


async def test_a_missing_item_fails_only_who_asked_for_it() -> None:
    world = World()
    there, missing = world.ask("a"), world.ask("nowhere")
    await world.later(0.005)
    await world.later(0.1)
    assert there.owner == "owner of a"
    assert missing.error.code is Code.NOT_FOUND
    assert "'nowhere'" in missing.error.message


async def test_a_bulk_call_that_fails_fails_all_with_its_error() -> None:
    world = World(lambda _request: failing(message="upstream 'shop' answered 503"))
    asked = [world.ask("a"), world.ask("b")]
    await world.later(0.005)
    await world.later(0.1)
    assert {one.error.message for one in asked} == {"upstream 'shop' answered 503"}


async def test_nobody_is_refused_for_anothers_key() -> None:
    refused = failing(Code.INVALID_ARGUMENT, message="upstream 'shop' answered 400: bad id")
    world = World(lambda _request: refused)
    asked = [world.ask("a"), world.ask("b"), world.ask("a")]
    await world.later(0.005)
    await world.later(0.1)
    assert [one.owner for one in asked] == ["alone"] * 3
    assert [call.message.id for call in world.alone] == ["a", "b", "a"]
    assert world.batch.under_way == 0


async def test_as_many_keys_as_fit_are_sent_at_once() -> None:
    world = World(max_keys=3)
    asked = [world.ask(f"o{number}") for number in range(7)]
    await world.later(0)
    assert [len(request.ids) for request in world.many.requests] == [3, 3]
    await world.later(0.005)
    await world.later(0.1)
    assert [one.owner for one in asked[:6]] == [f"owner of o{number}" for number in range(6)]
    assert asked[6].owner == "alone"


async def test_calls_that_differ_in_more_than_their_key_are_other_batches() -> None:
    world = World()
    asked = [world.ask(one, locale) for locale in ("de", "en") for one in ("a", "b")]
    await world.later(0.005)
    await world.later(0.1)
    assert sorted(list(request.ids) for request in world.many.requests) == [["a", "b"]] * 2
    assert all(one.owner for one in asked)


async def test_one_that_leaves_before_the_window_is_over_is_not_asked_for() -> None:
    world = World()
    gone, stays, other = world.ask("a"), world.ask("b"), world.ask("c")
    await world.later(0)
    gone.task.cancel()
    await world.later(0.005)
    await world.later(0.1)
    assert [list(request.ids) for request in world.many.requests] == [["b", "c"]]
    assert (stays.owner, other.owner) == ("owner of b", "owner of c")


async def test_the_one_that_stays_goes_its_own_way_with_its_own_key() -> None:
    world = World()
    gone, stays = world.ask("a"), world.ask("b")
    await world.later(0)
    gone.task.cancel()
    await world.later(0.005)
    assert stays.owner == "alone"
    assert world.many.asked == []
    assert gone.call.message.id == "a", "the message of whoever left is not touched"


async def test_one_that_leaves_later_leaves_the_others_alone() -> None:
    world = World()
    gone, stays = world.ask("a"), world.ask("b", timeout_s=9)
    await world.later(0.005)
    gone.task.cancel()
    await world.later(0.1)
    assert stays.owner == "owner of b"


async def test_the_last_one_out_cancels_the_bulk_call() -> None:
    world = World()
    asked = [world.ask("a"), world.ask("b")]
    await world.later(0.005)
    for one in asked:
        one.task.cancel()
    await world.later(0)
    assert world.many.cancelled == 1
    assert world.batch.under_way == 0


async def test_its_deadline_is_the_longest_of_its_calls() -> None:
    world = World()
    short, long = world.ask("a", timeout_s=0.05), world.ask("b", timeout_s=5)
    await world.later(0.005)
    await world.later(0.06)
    assert short.task.result() is None
    await world.later(0.1)
    assert long.owner == "owner of b"


async def test_beyond_the_bound_a_call_goes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BATCHES", 1)
    world = World()
    world.ask("a", "de")
    await world.later(0)
    other = world.ask("b", "en")
    await world.later(0)
    assert other.owner == "alone"
    await world.later(0.005)


async def test_items_that_nobody_asked_for_and_second_ones_are_left_aside() -> None:
    world = World(
        lambda _request: Source(
            orders=[
                Order(id="x"),
                Order(id="a", owner={"name": "first"}),
                Order(id="a", owner={"name": "second"}),
                Order(id="b", owner={"name": "b"}),
            ]
        )
    )
    asked = [world.ask("a"), world.ask("b")]
    await world.later(0.005)
    await world.later(0.1)
    assert [one.owner for one in asked] == ["first", "b"]
