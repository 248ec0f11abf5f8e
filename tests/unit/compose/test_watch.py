import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fakes.clock import FakeClock, FakeRng
from google.protobuf import wrappers_pb2
from support.calls import Recorder

from gateway.compose.mapping import compile_mapping
from gateway.compose.part import Entry
from gateway.compose.watch import WatchOptions, WatchTarget
from gateway.core.call import Call, MethodInfo
from gateway.core.errors import CallError, Reason
from gateway.core.events import CallRefused, Events
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.core.status import Code

Text = wrappers_pb2.StringValue
ASKED = MethodInfo("shop.v1.Prices", "Get")
WATCHED = MethodInfo("shop.v1.Prices", "Watch", server_streaming=True)
SAME = compile_mapping(Text.DESCRIPTOR, Text.DESCRIPTOR, {})


class Prices:
    """What is asked; answers what stands in `says`, once `gate` is open."""

    def __init__(self, **options: Any) -> None:
        self.clock = FakeClock()
        self.heard = Recorder()
        self.says: str | CallError = "1"
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        given = {"interval_s": 10.0, "max_failures": 3, "max_polls": 2, **options}
        self.target = WatchTarget(
            WatchOptions(method="Get", request=SAME, response=SAME, **given),
            lambda _name: Entry(ASKED, self.ask, Text, Text),
            lambda call: call.message.value,
            self.clock,
            FakeRng([0.5]),
            Events([self.heard]),
        )

    async def ask(self, call: Call) -> Outcome:
        self.asked.append(call.message.value)
        await self.gate.wait()
        if isinstance(self.says, CallError):
            return failed(self.says)
        await call.send(Text(value=self.says).SerializeToString())
        return SUCCESS

    def watch(self, what: str = "a") -> "Watching":
        return Watching(self, what)

    async def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await turns()


class Watching:
    """One stream."""

    def __init__(self, prices: Prices, what: str) -> None:
        self.got: list[str] = []
        self.hold: asyncio.Event | None = None
        call = Call(WATCHED, self._take, arrived_at=prices.clock.now())
        call.message = Text(value=what)
        self.task = asyncio.ensure_future(prices.target(call))

    async def _take(self, payload: bytes) -> None:
        self.got.append(Text.FromString(payload).value)
        if self.hold is not None:
            await self.hold.wait()

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.wait((self.task,))

    @property
    def reason(self) -> Reason:
        error = self.task.result().error
        assert error is not None
        return error.reason


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never held")


Make = Callable[..., Awaitable[None]]


def failure(code: Code = Code.UNAVAILABLE) -> CallError:
    return CallError(code, Reason.UPSTREAM_STATUS, "no price")


async def test_only_what_changes_is_sent() -> None:
    prices = Prices()
    one = prices.watch()
    await turns()
    await prices.pass_time(10)
    prices.says = "2"
    await prices.pass_time(10)
    await prices.pass_time(10)
    assert (one.got, len(prices.asked)) == (["1", "2"], 4)
    await one.leave()


async def test_everything_is_sent_where_the_policy_says_so() -> None:
    prices = Prices(on_change=False)
    one = prices.watch()
    await turns()
    await prices.pass_time(10)
    assert one.got == ["1", "1"]
    await one.leave()


async def test_watchers_of_the_same_share_a_poll_and_later_ones_get_the_latest_at_once() -> None:
    prices = Prices()
    one = prices.watch()
    await turns()
    two = prices.watch()
    await turns()
    assert (one.got, two.got, prices.asked) == (["1"], ["1"], ["a"])
    other = prices.watch("b")
    await turns()
    assert (other.got, prices.asked, prices.target.polls) == (["1"], ["a", "b"], 2)
    for watching in (one, two, other):
        await watching.leave()


async def test_the_last_one_out_ends_the_poll_also_while_it_asks() -> None:
    prices = Prices()
    one, two = prices.watch(), prices.watch()
    await turns()
    await one.leave()
    await prices.pass_time(10)
    assert len(prices.asked) == 2
    prices.gate.clear()
    await prices.pass_time(10)
    await two.leave()
    assert prices.target.polls == 0
    await prices.pass_time(100)
    assert len(prices.asked) == 3


async def test_failures_are_passed_over_until_there_are_too_many_in_a_row() -> None:
    prices = Prices()
    one = prices.watch()
    await turns()
    for said in (failure(), failure(), "2", failure(), failure()):
        prices.says = said
        await prices.pass_time(10)
    assert not one.task.done()
    await prices.pass_time(10)
    assert one.reason is Reason.UPSTREAM_STATUS
    assert one.got == ["1", "2"]
    assert prices.target.polls == 0


@pytest.mark.parametrize("code", [Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.PERMISSION_DENIED])
async def test_what_no_other_question_would_mend_ends_it_at_once(code: Code) -> None:
    prices = Prices()
    prices.says = failure(code)
    one = prices.watch()
    await until(one.task.done)
    assert len(prices.asked) == 1


async def test_a_question_that_takes_too_long_is_a_failure() -> None:
    prices = Prices(max_failures=1)
    prices.gate.clear()
    one = prices.watch()
    await turns()
    await prices.pass_time(9)
    assert not one.task.done()
    await prices.pass_time(1.1)
    assert one.reason is Reason.DEADLINE_EXCEEDED


async def test_a_slow_watcher_gets_the_latest_and_holds_nobody_up() -> None:
    prices = Prices()
    slow, quick = prices.watch(), prices.watch()
    slow.hold = asyncio.Event()
    await turns()
    for price in ("2", "3", "4"):
        prices.says = price
        await prices.pass_time(10)
    assert (slow.got, quick.got) == (["1"], ["1", "2", "3", "4"])
    slow.hold.set()
    await turns()
    assert slow.got == ["1", "4"]
    for watching in (slow, quick):
        await watching.leave()


async def test_more_questions_than_may_be_are_refused() -> None:
    prices = Prices(max_polls=1)
    one = prices.watch()
    await turns()
    two = prices.watch("b")
    await until(two.task.done)
    assert two.reason is Reason.CONCURRENCY_LIMIT
    assert [e.mechanism for e in prices.heard if isinstance(e, CallRefused)] == ["polling"]
    same = prices.watch()
    await turns()
    assert same.got == ["1"]
    for watching in (one, same):
        await watching.leave()


async def test_at_the_end_of_the_process_streams_end() -> None:
    prices = Prices()
    one = prices.watch()
    await turns()
    prices.target.end()
    await until(one.task.done)
    assert one.reason is Reason.DRAINING
    late = prices.watch("b")
    await until(late.task.done)
    assert late.reason is Reason.DRAINING


async def test_nobody_is_sent_twice_what_they_were_sent_last() -> None:
    prices = Prices()
    slow = prices.watch()
    slow.hold = asyncio.Event()
    await turns()
    for price in ("2", "1"):
        prices.says = price
        await prices.pass_time(10)
    slow.hold.set()
    await turns()
    assert slow.got == ["1"]
    prices.says = "3"
    await prices.pass_time(10)
    assert slow.got == ["1", "3"]
    await slow.leave()


async def test_a_fault_of_the_gateway_is_raised_to_every_watcher() -> None:
    prices = Prices()
    one, two = prices.watch(), prices.watch()
    await turns()
    prices.says = "broken \ud800"  # what no message holds
    await prices.pass_time(10)
    for watching in (one, two):
        with pytest.raises(UnicodeEncodeError):
            await asyncio.wait_for(watching.task, 1)
    assert prices.target.polls == 0


async def test_a_poll_that_has_ended_keeps_no_place_for_a_slow_watcher() -> None:
    prices = Prices(max_polls=1)
    slow = prices.watch()
    slow.hold = asyncio.Event()
    await turns()
    prices.says = failure(Code.NOT_FOUND)
    await prices.pass_time(10)
    prices.says = "2"
    other, same = prices.watch("b"), prices.watch("a")
    await turns()
    assert other.got == ["2"]
    assert same.reason is Reason.CONCURRENCY_LIMIT
    slow.hold.set()
    await until(slow.task.done)
    assert slow.reason is Reason.UPSTREAM_STATUS
    assert prices.target.polls == 1
    await other.leave()


async def test_at_the_end_of_the_process_nothing_is_asked_for_a_slow_watcher() -> None:
    prices = Prices()
    slow = prices.watch()
    slow.hold = asyncio.Event()
    await turns()
    prices.target.end()
    await prices.pass_time(100)
    assert len(prices.asked) == 1
    slow.hold.set()
    await until(slow.task.done)
    assert slow.reason is Reason.DRAINING
