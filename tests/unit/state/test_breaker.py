"""When a store is asked: each rule of state/breaker.py."""

from gateway.state.breaker import State, StoreBreaker, StoreBreakerOptions

OPTIONS = StoreBreakerOptions(failures=3, window_s=60, open_s=1, max_open_s=4)


def opened() -> StoreBreaker:
    breaker = StoreBreaker(OPTIONS)
    ends = [breaker.failed(breaker.ask(now) or 0, now) for now in (0.0, 1.0, 2.0)]
    assert ends == [False, False, True]
    return breaker


def test_failures_within_the_window_open_it() -> None:
    breaker = opened()
    assert breaker.state is State.OPEN
    assert breaker.ask(2.9) is None
    assert breaker.retry_after_s(2.5) == 0.5


def test_failures_further_apart_do_not() -> None:
    breaker = StoreBreaker(OPTIONS)
    for now in (0.0, 30.0, 61.0, 95.0):
        assert not breaker.failed(breaker.ask(now) or 0, now)
    assert breaker.state is State.CLOSED


def test_one_probe_at_a_time_and_its_success_closes_it() -> None:
    breaker = opened()
    probe = breaker.ask(3.0)
    assert probe is not None
    assert breaker.ask(3.0) is None
    assert breaker.succeeded(probe)
    assert breaker.state is State.CLOSED
    assert not breaker.succeeded(breaker.ask(3.1) or 0), "nothing changed"
    assert not breaker.failed(breaker.ask(3.2) or 0, 3.2), "what failed before is forgotten"


def test_a_probe_that_fails_opens_it_for_twice_as_long_up_to_the_most() -> None:
    breaker, now, pauses = opened(), 3.0, []
    for _ in range(4):
        probe = breaker.ask(now)
        assert probe is not None
        assert not breaker.failed(probe, now), "it was not asked before either"
        pauses.append(breaker.retry_after_s(now))
        now += pauses[-1]
    assert pauses == [2, 4, 4, 4]


def test_an_abandoned_probe_leaves_the_next_question_to_be_one() -> None:
    breaker = opened()
    probe = breaker.ask(3.0)
    assert probe is not None
    breaker.abandoned(probe, 3.0)
    again = breaker.ask(3.0)
    assert again is not None
    assert breaker.succeeded(again)


def test_what_is_told_late_counts_for_nothing() -> None:
    breaker = StoreBreaker(OPTIONS)
    late = breaker.ask(0.0)
    assert late is not None
    for now in (0.0, 1.0, 2.0):
        breaker.failed(breaker.ask(now) or 0, now)
    assert not breaker.succeeded(late)
    assert not breaker.failed(late, 2.5)
    assert breaker.state is State.OPEN
    assert breaker.retry_after_s(2.0) == 1
