import asyncio
from dataclasses import replace

import pytest
from fakes.clock import FakeClock, FakeRng
from hypothesis import given
from hypothesis import strategies as st
from support.calls import Recorder, Script, answered, new_call, refused, reset

from gateway.core.call import Call
from gateway.core.errors import CallError, Reason, invalid_request
from gateway.core.events import Events, RetryGivenUp, RetryScheduled
from gateway.core.outcome import Outcome, failed
from gateway.core.status import Code
from gateway.interceptors.retry import Jitter, RetryInterceptor, RetryOptions, backoff_s, decide

IDEMPOTENT = RetryOptions(idempotent=True)
UNSAFE = RetryOptions(idempotent=False)


async def run(options, *ends, timeout_s=60.0, draws=(0.5,)):
    clock = FakeClock(auto_jump=True)
    recorder = Recorder()
    script = Script(*ends)
    call = new_call(clock, timeout_s=timeout_s)
    interceptor = RetryInterceptor(options, clock, FakeRng(draws), Events([recorder]))
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


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 500, 501])
async def test_other_statuses_are_never_repeated(status):
    outcome, attempts, _, recorder = await run(IDEMPOTENT, answered(status), None)
    assert attempts == 1
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
    assert clock.slept == [2]


async def test_429_was_refused_so_every_method_may_repeat_it():
    assert (await run(UNSAFE, answered(429, retry_after_s=1), None))[1] == 2


async def test_the_wait_is_never_shorter_than_retry_after():
    _, _, clock, _ = await run(IDEMPOTENT, answered(503, retry_after_s=3), None)
    assert clock.slept == [3]


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


@pytest.mark.parametrize(
    ("jitter", "draw", "waits"),
    [
        (Jitter.FULL, 0.0, [0, 0, 0]),
        (Jitter.FULL, 1.0, [0.1, 0.2, 0.4]),
        (Jitter.EQUAL, 0.0, [0.05, 0.1, 0.2]),
        (Jitter.NONE, 0.7, [0.1, 0.2, 0.4]),
        (Jitter.PROPORTIONAL, 0.0, [0.08, 0.16, 0.32]),
        (Jitter.PROPORTIONAL, 1.0, [0.12, 0.24, 0.48]),
        (Jitter.DECORRELATED, 0.0, [0.1, 0.1, 0.1]),
        (Jitter.DECORRELATED, 1.0, [0.3, 0.9, 2.0]),
    ],
)
def test_each_jitter_draws_as_its_name_says(jitter, draw, waits):
    options = replace(IDEMPOTENT, jitter=jitter)
    last, drawn = 0.0, []
    for retry in (1, 2, 3):
        last = backoff_s(options, retry, last, FakeRng([draw]))
        drawn.append(last)
    assert drawn == pytest.approx(waits)


@given(
    jitter=st.sampled_from(list(Jitter)),
    retry=st.integers(1, 5000),
    base=st.floats(0, 10),
    cap=st.floats(0.001, 60),
    multiplier=st.floats(1, 100),
    last=st.floats(0, 60),
    draw=st.floats(0, 1, exclude_max=True),
)
def test_no_wait_is_negative_or_beyond_its_bound(jitter, retry, base, cap, multiplier, last, draw):
    options = RetryOptions(
        jitter=jitter, initial_backoff_s=base, max_backoff_s=cap, multiplier=multiplier
    )
    wait = backoff_s(options, retry, last, FakeRng([draw]))
    bound = cap * 1.2 if jitter is Jitter.PROPORTIONAL else cap
    assert 0 <= wait <= bound * (1 + 1e-9)


@given(
    status=st.integers(400, 599),
    retry_after=st.none() | st.floats(0, 100),
    attempts=st.integers(1, 10),
    remaining=st.floats(-1, 100),
    drawn=st.floats(0, 10),
    idempotent=st.booleans(),
)
def test_a_scheduled_retry_always_ends_before_the_deadline(
    status, retry_after, attempts, remaining, drawn, idempotent
):
    options = RetryOptions(idempotent=idempotent)
    decision = decide(
        options,
        answered(status, retry_after),
        attempts=attempts,
        sent=0,
        now=1000.0,
        deadline_at=1000.0 + remaining,
        drawn_s=drawn,
    )
    if decision.delay_s is not None:
        assert 1000.0 + decision.delay_s < 1000.0 + remaining
        assert attempts < options.max_attempts
        assert status in options.retryable_http_statuses
        assert retry_after is None or decision.delay_s >= retry_after
