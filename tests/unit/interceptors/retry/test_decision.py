import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import answered, refused, reset

from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.status import Code
from gateway.interceptors.retry import RetryOptions
from gateway.interceptors.retry.decision import decide


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
        if retry_after is None:
            assert decision.delay_s == drawn
        else:
            assert retry_after <= decision.delay_s <= retry_after + drawn
    elif retry_after is not None and retry_after <= options.max_retry_after_s:
        # What was told, and not what was drawn, is too long.
        assert status not in options.retryable_http_statuses or (
            attempts >= options.max_attempts
            or not (idempotent or status == 429)
            or 1000.0 + retry_after >= 1000.0 + remaining
        )


TIMED_OUT = CallError(
    Code.DEADLINE_EXCEEDED,
    Reason.ATTEMPT_TIMEOUT,
    "upstream 'shop' did not answer within 1 s",
    origin=Origin.UPSTREAM,
    sent=Sent.UNKNOWN,
    transient=True,
)


@pytest.mark.parametrize(
    ("error", "idempotent", "otherwise"),
    [
        (refused(), True, True),  # never sent: always safe
        (answered(429, 0.1), True, True),  # refused by the upstream: safe too
        (reset(), True, False),  # sent, and nobody knows what it did
        (TIMED_OUT, True, False),
        (answered(503), True, False),  # answered, and may have acted before
    ],
)
def test_what_may_have_reached_the_upstream_is_repeated_where_that_is_safe(
    error, idempotent, otherwise
):
    for options, expected in (
        (RetryOptions(idempotent=True), idempotent),
        (RetryOptions(idempotent=False), otherwise),
    ):
        decision = decide(
            options, error, attempts=1, sent=0, now=0.0, deadline_at=60.0, drawn_s=0.1
        )
        assert (decision.delay_s is not None) is expected
        delivered = decide(
            options, error, attempts=1, sent=1, now=0.0, deadline_at=60.0, drawn_s=0.1
        )
        assert delivered.delay_s is None  # the caller has part of the answer: never


@pytest.mark.parametrize(
    ("attempts", "why"),
    [(1, "the only attempt is spent"), (3, "all 3 attempts are spent")],
)
def test_spent_attempts_are_counted_in_words(attempts, why):
    decision = decide(
        RetryOptions(max_attempts=attempts),
        refused(),
        attempts=attempts,
        sent=0,
        now=0.0,
        deadline_at=60.0,
        drawn_s=0.1,
    )
    assert (decision.why, decision.spent) == (why, True)
