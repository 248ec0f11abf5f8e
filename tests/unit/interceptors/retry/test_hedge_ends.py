"""How a hedged try ends from outside, and when two ends fall together: nothing is leaked."""

import asyncio
from dataclasses import replace

import pytest
from fakes.clock import FakeClock
from support.calls import Script, answered, reset
from unit.interceptors.retry.hedging import DELAY_S, FIXED, Bench

from gateway.core.call import Call
from gateway.core.events import Events
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.core.status import Code
from gateway.interceptors.attempt import AttemptInterceptor, AttemptOptions
from gateway.interceptors.deadline import DeadlineInterceptor, DeadlineOptions

# Two attempts that end when they are told, in whichever order.


class Told:
    """A first attempt and a hedge that wait to be told how they end."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        loop = asyncio.get_running_loop()
        self.first: asyncio.Future[Outcome] = loop.create_future()
        self.hedge: asyncio.Future[Outcome] = loop.create_future()
        self.cancelled: list[str] = []

    async def __call__(self, call: Call) -> Outcome:
        call.attempts += 1
        first = type(call) is Call
        try:
            outcome = await (self.first if first else self.hedge)
        except asyncio.CancelledError:
            self.cancelled.append("first" if first else "hedge")
            raise
        if outcome.error is None:
            await call.send(b"first" if first else b"hedge")
        return outcome


async def settle(turns: int = 12) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


async def both_running(bench: Bench, told: Told, call: Call) -> "asyncio.Task[Outcome]":
    task = asyncio.ensure_future(bench.hedge(call, told))
    await settle()
    bench.clock.advance(DELAY_S)
    await settle()
    assert len(bench.sent) == 1
    return task


@pytest.mark.parametrize("first_ends_first", [True, False])
@pytest.mark.parametrize("first", [SUCCESS, failed(answered(404)), failed(reset())])
@pytest.mark.parametrize("hedge", [SUCCESS, failed(answered(404)), failed(reset())])
async def test_two_ends_in_one_turn_deliver_one_answer(first, hedge, first_ends_first):
    bench = Bench(auto_jump=False)
    told = Told(bench)
    task = await both_running(bench, told, bench.call())
    ends = [(told.first, first), (told.hedge, hedge)]
    for future, outcome in ends if first_ends_first else reversed(ends):
        future.set_result(outcome)
    outcome = await task
    bench.check_clean()
    order = [(b"first", first), (b"hedge", hedge)]
    if not first_ends_first:
        order.reverse()
    decisive = [(name, o) for name, o in order if o.error is None or o.error.http_status == 404]
    name, expected = decisive[0] if decisive else order[-1]
    assert outcome is expected
    assert bench.delivered == ([name] if expected is SUCCESS else [])
    assert bench.won == [bool(decisive) and name == b"hedge"]


async def test_a_first_attempt_that_is_delivering_is_not_ended_by_its_hedge():
    bench = Bench(auto_jump=False)
    gate = asyncio.get_running_loop().create_future()
    delivered = []

    async def slow_sink(payload: bytes) -> None:
        await gate  # the transport has no room yet
        delivered.append(payload)

    now = bench.clock.now()
    call = Call(bench.call().method, slow_sink, arrived_at=now, deadline_at=now + 60)
    told = Told(bench)
    task = await both_running(bench, told, call)
    told.first.set_result(SUCCESS)
    await settle()
    told.hedge.set_result(SUCCESS)
    await settle()
    gate.set_result(None)
    assert await task is SUCCESS
    assert delivered == [b"first"]
    assert told.cancelled == []
    bench.check_clean()


async def test_no_hedge_is_sent_beside_an_attempt_that_is_delivering():
    bench = Bench(auto_jump=False)
    gate = asyncio.get_running_loop().create_future()

    async def delivering(call: Call) -> Outcome:
        call.sent += 1
        await gate
        return SUCCESS

    task = asyncio.ensure_future(bench.hedge(bench.call(), Script(delivering)))
    await settle()
    bench.clock.advance(DELAY_S * 3)
    await settle()
    gate.set_result(None)
    assert await task is SUCCESS
    assert bench.events == []
    bench.check_clean()


async def test_an_attempt_that_delivers_although_it_was_ended_is_the_answer():
    bench = Bench(auto_jump=False)
    told = Told(bench)

    async def stubborn(call: Call) -> Outcome:
        if type(call) is not Call:
            return await told(call)
        call.attempts += 1
        try:
            await told.first
        except asyncio.CancelledError:
            await call.send(b"first")
        return SUCCESS

    task = asyncio.ensure_future(bench.hedge(bench.call(), stubborn))
    await settle()
    bench.clock.advance(DELAY_S)
    await settle()
    told.hedge.set_result(SUCCESS)
    assert await task is SUCCESS
    assert bench.delivered == [b"first"]
    assert bench.won == [False]
    bench.check_clean()


async def test_a_first_attempt_that_fails_after_it_delivered_waits_for_no_hedge():
    bench = Bench()
    error = reset()

    async def half(call: Call) -> Outcome:
        await bench.clock.sleep(DELAY_S + 0.01)
        await call.send(b"half")
        return failed(error)

    outcome = await bench.run(half, bench.attempt("hedge", 5))
    assert outcome.error is error
    assert (bench.delivered, bench.ended) == ([b"half"], ["hedge!"])


async def test_no_further_hedge_is_sent_while_a_first_attempt_that_lost_still_closes():
    bench = Bench(replace(FIXED, max_hedges=3))

    async def slow_to_close(call: Call) -> Outcome:
        try:
            return await bench.attempt("first", 10)(call)
        finally:
            await bench.clock.sleep(5 * DELAY_S)

    assert await bench.run(slow_to_close, bench.attempt("hedge", 0.01)) is SUCCESS
    assert len(bench.sent) == 1


# The caller's cancel.


async def test_a_cancel_before_the_delay_ends_the_first_attempt_and_its_timer():
    bench = Bench(auto_jump=False)
    task = asyncio.ensure_future(bench.hedge(bench.call(), Script(bench.attempt("first", 10))))
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.ended == ["first!"]
    bench.check_clean()


@pytest.mark.parametrize("hedges", [1, 3])
async def test_a_cancel_ends_the_first_attempt_and_every_hedge(hedges):
    bench = Bench(replace(FIXED, max_hedges=hedges), auto_jump=False)
    script = Script(bench.attempt("first", 10), bench.attempt("hedge", 10))
    task = asyncio.ensure_future(bench.hedge(bench.call(), script))
    for _ in range(hedges):
        await settle()
        bench.clock.advance(DELAY_S)
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.ended == ["first!", *["hedge!"] * hedges]
    assert bench.won == [False] * hedges
    bench.check_clean()


async def test_a_cancel_while_the_hedge_is_waited_for_ends_it():
    bench = Bench(auto_jump=False)
    told = Told(bench)
    task = await both_running(bench, told, bench.call())
    told.first.set_result(failed(reset()))
    await settle()
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told.cancelled == ["hedge"]
    bench.check_clean()


async def test_a_cancel_while_a_loser_closes_waits_for_it_and_goes_on():
    bench = Bench(auto_jump=False)
    closing = asyncio.get_running_loop().create_future()
    closed = []

    async def slow_to_close(_call: Call) -> Outcome:
        try:
            return await asyncio.get_running_loop().create_future()
        finally:
            await closing
            closed.append(True)

    script = Script(bench.attempt("first", DELAY_S + 0.01), slow_to_close)
    task = asyncio.ensure_future(bench.hedge(bench.call(), script))
    await settle()
    bench.clock.advance(DELAY_S)
    await settle()
    bench.clock.advance(0.01)
    await settle()
    task.cancel()
    await settle()
    assert not task.done()
    closing.set_result(None)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed == [True]
    bench.check_clean()


@pytest.mark.parametrize("cancel_first", [True, False])
async def test_a_cancel_in_the_turn_in_which_the_hedge_wins_is_not_lost(cancel_first):
    bench = Bench(auto_jump=False)
    told = Told(bench)
    task = await both_running(bench, told, bench.call())
    loop = asyncio.get_running_loop()
    if cancel_first:
        told.hedge.set_result(SUCCESS)
        task.cancel()
    else:
        told.hedge.set_result(SUCCESS)  # its task goes on in the next turn, and then the cancel
        loop.call_soon(task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.delivered == []
    bench.check_clean()


async def test_no_task_or_timer_is_left_of_ten_thousand_cancelled_calls():
    bench = Bench(auto_jump=False)
    never: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    async def forever(call: Call) -> Outcome:
        call.attempts += 1
        return await asyncio.shield(never)

    for _ in range(20):
        tasks = [asyncio.ensure_future(bench.hedge(bench.call(), forever)) for _ in range(500)]
        await asyncio.sleep(0)
        bench.clock.advance(DELAY_S)
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        assert {type(e) for e in await asyncio.gather(*tasks, return_exceptions=True)} == {
            asyncio.CancelledError
        }
    assert len(bench.sent) == len(bench.won) == 10_000
    bench.check_clean()


# The deadline.


def hedged_pipeline(bench: Bench, target, *, with_attempt: bool):
    """Return a call's way: deadline, hedge, perhaps attempt, target."""
    deadline = DeadlineInterceptor(DeadlineOptions(margin_s=0), bench.clock)
    attempt = AttemptInterceptor(AttemptOptions(upstream="shop"), bench.clock, Events())

    async def counted(call: Call) -> Outcome:
        if with_attempt:
            return await attempt(call, target)
        call.attempts += 1
        return await target(call)

    return lambda call: deadline(call, lambda call: bench.hedge(call, counted))


@pytest.mark.parametrize("with_attempt", [True, False])
async def test_the_deadline_ends_the_first_attempt_and_the_hedge(with_attempt):
    bench = Bench()
    attempts = iter([bench.attempt("first", 100), bench.attempt("hedge", 100)])

    async def target(call: Call) -> Outcome:
        return await next(attempts)(call)

    run = hedged_pipeline(bench, target, with_attempt=with_attempt)
    outcome = await run(bench.call(timeout_s=0.9))
    assert outcome.error is not None
    assert outcome.error.code is Code.DEADLINE_EXCEEDED
    assert sorted(bench.ended) == ["first!", "hedge!"]
    assert bench.won == [False]
    bench.check_clean()


def deadline_by(when: str, clock: FakeClock) -> None:
    """Let the deadline come now, or as soon as the hedge has ended the first attempt."""
    if when == "before":
        clock.advance(60)
    else:
        asyncio.get_running_loop().call_soon(clock.advance, 60)


@pytest.mark.parametrize("with_attempt", [True, False])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("end", [SUCCESS, failed(answered(404))])
async def test_a_hedge_that_decides_in_the_turn_of_the_deadline_leaves_nothing_behind(
    end, when, with_attempt
):
    bench = Bench(auto_jump=False)
    told = Told(bench)

    async def target(call: Call) -> Outcome:
        if type(call) is Call:
            return await told.first
        await told.hedge
        deadline_by(when, bench.clock)
        if end is SUCCESS:
            await call.send(b"hedge")
        return end

    run = hedged_pipeline(bench, target, with_attempt=with_attempt)
    after = []

    async def caller() -> Outcome:
        outcome = await run(bench.call(timeout_s=30))
        await asyncio.sleep(0)  # a cancellation that was left behind would come here
        current = asyncio.current_task()
        assert current is not None
        after.append(current.cancelling())
        return outcome

    task = asyncio.ensure_future(caller())
    await settle()
    bench.clock.advance(DELAY_S)
    await settle()
    told.hedge.set_result(SUCCESS)
    outcome = await task
    assert after == [0]
    # Either came first: the caller is told of one of them, and gets an answer only with OK.
    if outcome is end:
        assert bench.delivered == ([b"hedge"] if end is SUCCESS else [])
    else:
        assert outcome.error is not None
        assert outcome.error.code is Code.DEADLINE_EXCEEDED
        assert bench.delivered == []
    bench.check_clean()


async def test_a_hedge_ends_by_itself_before_the_deadline_of_the_call():
    bench = Bench()
    attempts = iter([bench.attempt("first", 0.2, reset()), bench.attempt("hedge", 100)])

    async def target(call: Call) -> Outcome:
        return await next(attempts)(call)

    begun = bench.clock.now()
    run = hedged_pipeline(bench, target, with_attempt=True)
    outcome = await run(bench.call(timeout_s=0.9))
    assert bench.clock.now() < begun + 0.9
    assert outcome.error is not None
    assert outcome.error.code is Code.DEADLINE_EXCEEDED
    assert outcome.error.upstream == "shop"
    bench.check_clean()
