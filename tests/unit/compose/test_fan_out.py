import asyncio

import pytest
from compose.v1.compose_pb2 import GetRequest, Order, Overview, OverviewRequest, Owner, Source
from fakes.clock import FakeClock
from support.calls import Recorder
from unit.compose.calls import Caller, Method, entries, failing

from gateway.compose.fan_out import BranchOptions, FanOutOptions, FanOutTarget, Need, Tally
from gateway.compose.mapping import compile_mapping
from gateway.core.errors import Origin, Reason, Sent
from gateway.core.events import Events, PartMissing
from gateway.core.outcome import SUCCESS, failed
from gateway.core.status import Code

OVERVIEW = Overview.DESCRIPTOR


def branch(field, method, taken="", need=Need.REQUIRED, timeout_s=float("inf"), answers=Order):
    return BranchOptions(
        method=f"compose.v1.Back/{method}",
        field=field,
        request=compile_mapping(OverviewRequest.DESCRIPTOR, GetRequest.DESCRIPTOR, {}),
        answer=compile_mapping(answers.DESCRIPTOR, OVERVIEW, {field: taken}),
        need=need,
        timeout_s=timeout_s,
    )


class Given:
    """A fan-out over methods, and a call of it."""

    def __init__(self, clock, branches, methods, *, timeout_s=2.0, **more):
        quorum = sum(b.need is Need.QUORUM for b in branches)
        options = FanOutOptions(
            branches=branches, new_answer=Overview, **{"quorum": quorum, **more}
        )
        self.clock = clock
        self.events = Recorder()
        self.asked_for = []
        find = entries(*methods)

        def entry_of(name):
            self.asked_for.append(name)
            return find(name)

        self.target = FanOutTarget(options, entry_of, clock, Events([self.events]))
        self.caller = Caller(clock, OverviewRequest(id="7"), timeout_s)

    async def outcome(self):
        outcome = await self.target(self.caller.call)
        assert self.clock.pending == 0
        return outcome

    async def error(self):
        outcome = await self.outcome()
        assert self.caller.answers == []
        assert outcome.error is not None
        return outcome.error

    async def answer(self):
        assert await self.outcome() is SUCCESS
        return self.caller.answer(Overview)

    @property
    def missing(self):
        return [v for k, v in self.caller.call.trailing_metadata if k == "seawall-missing"]


ORDER = Order(id="7", owner=Owner(name="Ann"))


async def test_each_branch_fills_its_field():
    clock = FakeClock(auto_jump=True)
    order = Method(clock, "Order", ORDER, after_s=0.3)
    owner = Method(clock, "Owner", ORDER, after_s=0.1)
    source = Method(clock, "Source", Source(tags=["a"]), response_type=Source)
    given = Given(
        clock,
        [
            branch("order", "Order"),
            branch("owner", "Owner", "owner"),
            branch("tags", "Source", "tags", answers=Source),
        ],
        [order, owner, source],
    )
    assert await given.answer() == Overview(order=ORDER, owner=ORDER.owner, tags=["a"])
    assert order.requests == [GetRequest(id="7")]
    assert clock.now() == pytest.approx(1000.3)  # beside each other
    assert given.caller.call.attempts == 3
    assert given.missing == []
    assert given.events == []


async def test_entries_are_asked_for_at_the_first_call_and_once():
    clock = FakeClock()
    given = Given(clock, [branch("order", "Order")], [Method(clock, "Order", ORDER)])
    assert given.asked_for == []
    for _ in range(2):
        await given.outcome()
    assert given.asked_for == ["compose.v1.Back/Order"]


async def test_a_required_branch_that_fails_ends_the_call_and_the_others():
    clock = FakeClock(auto_jump=True)
    slow = Method(clock, "Order", ORDER, after_s=1)
    broken = Method(clock, "Owner", failing(Code.NOT_FOUND), after_s=0.1)
    given = Given(
        clock, [branch("order", "Order"), branch("owner", "Owner", "owner")], [slow, broken]
    )
    error = await given.error()
    assert clock.now() == pytest.approx(1000.1)
    assert (slow.cancelled, slow.running) == (1, 0)
    assert error.code is Code.NOT_FOUND
    assert error.reason is Reason.UPSTREAM_STATUS
    assert error.origin is Origin.UPSTREAM
    assert error.upstream == "shop"
    assert error.message == (
        "the part 'owner' (compose.v1.Back/Owner) failed: upstream 'shop' answered 503"
    )


async def test_a_lost_call_may_have_had_an_effect_if_another_branch_was_attempted():
    for attempts, sent in ((0, Sent.NOT_SENT), (1, Sent.UNKNOWN)):
        clock = FakeClock(auto_jump=True)
        other = Method(clock, "Order", ORDER, after_s=1, attempts=attempts)
        broken = Method(clock, "Owner", failing(sent=Sent.NOT_SENT), after_s=0.1)
        given = Given(
            clock, [branch("order", "Order"), branch("owner", "Owner", "owner")], [other, broken]
        )
        assert (await given.error()).sent is sent


async def test_an_optional_branch_that_fails_is_left_out_and_named():
    clock = FakeClock(auto_jump=True)
    order = Method(clock, "Order", ORDER, after_s=0.3)
    broken = Method(clock, "Owner", failing(), after_s=0.1)
    given = Given(
        clock,
        [branch("owner", "Owner", "owner", Need.OPTIONAL), branch("order", "Order")],
        [order, broken],
    )
    assert await given.answer() == Overview(order=ORDER)
    assert given.missing == ["owner=UNAVAILABLE"]
    (event,) = given.events
    assert isinstance(event, PartMissing)
    assert (event.call, event.part) == (given.caller.call, "owner")
    assert event.outcome.error is not None
    assert order.cancelled == 0


async def test_missing_parts_are_named_in_the_order_of_the_branches():
    clock = FakeClock(auto_jump=True)
    methods = [
        Method(clock, "A", failing(), after_s=0.2),
        Method(clock, "B", failing(Code.INTERNAL), after_s=0.1),
    ]
    optional = Need.OPTIONAL
    branches = [branch("order", "A", need=optional), branch("owner", "B", "owner", optional)]
    given = Given(clock, branches, methods)
    assert await given.answer() == Overview()
    assert given.missing == ["order=UNAVAILABLE", "owner=INTERNAL"]


async def test_a_slow_optional_branch_is_left_out_before_the_deadline():
    clock = FakeClock(auto_jump=True)
    slow = Method(clock, "Owner", ORDER, after_s=60)
    given = Given(
        clock,
        [branch("order", "Order"), branch("owner", "Owner", "owner", Need.OPTIONAL)],
        [Method(clock, "Order", ORDER), slow],
        timeout_s=1.0,
    )
    assert await given.answer() == Overview(order=ORDER)
    assert clock.now() == pytest.approx(1000.95)
    assert given.missing == ["owner=DEADLINE_EXCEEDED"]
    assert slow.cancelled == 1


async def test_a_declared_reserve_is_kept():
    clock = FakeClock(auto_jump=True)
    given = Given(
        clock,
        [branch("order", "Order", need=Need.OPTIONAL)],
        [Method(clock, "Order", ORDER, after_s=60)],
        reserve_s=0.5,
    )
    assert await given.answer() == Overview()
    assert clock.now() == pytest.approx(1001.5)


async def test_a_slow_required_branch_fails_the_call_before_the_deadline():
    clock = FakeClock(auto_jump=True)
    given = Given(clock, [branch("order", "Order")], [Method(clock, "Order", ORDER, after_s=60)])
    error = await given.error()
    assert error.code is Code.DEADLINE_EXCEEDED
    assert "the part 'order'" in error.message
    assert clock.now() == pytest.approx(1001.9)


async def test_a_branch_has_a_timeout_of_its_own():
    clock = FakeClock(auto_jump=True)
    given = Given(
        clock,
        [
            branch("order", "Order"),
            branch("owner", "Owner", "owner", Need.OPTIONAL, timeout_s=0.2),
        ],
        [Method(clock, "Order", ORDER, after_s=0.1), Method(clock, "Owner", ORDER, after_s=60)],
    )
    assert await given.answer() == Overview(order=ORDER)
    assert clock.now() == pytest.approx(1000.2)


def votes(*, need=Need.QUORUM):
    return [
        branch("order", "A", need=need),
        branch("owner", "B", "owner", need),
        branch("note", "C", "id", need),
    ]


@pytest.mark.parametrize(
    ("failures", "quorum", "lost"),
    [(0, 3, False), (1, 3, True), (1, 2, False), (2, 2, True), (2, 1, False), (3, 1, True)],
)
async def test_a_quorum_must_answer(failures, quorum, lost):
    clock = FakeClock(auto_jump=True)
    methods = [
        Method(clock, name, failing() if i < failures else ORDER, after_s=0.1 * (i + 1))
        for i, name in enumerate("ABC")
    ]
    given = Given(clock, votes(), methods, quorum=quorum)
    if lost:
        error = await given.error()
        assert error.reason is Reason.QUORUM_MISSED
        assert error.code is Code.UNAVAILABLE
        assert clock.now() == pytest.approx(1000 + 0.1 * (4 - quorum))  # as soon as it is lost
    else:
        answer = await given.answer()
        assert answer.HasField("order") == (failures < 1)
        assert clock.now() == pytest.approx(1000.3)  # the rest was waited for
        assert len(given.missing) == failures


async def test_a_missed_quorum_has_the_code_of_the_last_failure_and_cancels_the_others():
    clock = FakeClock(auto_jump=True)
    last = failing(Code.RESOURCE_EXHAUSTED, transient=True, retry_after_s=3.0)
    slow = Method(clock, "C", ORDER, after_s=1)
    methods = [Method(clock, "A", failing()), Method(clock, "B", last, after_s=0.1), slow]
    error = await Given(clock, votes(), methods, quorum=2).error()
    assert error.code is Code.RESOURCE_EXHAUSTED
    assert (error.transient, error.retry_after_s, error.upstream) == (True, 3.0, "shop")
    assert error.message == (
        "2 of 3 parts are needed and 1 can answer; the part 'owner' (compose.v1.Back/B) failed: "
        "upstream 'shop' answered 503"
    )
    assert slow.cancelled == 1


def test_other_branches_do_not_count_for_the_quorum():
    branches = [branch("tags", "D", "tags", Need.OPTIONAL, answers=Source), *votes()]
    tally = Tally(FanOutOptions(branches=branches, new_answer=Overview, quorum=3))
    assert tally.ended(0, failed(failing())) is None
    assert tally.ended(1, SUCCESS) is None
    assert tally.ended(2, failed(failing())) is not None


async def test_a_cancel_ends_all_branches():
    clock = FakeClock()
    methods = [Method(clock, name, ORDER, after_s=60) for name in "ABC"]
    given = Given(clock, votes(need=Need.OPTIONAL), methods)
    task = asyncio.create_task(given.outcome())
    for _ in range(3):
        await asyncio.sleep(0)
    assert [method.running for method in methods] == [1, 1, 1]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [method.cancelled for method in methods] == [1, 1, 1]
    assert clock.pending == 0
    assert given.caller.answers == []
    assert given.events == []


async def test_a_fault_of_one_branch_ends_the_others_and_is_not_hidden():
    clock = FakeClock(auto_jump=True)
    slow = Method(clock, "A", ORDER, after_s=1)
    broken = Method(clock, "B", ZeroDivisionError())
    given = Given(clock, votes(need=Need.OPTIONAL), [slow, broken, Method(clock, "C", ORDER)])
    with pytest.raises(ZeroDivisionError):
        await given.outcome()
    assert slow.cancelled == 1
    assert clock.pending == 0


async def test_what_a_branch_says_of_its_own_parts_goes_on_with_its_field():
    clock = FakeClock()
    told = [("seawall-missing", "lines=INTERNAL"), ("seawall-answered-by", "cache"), ("etag", "x")]
    given = Given(clock, [branch("order", "Order")], [Method(clock, "Order", ORDER, trailing=told)])
    await given.answer()
    assert given.caller.call.trailing_metadata == [
        ("seawall-missing", "order.lines=INTERNAL"),
        ("seawall-answered-by", "order.cache"),
    ]


async def test_answers_that_are_too_large_together_are_refused():
    clock = FakeClock(auto_jump=True)
    size = ORDER.ByteSize()
    for room, fits in ((2 * size, True), (2 * size - 1, False)):
        methods = [Method(clock, name, ORDER, after_s=0.1) for name in "AB"]
        given = Given(clock, votes()[:2], methods, quorum=2, max_response_bytes=room)
        if fits:
            assert (await given.answer()).order == ORDER
        else:
            error = await given.error()
            assert error.reason is Reason.UPSTREAM_ANSWER_TOO_LARGE
            assert error.code is Code.RESOURCE_EXHAUSTED


async def test_branches_of_a_call_are_on_its_behalf():
    clock = FakeClock()
    method = Method(clock, "Order", ORDER)
    given = Given(clock, [branch("order", "Order")], [method])
    given.caller.call.metadata = [("authorization", "Bearer x")]
    given.caller.call.peer = "ipv4:10.0.0.1:1"
    await given.outcome()
    (call,) = method.asked
    assert call.metadata == [("authorization", "Bearer x")]
    assert call.peer == "ipv4:10.0.0.1:1"
    assert call.method.full_name == "compose.v1.Back/Order"
    assert call.deadline_at < given.caller.call.deadline_at
