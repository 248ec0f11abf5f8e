import pytest
from fakes.clock import FakeRng

from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.status import Code
from gateway.operations.options import Schedule
from gateway.operations.schedule import Next, after, delay_s
from gateway.state.operations import State

SCHEDULE = Schedule(
    max_attempts=4, initial_delay_s=5, multiplier=2, max_delay_s=15, total_timeout_s=1000
)
NO_SPREAD, ALL_SPREAD = FakeRng([0.0]), FakeRng([1.0])


def failure(code: Code = Code.UNAVAILABLE, reason: Reason = Reason.UPSTREAM_STATUS, **said):
    return CallError(code, reason, "it failed", **{"sent": Sent.ANSWERED, **said})


def upstream(status: int) -> CallError:
    return failure(Code.UNKNOWN, origin=Origin.UPSTREAM, http_status=status)


def next_of(
    error: CallError | None, attempts: int = 1, *, sent: bool = True, age_s: float = 0
) -> Next:
    return after(error, SCHEDULE, attempts=attempts, sent=sent, age_s=age_s, rng=NO_SPREAD)


def test_a_success_is_the_end() -> None:
    assert next_of(None) == Next(State.SUCCEEDED)


@pytest.mark.parametrize("status", [400, 404, 409, 410, 422, 451])
def test_what_the_upstream_decided_is_the_end(status: int) -> None:
    assert next_of(upstream(status)).state is State.FAILED


@pytest.mark.parametrize("status", [401, 403, 408, 421, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(status: int) -> None:
    assert next_of(upstream(status)).state is State.WAITING


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (failure(Code.INVALID_ARGUMENT, Reason.INVALID_REQUEST), State.FAILED),
        (failure(Code.UNIMPLEMENTED), State.FAILED),
        (failure(Code.INTERNAL, Reason.UPSTREAM_INVALID_ANSWER), State.FAILED),
        (failure(Code.RESOURCE_EXHAUSTED, Reason.UPSTREAM_ANSWER_TOO_LARGE), State.FAILED),
        (failure(Code.UNAVAILABLE, Reason.UPSTREAM_UNREACHABLE), State.WAITING),
        (failure(Code.DEADLINE_EXCEEDED, Reason.ATTEMPT_TIMEOUT), State.WAITING),
        (failure(Code.UNAVAILABLE, Reason.CREDENTIAL_UNAVAILABLE), State.WAITING),
        (failure(Code.ABORTED, Reason.OUTCOME_UNKNOWN), State.WAITING),
    ],
)
def test_other_failures(error: CallError, state: State) -> None:
    assert next_of(error).state is state


def test_delays_grow_to_the_longest() -> None:
    waits = [next_of(failure(), attempts).due_in_s for attempts in (1, 2, 3)]
    assert waits == [5, 10, 15]
    assert delay_s(SCHEDULE, 10_000, None, NO_SPREAD) == 15


def test_up_to_a_tenth_more_where_delays_grow_and_none_where_they_do_not() -> None:
    assert delay_s(SCHEDULE, 1, None, ALL_SPREAD) == pytest.approx(5.5)
    steady = Schedule(initial_delay_s=300, multiplier=1, max_delay_s=300)
    assert delay_s(steady, 2, None, ALL_SPREAD) == 300


def test_the_upstream_may_ask_for_more_up_to_an_hour() -> None:
    assert delay_s(SCHEDULE, 1, 60, NO_SPREAD) == 60
    assert delay_s(SCHEDULE, 1, 1, NO_SPREAD) == 5
    assert delay_s(SCHEDULE, 1, 1e9, NO_SPREAD) == 3600


def test_the_last_attempt_makes_a_dead_letter() -> None:
    dead = next_of(upstream(503), 4)
    assert dead.state is State.DEAD
    assert dead.error is not None
    assert (dead.error.reason, dead.error.http_status) == (Reason.ATTEMPTS_SPENT, 503)
    assert "tried 4 times" in dead.error.message


def test_so_does_the_end_of_its_time() -> None:
    assert next_of(failure(), age_s=994).state is State.WAITING
    dead = next_of(failure(), age_s=996)
    assert dead.state is State.DEAD
    assert dead.error is not None
    assert "tried once within 1000 s" in dead.error.message


def test_an_attempt_that_was_not_sent_does_not_count() -> None:
    refused = failure(Code.UNAVAILABLE, Reason.BREAKER_OPEN, sent=Sent.NOT_SENT)
    coming = next_of(refused, 4, sent=False)
    assert (coming.state, coming.uncounted) == (State.WAITING, True)
    assert coming.due_in_s == 15
    assert not next_of(failure(), 1).uncounted


def test_one_of_unknown_effect_counts_though_nothing_was_sent() -> None:
    held = failure(Code.ABORTED, Reason.OUTCOME_UNKNOWN)
    assert not next_of(held, 1, sent=False).uncounted
    assert next_of(held, 4, sent=False).state is State.DEAD
