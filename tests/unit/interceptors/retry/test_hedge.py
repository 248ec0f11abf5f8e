"""What a hedged try comes to; its cancellations and races stand in test_hedge_ends.py."""

import asyncio
import gc
from dataclasses import replace

import pytest
from fakes.clock import FakeRng
from support.calls import Script, answered, refused, reset
from unit.interceptors.retry.hedging import DELAY_S, FIXED, WRITING, Bench

from gateway.core.call import Call, SubCall
from gateway.core.criticality import Criticality
from gateway.core.errors import Reason
from gateway.core.errors import refused as refused_by_us
from gateway.core.events import Events
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.core.status import Code
from gateway.interceptors.retry import (
    HedgeOptions,
    RetryBudget,
    RetryBudgetOptions,
    RetryInterceptor,
    RetryOptions,
)

OPEN = refused_by_us(Code.UNAVAILABLE, Reason.BREAKER_OPEN, "open", retry_after_s=None)


class Address:
    def __init__(self, address: str) -> None:
        self.address = address


async def test_a_fast_first_attempt_gets_no_hedge():
    bench = Bench()
    assert await bench.run(bench.attempt("first", DELAY_S - 0.01)) is SUCCESS
    assert bench.delivered == [b"first"]
    assert bench.events == []


async def test_a_slow_first_attempt_gets_a_hedge_and_the_first_answer_is_the_callers():
    bench = Bench()
    begun = bench.clock.now()
    outcome = await bench.run(bench.attempt("first", 10), bench.attempt("hedge", 0.02))
    assert outcome is SUCCESS
    assert bench.delivered == [b"hedge"]
    assert bench.ended == ["hedge", "first!"]
    assert bench.clock.now() == pytest.approx(begun + DELAY_S + 0.02)
    assert [(e.attempt, e.delay_s) for e in bench.sent] == [(2, pytest.approx(DELAY_S))]
    assert bench.won == [True]


async def test_a_first_attempt_that_wins_ends_its_hedge():
    bench = Bench()
    outcome = await bench.run(bench.attempt("first", 0.06), bench.attempt("hedge", 10))
    assert outcome is SUCCESS
    assert bench.delivered == [b"first"]
    assert bench.ended == ["first", "hedge!"]
    assert bench.won == [False]


@pytest.mark.parametrize(
    "error", [answered(404), answered(400), answered(500), answered(429), OPEN]
)
async def test_a_fatal_first_end_cancels_the_hedge_and_is_told(error):
    bench = Bench()
    outcome = await bench.run(bench.attempt("first", 0.06, error), bench.attempt("hedge", 10))
    assert outcome.error is error
    assert bench.ended == ["first", "hedge!"]
    assert (bench.delivered, bench.won) == ([], [False])


async def test_a_first_attempt_that_fails_before_the_delay_is_the_retrys_affair():
    bench = Bench()
    error = reset()
    outcome = await bench.run(bench.attempt("first", 0.01, error), bench.attempt("hedge", 0.01))
    assert outcome.error is error
    assert bench.events == []


@pytest.mark.parametrize("error", [answered(503), answered(429, 1.0), reset(), refused()])
async def test_a_transient_first_failure_waits_for_the_hedge(error):
    bench = Bench()
    outcome = await bench.run(bench.attempt("first", 0.06, error), bench.attempt("hedge", 5))
    assert outcome is SUCCESS
    assert bench.ended == ["first", "hedge"]
    assert (bench.delivered, bench.won) == ([b"hedge"], [True])


async def test_nothing_more_is_sent_once_the_first_attempt_failed():
    bench = Bench(replace(FIXED, max_hedges=3))
    await bench.run(bench.attempt("first", 0.06, reset()), bench.attempt("hedge", 5))
    assert len(bench.sent) == 1


async def test_a_hedges_fatal_answer_decides():
    bench = Bench()
    error = answered(404)
    outcome = await bench.run(bench.attempt("first", 10), bench.attempt("hedge", 0.02, error))
    assert outcome.error is error
    assert bench.ended == ["hedge", "first!"]
    assert (bench.delivered, bench.won) == ([], [True])


EMPTY_HANDED = [
    *(answered(503), answered(429), answered(429, 1.0), answered(500), answered(408)),
    *(reset(), refused(), OPEN),
]


@pytest.mark.parametrize("options", [FIXED, WRITING])
@pytest.mark.parametrize("error", EMPTY_HANDED)
async def test_a_hedge_that_came_to_nothing_never_costs_the_first_attempt(error, options):
    bench = Bench(options)
    outcome = await bench.run(bench.attempt("first", 3), bench.attempt("hedge", 0.02, error))
    assert outcome is SUCCESS
    assert bench.delivered == [b"first"]
    assert bench.ended == ["hedge", "first"]
    assert bench.won == [False]


@pytest.mark.parametrize(
    ("first", "hedge", "told"),
    [
        ((0.06, answered(503)), (0.5, reset()), Reason.UPSTREAM_RESET),
        ((0.60, answered(503)), (0.1, reset()), Reason.UPSTREAM_STATUS),
        ((0.06, answered(503)), (0.5, OPEN), Reason.UPSTREAM_STATUS),
        ((0.60, answered(503)), (0.1, OPEN), Reason.UPSTREAM_STATUS),
    ],
)
async def test_if_all_failed_the_last_failure_of_the_upstream_is_told(first, hedge, told):
    bench = Bench()
    outcome = await bench.run(bench.attempt("first", *first), bench.attempt("hedge", *hedge))
    assert outcome.error is not None
    assert outcome.error.reason is told
    assert bench.won == [False]


async def test_what_the_policy_does_not_retry_is_fatal():
    bench = Bench(replace(FIXED, retryable_http_statuses=frozenset((502,))))
    error = answered(503)
    outcome = await bench.run(bench.attempt("first", 0.06, error), bench.attempt("hedge", 10))
    assert outcome.error is error
    assert bench.ended == ["first", "hedge!"]


@pytest.mark.parametrize("error", [answered(429), answered(500), OPEN])
async def test_a_hedge_does_not_cost_a_retry_that_the_first_failure_would_have_had(error):
    bench = Bench()
    first = answered(503)
    outcome = await bench.run(
        bench.attempt("first", 0.06, first), bench.attempt("hedge", 0.5, error)
    )
    assert outcome.error is first


# Where a method has side effects: one attempt may see what the other did.


@pytest.mark.parametrize("status", [400, 404, 409, 412])
async def test_a_hedge_that_is_told_of_the_first_attempts_effect_does_not_decide(status):
    bench = Bench(WRITING)
    hedge = bench.attempt("hedge", 0.02, answered(status))
    assert await bench.run(bench.attempt("first", 3), hedge) is SUCCESS
    assert bench.ended == ["hedge", "first"]
    assert (bench.delivered, bench.won) == ([b"first"], [False])


@pytest.mark.parametrize("error", [answered(404), answered(412), answered(500), answered(429)])
async def test_a_first_attempt_that_is_told_of_its_hedges_effect_waits_for_the_hedge(error):
    bench = Bench(WRITING)
    outcome = await bench.run(bench.attempt("first", 0.06, error), bench.attempt("hedge", 3))
    assert outcome is SUCCESS
    assert bench.ended == ["first", "hedge"]
    assert (bench.delivered, bench.won) == ([b"hedge"], [True])


@pytest.mark.parametrize("error", [answered(409), *EMPTY_HANDED])
async def test_a_first_attempt_that_was_answered_stands_where_no_hedge_succeeds(error):
    bench = Bench(WRITING)
    first = answered(404)
    outcome = await bench.run(
        bench.attempt("first", 0.06, first), bench.attempt("hedge", 0.5, error)
    )
    assert outcome.error is first
    assert bench.won == [False]


async def test_a_hedge_that_was_never_sent_is_not_waited_for_where_the_first_was_answered():
    bench = Bench(WRITING)
    error = answered(404)

    async def queued(call: Call) -> Outcome:
        if isinstance(call, SubCall):
            await bench.clock.sleep(10)  # at a limit, further out than the attempt
        return await Script(bench.attempt("first", 0.06, error))(call)

    begun = bench.clock.now()
    outcome = await bench.hedge(bench.call(), queued)
    assert outcome.error is error
    assert bench.clock.now() == pytest.approx(begun + 0.06)
    assert len(bench.sent) == 1
    bench.check_clean()


async def test_a_hedges_answer_after_a_first_attempt_of_unknown_effect_is_what_a_retrys_were():
    bench = Bench(WRITING)
    error = answered(404)
    outcome = await bench.run(
        bench.attempt("first", 0.06, reset()), bench.attempt("hedge", 0.5, error)
    )
    assert outcome.error is error


async def test_a_hedge_goes_elsewhere_and_is_the_first_to_be_shed():
    bench = Bench(replace(FIXED, max_hedges=2))
    a, b, c, d = (Address(name) for name in "abcd")
    call = bench.call()
    call.tried = (d,)
    seen = []

    async def first(call: Call) -> Outcome:
        call.endpoint = a
        return await bench.attempt("first", 10)(call)

    async def hedge(sub: Call) -> Outcome:
        seen.append((sub.criticality, sub.prepared, sub.message, sub.metadata, sub.tried))
        sub.endpoint = b if len(seen) == 1 else c
        return await bench.attempt("hedge", 0.2)(sub)

    await bench.hedge(call, Script(first, hedge))
    like_the_call = ("prepared", "message", call.metadata)
    assert seen == [
        (Criticality.SHEDDABLE, *like_the_call, (d, a)),
        (Criticality.SHEDDABLE, *like_the_call, (d, a, b)),
    ]
    assert call.criticality is Criticality.CRITICAL
    assert call.attempts == 3


async def test_a_retry_after_a_hedged_try_knows_where_the_hedge_went():
    bench = Bench()
    b = Address("b")
    call = bench.call()

    async def hedge(sub: Call) -> Outcome:
        sub.endpoint = b
        return failed(reset())

    await bench.hedge(call, Script(bench.attempt("first", 0.2, reset()), hedge))
    assert call.tried == (b,)


async def test_more_hedges_are_spaced_by_the_delay():
    bench = Bench(replace(FIXED, max_hedges=3))
    outcome = await bench.run(
        bench.attempt("first", 10), bench.attempt("1", 10), bench.attempt("2", 0.07)
    )
    assert outcome is SUCCESS
    assert [e.delay_s for e in bench.sent] == pytest.approx([DELAY_S, 2 * DELAY_S, 3 * DELAY_S])
    assert [e.attempt for e in bench.sent] == [2, 3, 4]
    assert sorted(bench.ended) == ["1!", "2", "2!", "first!"]
    assert bench.won == [False, True, False]


async def test_a_hedges_trailing_metadata_is_the_callers_where_it_won():
    bench = Bench()
    call = bench.call()
    call.trailing_metadata.append(("before", "1"))

    async def first(call: Call) -> Outcome:
        call.trailing_metadata.append(("of", "first"))
        return await bench.attempt("first", 10)(call)

    async def hedge(sub: Call) -> Outcome:
        sub.trailing_metadata.append(("of", "hedge"))
        return await bench.attempt("hedge", 0.01)(sub)

    await bench.hedge(call, Script(first, hedge))
    assert call.trailing_metadata == [("before", "1"), ("of", "hedge")]


async def test_an_attempt_that_waits_for_its_turn_gets_no_hedge_until_it_is_sent():
    bench = Bench()

    async def queued(call: Call) -> Outcome:
        if isinstance(call, SubCall):
            return await Script(bench.attempt("hedge", 0.01))(call)
        await bench.clock.sleep(2.5 * DELAY_S)  # at a limit, further out than the attempt
        return await Script(bench.attempt("first", 10))(call)

    assert await bench.hedge(bench.call(), queued) is SUCCESS
    assert [e.delay_s for e in bench.sent] == pytest.approx([3 * DELAY_S])
    assert bench.delivered == [b"hedge"]


async def test_a_delay_beyond_the_deadline_arms_no_timer():
    bench = Bench(auto_jump=False)
    pending = []

    async def look(_call: Call) -> Outcome:
        pending.append(bench.clock.pending)
        return SUCCESS

    await bench.hedge(bench.call(timeout_s=DELAY_S), Script(look))
    await bench.hedge(bench.call(timeout_s=DELAY_S + 1), Script(look))
    assert pending == [0, 1]


async def test_a_hedge_that_breaks_is_reported_and_costs_the_call_nothing():
    bench = Bench()
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    async def breaks(_call: Call) -> Outcome:
        raise KeyError("a fault of the gateway")

    assert await bench.run(bench.attempt("first", 1), breaks) is SUCCESS
    error = reset()
    assert (await bench.run(bench.attempt("first", 1, error), breaks)).error is error
    gc.collect()
    assert [type(context["exception"]) for context in reported] == [KeyError, KeyError]


# What allows a hedge.


async def test_an_empty_budget_gives_no_hedge():
    budget = RetryBudget(RetryBudgetOptions(share=0, min_per_s=1, window_s=1))
    bench = Bench(budget=budget)
    assert budget.withdraw(bench.clock.now())
    assert await bench.run(bench.attempt("first", 0.5), bench.attempt("hedge", 0.01)) is SUCCESS
    assert bench.ended == ["first"]


async def test_a_hedge_is_taken_from_the_budget_when_it_is_sent():
    budget = RetryBudget(RetryBudgetOptions(share=0, min_per_s=5, window_s=1))
    bench = Bench(budget=budget)
    await bench.run(bench.attempt("first", DELAY_S - 0.01))
    assert budget.remaining(bench.clock.now()) == 5
    await bench.run(bench.attempt("first", 0.5), bench.attempt("hedge", 0.01))
    assert budget.remaining(bench.clock.now()) == 4


async def test_hedges_are_a_share_of_the_methods_calls():
    bench = Bench(replace(FIXED, max_share=0.25))
    hedged = []
    for _ in range(12):
        before = len(bench.sent)
        await bench.run(bench.attempt("first", 0.5), bench.attempt("hedge", 0.01))
        hedged.append(len(bench.sent) - before)
    assert hedged == [0, 0, 0, 1] * 3


async def test_a_retry_adds_nothing_to_the_share():
    bench = Bench(replace(FIXED, max_share=0.25))
    call = bench.call()
    for _ in range(6):  # tries of one call
        await bench.hedge(call, Script(bench.attempt("first", 0.5, reset())))
    assert bench.sent == []


async def test_what_the_share_refuses_is_not_taken_from_the_budget():
    budget = RetryBudget(RetryBudgetOptions(share=0, min_per_s=5, window_s=1))
    bench = Bench(replace(FIXED, max_share=0.5, max_hedges=3), budget=budget)
    for _ in range(2):
        await bench.run(bench.attempt("first", 0.5), bench.attempt("hedge", 3))
    assert len(bench.sent) == 1
    assert budget.remaining(bench.clock.now()) == 4


@pytest.mark.parametrize(("max_attempts", "hedges"), [(1, 0), (2, 1), (3, 2), (9, 3)])
@pytest.mark.parametrize("queued_s", [0, 5])
async def test_hedges_are_attempts_and_no_more_are_sent_than_may_be_made(
    max_attempts, hedges, queued_s
):
    bench = Bench(replace(FIXED, max_hedges=3, max_attempts=max_attempts))
    call = bench.call()

    async def queued(call: Call) -> Outcome:
        if isinstance(call, SubCall):  # at a limit: it is an attempt only later
            await bench.clock.sleep(queued_s)
        return await Script(bench.attempt("any", 10))(call)

    assert await bench.hedge(call, queued) is SUCCESS
    assert len(bench.sent) == hedges
    assert call.attempts == 1 + hedges


async def test_a_retry_is_not_hedged_beyond_the_attempts_of_its_call():
    bench = Bench(replace(FIXED, max_attempts=2))
    call = bench.call()
    call.attempts = 1
    assert await bench.hedge(call, Script(bench.attempt("second", 5))) is SUCCESS
    assert bench.sent == []


async def test_no_hedges_is_none():
    bench = Bench(replace(FIXED, max_hedges=0))
    await bench.run(bench.attempt("first", 0.5), bench.attempt("hedge", 0.01))
    assert bench.events == []


# The delay, observed.

OBSERVED = HedgeOptions(quantile=0.9, max_share=1.0)


async def warm(bench: Bench, *durations_s: float, error=None) -> None:
    for duration_s in durations_s:
        await bench.run(bench.attempt("first", duration_s, error))


async def test_nothing_is_hedged_before_enough_is_known():
    bench = Bench(OBSERVED)
    await warm(bench, *[0.02] * 99)
    await bench.run(bench.attempt("first", 5), bench.attempt("hedge", 0.01))  # the hundredth
    assert bench.sent == []
    await bench.run(bench.attempt("first", 5), bench.attempt("hedge", 0.01))
    assert [e.delay_s for e in bench.sent] == pytest.approx([0.02], rel=1 / 16)


async def test_the_delay_is_never_shorter_than_its_least():
    bench = Bench(replace(OBSERVED, min_delay_s=0.04))
    await warm(bench, *[0.001] * 100)
    await bench.run(bench.attempt("first", 5), bench.attempt("hedge", 0.01))
    assert [e.delay_s for e in bench.sent] == pytest.approx([0.04])


async def test_only_what_succeeded_counts():
    bench = Bench(OBSERVED)
    await warm(bench, *[0.02] * 99)
    await warm(bench, *[0.001] * 50, error=answered(503))
    await bench.run(bench.attempt("first", 5), bench.attempt("hedge", 0.01))
    assert bench.sent == []


async def test_hedges_that_win_do_not_shorten_the_delay():
    bench = Bench(OBSERVED)
    await warm(bench, *[0.01] * 80, *[0.1] * 20)
    for _ in range(40):  # every fifth is slow, and won by its hedge
        await warm(bench, *[0.01] * 4)
        await bench.run(bench.attempt("first", 0.5), bench.attempt("hedge", 0.01))
    delays = [e.delay_s for e in bench.sent]
    assert len(delays) >= 40
    assert min(delays[-40:]) >= 0.1


# With retries around.


async def test_a_hedged_try_is_one_outcome_to_the_retry():
    bench = Bench()
    options = RetryOptions(idempotent=True, max_attempts=5)
    budget = RetryBudget(RetryBudgetOptions(share=0, min_per_s=9, window_s=1))
    retry = RetryInterceptor(options, bench.clock, FakeRng([0.5]), Events(), budget)
    script = Script(
        bench.attempt("first", 0.06, reset()),
        bench.attempt("hedge", 0.02, reset()),
        bench.attempt("retry", 0.01, reset()),
        bench.attempt("again", 0.01),
    )
    call = bench.call()
    outcome = await retry(call, lambda call: bench.hedge(call, script))
    assert outcome is SUCCESS
    assert bench.ended == ["first", "hedge", "retry", "again"]
    backoffs = [bench.clock.slept[2], bench.clock.slept[4]]
    assert backoffs == pytest.approx([0.05, 0.1])  # those of a first and a second retry
    assert call.attempts == 4


async def test_hedges_count_as_attempts_of_the_call():
    bench = Bench()
    options = RetryOptions(idempotent=True, max_attempts=2)
    retry = RetryInterceptor(options, bench.clock, FakeRng(), Events())
    script = Script(bench.attempt("first", 0.06, reset()), bench.attempt("hedge", 0.2, reset()))
    outcome = await retry(bench.call(), lambda call: bench.hedge(call, script))
    assert outcome.error is not None
    assert outcome.error.message.endswith("all 2 attempts are spent")
    assert script.attempts == 2
