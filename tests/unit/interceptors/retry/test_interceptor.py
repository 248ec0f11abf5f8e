import asyncio
from dataclasses import replace

import pytest
from fakes.clock import FakeClock, FakeRng
from support.calls import METHOD, Recorder, Script, answered, new_call, refused, reset

from gateway.core.call import Call
from gateway.core.errors import CallError, Reason, Sent, invalid_request
from gateway.core.errors import refused as refused_by_us
from gateway.core.events import Events, RetryGivenUp, RetryScheduled
from gateway.core.outcome import SUCCESS, Kind, Outcome, failed
from gateway.core.status import Code
from gateway.interceptors.retry import (
    Jitter,
    RetryBudget,
    RetryBudgetOptions,
    RetryInterceptor,
    RetryOptions,
)

IDEMPOTENT = RetryOptions(idempotent=True)
UNSAFE = RetryOptions(idempotent=False)
OPEN = refused_by_us(
    Code.UNAVAILABLE, Reason.BREAKER_OPEN, "the breaker is open", retry_after_s=0.4
)


async def run(options, *ends, timeout_s=60.0, draws=(0.5,), budget=None):
    clock = FakeClock(auto_jump=True)
    recorder = Recorder()
    script = Script(*ends)
    call = new_call(clock, timeout_s=timeout_s)
    interceptor = RetryInterceptor(options, clock, FakeRng(draws), Events([recorder]), budget)
    outcome = await interceptor(call, script)
    return outcome, script.attempts, clock, recorder


async def test_a_success_is_not_repeated():
    outcome, attempts, clock, _ = await run(IDEMPOTENT, None)
    assert (outcome.error, attempts, clock.slept) == (None, 1, [])


@pytest.mark.parametrize("error", [answered(503), refused(), reset()])
async def test_a_client_stream_whose_messages_are_gone_is_not_repeated(error):
    async def spends(call: Call) -> Outcome:
        call.requests_spent = True
        return failed(error)

    outcome, attempts, _, _ = await run(IDEMPOTENT, spends)
    assert attempts == 1
    assert outcome.error is not None
    assert outcome.error.message.endswith("part of the caller's stream was already sent")


async def test_attempts_stop_at_the_first_success():
    outcome, attempts, _, recorder = await run(IDEMPOTENT, answered(503), answered(502), None)
    assert (outcome.error, attempts) == (None, 3)
    assert [type(e) for e in recorder] == [RetryScheduled, RetryScheduled]


async def test_max_attempts_counts_the_first():
    outcome, attempts, _, recorder = await run(IDEMPOTENT, answered(503))
    assert attempts == 3
    assert outcome.error is not None
    assert outcome.error.message.endswith("all 3 attempts are spent")
    assert isinstance(recorder[-1], RetryGivenUp)


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_retryable_statuses_are_repeated_for_idempotent_methods_only(status):
    assert (await run(IDEMPOTENT, answered(status), None))[1] == 2
    outcome, attempts, _, _ = await run(UNSAFE, answered(status), None)
    assert attempts == 1
    assert outcome.error is not None
    assert "not idempotent" in outcome.error.message


@pytest.mark.parametrize("retry_after_s", [None, 1])
async def test_other_statuses_are_never_repeated(retry_after_s):
    others = [*range(300, 429), *range(430, 502), *range(505, 600)]
    for status in others:  # 408, which is transient, among them
        error = replace(answered(status, retry_after_s), transient=True)
        outcome, attempts, _, recorder = await run(IDEMPOTENT, error, None)
        assert (status, attempts) == (status, 1)
        assert outcome.error is not None
        assert recorder == []


async def test_a_connection_that_never_came_to_be_is_repeated_for_every_method():
    assert (await run(UNSAFE, refused(), None))[1] == 2


async def test_a_reset_is_repeated_for_idempotent_methods_only():
    assert (await run(IDEMPOTENT, reset(), None))[1] == 2
    assert (await run(UNSAFE, reset(), None))[1] == 1


async def test_429_is_repeated_only_when_it_says_when():
    assert (await run(IDEMPOTENT, answered(429), None))[1] == 1
    _, attempts, clock, _ = await run(IDEMPOTENT, answered(429, retry_after_s=2), None)
    assert attempts == 2
    assert clock.slept == [pytest.approx(2.05)]


async def test_429_was_refused_so_every_method_may_repeat_it():
    assert (await run(UNSAFE, answered(429, retry_after_s=1), None))[1] == 2


@pytest.mark.parametrize(("draw", "slept_s"), [(0.0, 3), (0.5, 3.05), (1.0, 3.1)])
async def test_the_backoff_comes_on_top_of_retry_after(draw, slept_s):
    _, _, clock, _ = await run(IDEMPOTENT, answered(503, retry_after_s=3), None, draws=[draw])
    assert clock.slept == [pytest.approx(slept_s)]


async def test_those_who_were_told_the_same_do_not_come_back_in_the_same_instant():
    clock = FakeClock(auto_jump=True)
    draws = FakeRng([number / 50 for number in range(50)])
    interceptor = RetryInterceptor(IDEMPOTENT, clock, draws, Events())
    calls = [new_call(clock, timeout_s=15) for _ in range(50)]
    came = []

    async def told_when(call: Call) -> Outcome:
        call.attempts += 1
        if call.attempts == 1:
            return failed(answered(503, retry_after_s=1))
        came.append(clock.now() - call.arrived_at)
        return SUCCESS

    await asyncio.gather(*(interceptor(call, told_when) for call in calls))
    assert len(set(came)) == 50
    assert 1 <= min(came) < 1.01
    assert 1.09 < max(came) <= 1.1


async def test_a_draw_never_costs_the_retry_that_retry_after_leaves_time_for():
    outcome, attempts, clock, _ = await run(
        IDEMPOTENT, answered(503, retry_after_s=3), None, timeout_s=3.04, draws=[1.0]
    )
    assert (outcome.error, attempts) == (None, 2)
    assert clock.slept == [pytest.approx(3.02)]  # half of what is left, for the attempt


async def test_a_retry_after_beyond_the_bound_is_told_and_not_waited_for():
    outcome, attempts, clock, _ = await run(IDEMPOTENT, answered(503, retry_after_s=11), None)
    assert (attempts, clock.slept) == (1, [])
    assert outcome.error is not None
    assert outcome.error.retry_after_s == 11


async def test_a_retry_that_cannot_finish_is_not_begun():
    outcome, attempts, clock, _ = await run(
        IDEMPOTENT, answered(503, retry_after_s=5), None, timeout_s=4
    )
    assert (attempts, clock.slept) == (1, [])
    assert outcome.error is not None
    assert "deadline would pass" in outcome.error.message
    assert outcome.error.retry_after_s == 5


async def test_the_callers_own_mistake_is_never_repeated():
    assert (await run(IDEMPOTENT, invalid_request("no"), None))[1] == 1


async def test_the_gateways_own_rejection_is_never_repeated():
    rejection = CallError(Code.UNAVAILABLE, Reason.DRAINING, "draining", transient=True)
    assert (await run(IDEMPOTENT, rejection, None))[1] == 1


async def test_nothing_is_repeated_once_the_caller_has_part_of_the_answer():
    async def half(call: Call) -> Outcome:
        await call.send(b"1")
        return failed(reset())

    outcome, attempts, _, recorder = await run(IDEMPOTENT, half, None)
    assert attempts == 1
    assert isinstance(recorder[0], RetryGivenUp)
    assert outcome.error is not None
    assert "already delivered" in outcome.error.message


async def test_waits_are_drawn_from_a_bound_that_grows():
    options = replace(IDEMPOTENT, max_attempts=6, max_backoff_s=0.5)
    _, _, clock, _ = await run(options, answered(503), draws=[1.0])
    assert clock.slept == pytest.approx([0.1, 0.2, 0.4, 0.5, 0.5])


async def test_a_decorrelated_wait_grows_from_the_one_before():
    options = replace(IDEMPOTENT, max_attempts=4, jitter=Jitter.DECORRELATED)
    _, _, clock, _ = await run(options, answered(503), draws=[1.0])
    assert clock.slept == pytest.approx([0.3, 0.9, 2.0])


async def test_a_cancel_ends_the_wait():
    clock = FakeClock()
    script = Script(answered(503), None)
    interceptor = RetryInterceptor(IDEMPOTENT, clock, FakeRng(), Events())
    task = asyncio.ensure_future(interceptor(new_call(clock, timeout_s=60), script))
    while not clock.slept:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert script.attempts == 1
    assert clock.pending == 0


async def test_a_reset_in_the_middle_of_a_unary_answer_is_repeated_like_any_other():
    delivered = []

    async def sink(payload: bytes) -> None:
        delivered.append(payload)

    async def half_read(call: Call) -> Outcome:
        # What came of the body stays with the attempt: nothing was sent to the caller.
        assert call.sent == 0
        return failed(reset())

    async def whole(call: Call) -> Outcome:
        await call.send(b"whole")
        return SUCCESS

    clock = FakeClock(auto_jump=True)
    call = Call(METHOD, sink, arrived_at=clock.now())
    interceptor = RetryInterceptor(IDEMPOTENT, clock, FakeRng(), Events())
    outcome = await interceptor(call, Script(half_read, whole))
    assert outcome is SUCCESS
    assert delivered == [b"whole"]


# The budget.


def budget_of(count: float) -> RetryBudget:
    return RetryBudget(RetryBudgetOptions(share=0, min_per_s=count, window_s=1))


async def test_a_retry_is_taken_from_the_budget_when_it_is_scheduled():
    budget = budget_of(1)
    clock = FakeClock()
    interceptor = RetryInterceptor(IDEMPOTENT, clock, FakeRng([1.0]), Events(), budget)
    task = asyncio.ensure_future(interceptor(new_call(clock), Script(answered(503), None)))
    while not clock.slept:
        await asyncio.sleep(0)
    assert budget.remaining(clock.now()) == 0  # and the backoff has only begun
    clock.advance(0.1)
    assert (await task).error is None


async def test_an_empty_budget_tells_the_failure_as_it_is():
    outcome, attempts, clock, recorder = await run(IDEMPOTENT, answered(503), budget=budget_of(0))
    assert (attempts, clock.slept) == (1, [])
    assert outcome.error is not None
    assert outcome.error.http_status == 503
    assert outcome.error.message.endswith("answered 503; the retry budget is empty")
    assert isinstance(recorder[0], RetryGivenUp)
    assert recorder[0].why == "the retry budget is empty"


async def test_an_empty_budget_never_costs_a_first_attempt():
    outcome, attempts, _, _ = await run(IDEMPOTENT, None, budget=budget_of(0))
    assert (outcome.error, attempts) == (None, 1)


async def test_what_was_never_sent_is_repeated_without_the_budget():
    outcome, attempts, _, _ = await run(IDEMPOTENT, refused(), None, budget=budget_of(0))
    assert (outcome.error, attempts) == (None, 2)


async def test_a_failure_that_is_not_repeated_takes_nothing():
    budget = budget_of(1)
    await run(IDEMPOTENT, answered(404), budget=budget)
    await run(UNSAFE, reset(), budget=budget)
    await run(IDEMPOTENT, answered(503, retry_after_s=5), timeout_s=4, budget=budget)
    assert budget.remaining(1000.0) == 1


@pytest.mark.parametrize(("previous_attempts", "deposited"), [(0, 0.5), (1, 0.0), (3, 0.0)])
async def test_a_call_deposits_once_unless_its_caller_says_it_is_a_retry(
    previous_attempts, deposited
):
    budget = RetryBudget(RetryBudgetOptions(share=0.5, min_per_s=0, window_s=10))
    clock = FakeClock(auto_jump=True)
    call = new_call(clock)
    call.previous_attempts = previous_attempts
    interceptor = RetryInterceptor(IDEMPOTENT, clock, FakeRng(), Events(), budget)
    await interceptor(call, Script(refused(), refused(), None))
    assert call.attempts == 3
    assert budget.remaining(clock.now()) == deposited


class Deposits(RetryBudget):
    """A budget that notes when each deposit was made."""

    def __init__(self) -> None:
        super().__init__(RetryBudgetOptions(share=0.5, min_per_s=0))
        self.at: list[float] = []

    def deposit(self, now: float) -> None:
        self.at.append(now)
        super().deposit(now)


async def test_what_the_gateway_refused_deposits_nothing():
    budget = Deposits()
    clock = FakeClock()

    async def open_breaker(_call: Call) -> Outcome:
        return failed(OPEN)

    interceptor = RetryInterceptor(IDEMPOTENT, clock, FakeRng(), Events(), budget)
    for _ in range(100):
        assert (await interceptor(new_call(clock), open_breaker)).error is not None
    assert (budget.at, budget.remaining(clock.now())) == ([], 0)


@pytest.mark.parametrize(("sent", "deposits"), [(True, 1), (False, 0)])
async def test_a_cancelled_call_deposits_if_it_was_sent(sent, deposits):
    budget = Deposits()
    clock = FakeClock()

    async def waits(call: Call) -> Outcome:
        call.attempts += sent  # else it waits for its turn
        await clock.sleep(10)
        return SUCCESS

    interceptor = RetryInterceptor(IDEMPOTENT, clock, FakeRng(), Events(), budget)
    task = asyncio.ensure_future(interceptor(new_call(clock), waits))
    while not clock.slept:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(budget.at) == deposits


async def test_a_calls_own_deposit_can_pay_for_its_retry():
    budget = RetryBudget(RetryBudgetOptions(share=1, min_per_s=0))
    assert (await run(IDEMPOTENT, answered(503), None, budget=budget))[1] == 2


async def test_all_methods_of_an_upstream_spend_one_budget():
    budget = budget_of(1)
    assert (await run(IDEMPOTENT, answered(503), None, budget=budget))[1] == 2
    assert (await run(replace(IDEMPOTENT, max_attempts=9), reset(), None, budget=budget))[1] == 1


# Refused meanwhile.


async def test_a_later_attempt_that_the_gateway_refuses_does_not_hide_what_failed():
    outcome, attempts, _, recorder = await run(IDEMPOTENT, answered(503), OPEN, None)
    assert attempts == 2
    assert outcome.kind is Kind.FAILURE
    assert outcome.error is not None
    assert outcome.error.http_status == 503
    assert outcome.error.message == "upstream 'shop' answered 503; then the breaker is open"
    assert outcome.error.retry_after_s == 0.4  # the refusal's, as the failure has none
    assert outcome.error.pushback_s == 0.4
    assert isinstance(recorder[-1], RetryGivenUp)


async def test_a_failures_own_delay_goes_before_the_refusals():
    outcome, _, _, _ = await run(IDEMPOTENT, answered(503, retry_after_s=2), OPEN)
    assert outcome.error is not None
    assert outcome.error.retry_after_s == 2


async def test_what_is_told_is_the_last_failure_of_the_upstream():
    outcome, attempts, _, _ = await run(IDEMPOTENT, answered(503), answered(502), OPEN)
    assert attempts == 3
    assert outcome.error is not None
    assert outcome.error.http_status == 502


async def test_a_first_attempt_that_the_gateway_refuses_is_told_as_it_is():
    refusal = replace(OPEN, retry_after_s=None)
    outcome, attempts, _, recorder = await run(IDEMPOTENT, refusal, None)
    assert attempts == 1
    assert outcome.error is refusal
    assert recorder == []


async def test_a_later_attempt_that_delivered_until_the_deadline_is_told_as_it_is():
    over = CallError(
        Code.DEADLINE_EXCEEDED,
        Reason.ATTEMPT_TIMEOUT,
        "upstream 'shop' did not answer within 4 s",
        sent=Sent.UNKNOWN,
        transient=True,
    )
    outcome, attempts, _, _ = await run(IDEMPOTENT, answered(503), over)
    assert attempts == 2
    assert outcome.error is over  # the gateway's, and no refusal


# Pushback (gRFC A6).


@pytest.mark.parametrize(
    ("options", "error", "pushback_s"),
    [
        (IDEMPOTENT, answered(503), -1),  # the attempts are spent
        (IDEMPOTENT, answered(503, retry_after_s=1), -1),  # and that goes before any delay
        (replace(IDEMPOTENT, max_attempts=1), answered(503), -1),
        (IDEMPOTENT, answered(503, retry_after_s=11), 11),  # too long for the gateway to wait
        (UNSAFE, answered(503, retry_after_s=2), 2),
        (UNSAFE, answered(503), None),  # left to the caller
        (IDEMPOTENT, answered(404), None),
        (IDEMPOTENT, OPEN, 0.4),
        (replace(IDEMPOTENT, pushback=False), answered(503), None),
        (replace(IDEMPOTENT, pushback=False), answered(503, retry_after_s=11), None),
    ],
)
async def test_callers_that_retry_are_told_when_to_or_not_to(options, error, pushback_s):
    outcome, _, _, _ = await run(options, error)
    assert outcome.error is not None
    assert outcome.error.pushback_s == pushback_s
    assert error.pushback_s is None  # errors are shared between callers and stay as they are


async def test_a_spent_budget_tells_callers_not_to_retry():
    outcome, _, _, _ = await run(IDEMPOTENT, answered(503, retry_after_s=1), budget=budget_of(0))
    assert outcome.error is not None
    assert outcome.error.pushback_s == -1


async def test_a_success_after_a_retry_says_nothing_of_it():
    outcome, _, _, _ = await run(IDEMPOTENT, answered(503), None)
    assert outcome is SUCCESS
