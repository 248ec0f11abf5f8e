"""Composed methods behind and before the interceptors that they stand between."""

import asyncio

import pytest
from compose.v1.compose_pb2 import GetRequest, Order, Overview, OverviewRequest
from fakes.clock import FakeClock
from support.calls import Recorder
from unit.compose.calls import Caller, Method, entries, failing

from gateway.compose.chain import FallbackOptions, FixedStep, MethodStep
from gateway.compose.fallback import FallbackInterceptor
from gateway.compose.fan_out import BranchOptions, FanOutOptions, FanOutTarget, Need
from gateway.compose.mapping import compile_mapping
from gateway.compose.part import Entry
from gateway.core.errors import Reason
from gateway.core.events import AttemptEnded, Events, PartMissing
from gateway.core.outcome import SUCCESS
from gateway.core.status import Code
from gateway.interceptors.attempt import AttemptInterceptor, AttemptOptions
from gateway.interceptors.deadline import DeadlineInterceptor, DeadlineOptions

IDENTITY = compile_mapping(GetRequest.DESCRIPTOR, GetRequest.DESCRIPTOR, {})
ORDER = compile_mapping(Order.DESCRIPTOR, Order.DESCRIPTOR, {})
TO_GET = compile_mapping(OverviewRequest.DESCRIPTOR, GetRequest.DESCRIPTOR, {})


def around(interceptors, run):
    for interceptor in reversed(interceptors):

        async def bound(call, interceptor=interceptor, call_next=run):
            return await interceptor(call, call_next)

        run = bound
    return run


def rest(method, clock, events, *steps):
    """Return the entry of a method with attempts in front of it, and a fallback before them."""
    options = FallbackOptions(steps=steps, idempotent=True)
    fallback = [FallbackInterceptor(options, entries(), entries(), clock, events)] if steps else []
    attempt = AttemptInterceptor(AttemptOptions(upstream="shop"), clock, events)
    run = around([*fallback, attempt], method.entry.run)
    return Entry(method.entry.method, run, GetRequest, Order)


def front(clock, events, entry_of, *branches):
    target = FanOutTarget(
        FanOutOptions(
            branches=[
                BranchOptions(
                    method=f"compose.v1.Back/{method}",
                    field=field,
                    request=TO_GET,
                    answer=compile_mapping(Order.DESCRIPTOR, Overview.DESCRIPTOR, {field: taken}),
                    need=need,
                )
                for field, method, taken, need in branches
            ],
            new_answer=Overview,
        ),
        entry_of,
        clock,
        events,
    )
    deadline = DeadlineInterceptor(DeadlineOptions(default_s=1), clock)
    return around([deadline], target)


async def test_a_partial_answer_arrives_before_the_callers_deadline():
    clock = FakeClock(auto_jump=True)
    heard = Recorder()
    events = Events([heard])
    slow = Method(clock, "Slow", Order(), after_s=60, attempts=0)
    quick = Method(clock, "Quick", Order(id="7"), attempts=0)
    found = {
        "compose.v1.Back/Slow": rest(slow, clock, events),
        "compose.v1.Back/Quick": rest(quick, clock, events),
    }
    run = front(
        clock,
        events,
        found.__getitem__,
        ("order", "Quick", "", Need.REQUIRED),
        ("owner", "Slow", "owner", Need.OPTIONAL),
    )
    caller = Caller(clock, OverviewRequest(id="7"), 1.0)
    assert await run(caller.call) is SUCCESS
    assert clock.now() < caller.call.deadline_at < caller.call.client_deadline_at
    assert caller.answer(Overview) == Overview(order=Order(id="7"))
    assert caller.call.trailing_metadata == [("seawall-missing", "owner=DEADLINE_EXCEEDED")]
    (missing,) = (event for event in heard if isinstance(event, PartMissing))
    assert missing.outcome.error.reason is Reason.ATTEMPT_TIMEOUT
    assert missing.outcome.error.upstream == "shop"
    assert len([event for event in heard if isinstance(event, AttemptEnded)]) == 2
    assert caller.call.attempts == 2
    assert slow.cancelled == 1
    assert clock.pending == 0


async def test_a_branch_falls_back_by_its_own_chain():
    clock = FakeClock(auto_jump=True)
    events = Events()
    broken = Method(clock, "Broken", failing(transient=True), attempts=0)
    fixed = FixedStep(name="fixed", answer=Order(id="fixed").SerializeToString())
    found = {"compose.v1.Back/Broken": rest(broken, clock, events, fixed)}
    branch = ("order", "Broken", "", Need.REQUIRED)
    run = front(clock, events, found.__getitem__, branch)
    caller = Caller(clock, OverviewRequest(id="7"))
    assert await run(caller.call) is SUCCESS
    assert caller.answer(Overview) == Overview(order=Order(id="fixed"))
    assert caller.call.trailing_metadata == [("seawall-answered-by", "order.fixed")]


async def test_a_method_falls_back_to_a_method_that_falls_back():
    clock = FakeClock()
    events = Events()
    fixed = FixedStep(name="fixed", answer=Order(id="fixed").SerializeToString())
    inner = rest(Method(clock, "Inner", failing(Code.INTERNAL)), clock, events, fixed)
    outer = FallbackInterceptor(
        FallbackOptions(
            steps=[
                MethodStep(
                    name="inner",
                    method="compose.v1.Back/Inner",
                    request=IDENTITY,
                    response=ORDER,
                )
            ],
            idempotent=True,
        ),
        lambda _name: inner,
        entries(),
        clock,
        events,
    )
    caller = Caller(clock, GetRequest(id="7"))
    assert await outer(caller.call, Method(clock, "Outer", failing()).entry.run) is SUCCESS
    assert caller.call.trailing_metadata == [
        ("seawall-answered-by", "fixed"),
        ("seawall-answered-by", "inner"),
    ]
    assert clock.pending == 0


async def test_many_cancelled_calls_leave_nothing_behind():
    clock = FakeClock()
    events = Events()
    slow = Method(clock, "Slow", Order(), after_s=60, attempts=0)
    found = {"compose.v1.Back/Slow": rest(slow, clock, events)}
    branches = [("order", "Slow", "", Need.OPTIONAL), ("owner", "Slow", "owner", Need.REQUIRED)]
    run = front(clock, events, found.__getitem__, *branches)
    before = len(asyncio.all_tasks())
    for turns in range(50):
        task = asyncio.create_task(run(Caller(clock, OverviewRequest(id="7")).call))
        for _ in range(turns % 7):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert len(asyncio.all_tasks()) == before
    assert slow.running == 0
    assert clock.pending == 0
