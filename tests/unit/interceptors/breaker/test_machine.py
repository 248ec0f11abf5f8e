"""One test for each rule at the top of machine.py, in its order."""

import pytest
from fakes.clock import FakeRng

from gateway.interceptors.breaker import BreakerOptions, Mode, Result, State
from gateway.interceptors.breaker.machine import IGNORED_ANSWERS_TO_CLOSE, Machine

NOW = 1000.0
QUICK, SLOW = 0.01, 5.0
SUCCESS, FAILURE = Result.SUCCESS, Result.FAILURE
IGNORED, IGNORED_ANSWER = Result.IGNORED, Result.IGNORED_ANSWER

EARLY = {"consecutive_failures": 10, "failure_rate": 0.5}
"""Opens sooner than what is built in."""


class Breaker(Machine):
    """A machine with what tests ask of it."""

    def __init__(self, draws=(0.5,), **options):
        self.changes = []
        super().__init__(
            BreakerOptions(**(EARLY | options)),
            FakeRng(draws),
            lambda before, after, why: self.changes.append((before.value, after.value, why)),
        )

    def end_all(self, *results, now=NOW, duration_s=QUICK):
        for result in results:
            permit = self.acquire(now)
            assert permit is not None
            permit.release(result, duration_s, now)


def opened(**options):
    """Return a breaker that opened at NOW."""
    breaker = Breaker(consecutive_failures=1, **options)
    breaker.end_all(FAILURE)
    assert breaker.state is State.OPEN
    return breaker


def half_open(**options):
    """Return a breaker that is half-open since `open_until`, and that moment."""
    breaker = opened(**options)
    assert breaker.allows(breaker.open_until)
    assert breaker.state is State.HALF_OPEN
    return breaker, breaker.open_until


def test_the_options_are_those_of_the_policy():
    options = BreakerOptions()
    assert (options.consecutive_failures, options.failure_rate, options.minimum_calls) == (
        20,
        0.8,
        20,
    )
    assert (options.slow_call_rate, options.slow_call_duration_s) == (0, 5)
    assert (options.window_s, options.window_calls) == (10, 0)
    assert options.failure_http_statuses == {502, 503, 504}
    assert (options.open_time_s, options.open_time_multiplier) == (0.2, 1.5)
    assert (options.max_open_time_s, options.open_time_jitter) == (0.4, 0.1)
    assert (options.probes, options.successes_to_close, options.probe_timeout_s) == (2, 2, 0.25)
    assert (options.mode, options.max_keys) == (Mode.AUTOMATIC, 1000)


# 1. CLOSED


def test_failures_in_a_row_open_it():
    breaker = Breaker()
    breaker.end_all(*[FAILURE] * 9)
    assert breaker.state is State.CLOSED
    breaker.end_all(FAILURE)
    assert breaker.changes == [("closed", "open", "10 failures in a row")]


def test_a_success_ends_the_row():
    breaker = Breaker(failure_rate=0)
    breaker.end_all(*[FAILURE] * 9, SUCCESS, *[FAILURE] * 9)
    assert breaker.state is State.CLOSED


def test_zero_turns_each_rule_off():
    breaker = Breaker(consecutive_failures=0, failure_rate=0, slow_call_rate=0)
    breaker.end_all(*[FAILURE] * 500, duration_s=SLOW)
    assert breaker.state is State.CLOSED


def test_the_failure_rate_opens_it_once_the_window_holds_enough():
    breaker = Breaker(consecutive_failures=0)
    breaker.end_all(*[FAILURE] * 19)
    assert breaker.state is State.CLOSED
    breaker.end_all(FAILURE)
    assert breaker.changes == [("closed", "open", "20 of 20 calls failed")]


def test_a_success_may_be_what_shows_the_rate():
    breaker = Breaker(consecutive_failures=0)
    breaker.end_all(*[FAILURE] * 19, SUCCESS)
    assert breaker.changes == [("closed", "open", "19 of 20 calls failed")]


@pytest.mark.parametrize(("failures", "state"), [(10, State.CLOSED), (11, State.OPEN)])
def test_a_rate_is_reached_at_its_very_number(failures, state):
    breaker = Breaker(consecutive_failures=0, failure_rate=0.55)
    breaker.end_all(*[FAILURE] * failures, *[SUCCESS] * (20 - failures))
    assert breaker.state is state


def test_the_rate_is_that_of_the_window():
    breaker = Breaker(consecutive_failures=0)
    breaker.end_all(*[SUCCESS] * 100)
    breaker.end_all(*[FAILURE] * 19, now=NOW + 20)
    assert breaker.state is State.CLOSED
    breaker.end_all(FAILURE, now=NOW + 20)
    assert breaker.state is State.OPEN


def test_a_window_of_calls_is_enough_when_it_is_full():
    breaker = Breaker(consecutive_failures=0, window_calls=5)
    breaker.end_all(SUCCESS, SUCCESS, SUCCESS, FAILURE, FAILURE)
    assert breaker.state is State.CLOSED
    breaker.end_all(FAILURE, now=NOW + 1e6)
    assert breaker.changes == [("closed", "open", "3 of 5 calls failed")]


def test_the_slow_call_rate_opens_it():
    breaker = Breaker(slow_call_rate=0.5)
    breaker.end_all(*[SUCCESS] * 10, duration_s=4.999)
    breaker.end_all(*[SUCCESS] * 9, duration_s=SLOW)
    assert breaker.state is State.CLOSED
    breaker.end_all(SUCCESS, duration_s=SLOW)
    assert breaker.changes == [("closed", "open", "10 of 20 calls were slow")]


def test_the_slow_call_rate_waits_until_the_window_holds_enough():
    breaker = Breaker(slow_call_rate=0.5)
    breaker.end_all(*[SUCCESS] * 19, duration_s=SLOW)
    assert breaker.state is State.CLOSED
    breaker.end_all(SUCCESS, duration_s=SLOW)
    assert breaker.changes == [("closed", "open", "20 of 20 calls were slow")]


def test_the_slow_call_rate_is_that_of_the_window():
    breaker = Breaker(slow_call_rate=0.5)
    breaker.end_all(*[SUCCESS] * 19, duration_s=SLOW)
    breaker.end_all(*[SUCCESS] * 19, duration_s=SLOW, now=NOW + 20)
    assert breaker.state is State.CLOSED
    breaker.end_all(SUCCESS, duration_s=SLOW, now=NOW + 20)
    assert breaker.state is State.OPEN


def test_failures_can_be_slow_too():
    breaker = Breaker(consecutive_failures=0, failure_rate=0, slow_call_rate=0.5)
    breaker.end_all(*[FAILURE] * 20, duration_s=SLOW)
    assert breaker.state is State.OPEN


# 2. What is ignored


@pytest.mark.parametrize("result", [IGNORED, IGNORED_ANSWER])
def test_what_is_ignored_is_neither_success_nor_failure(result):
    breaker = Breaker()
    breaker.end_all(*[FAILURE] * 9, *[result] * 50, duration_s=SLOW)
    assert breaker.window.calls == 9
    assert breaker.state is State.CLOSED
    breaker.end_all(FAILURE)
    assert breaker.state is State.OPEN  # the row went on


# 3. OPEN


def test_an_open_breaker_admits_nobody_until_its_time_is_over():
    breaker = opened()
    until = NOW + 0.2
    assert breaker.open_until == pytest.approx(until)
    for now in (NOW, NOW + 0.1, breaker.open_until - 1e-9):
        assert not breaker.allows(now)
        assert breaker.acquire(now) is None
    assert breaker.acquire(breaker.open_until) is not None


@pytest.mark.parametrize(
    ("draw", "open_s"), [(0.0, 0.18), (0.5, 0.2), (0.75, 0.21), (1 - 1e-12, 0.22)]
)
def test_the_open_time_is_drawn_around_its_middle(draw, open_s):
    assert opened(draws=[draw]).open_until == pytest.approx(NOW + open_s)


def test_the_open_time_grows_to_its_maximum_and_no_draw_goes_beyond():
    breaker = opened(draws=[1 - 1e-12], open_time_jitter=0.5)
    now, times = NOW, [breaker.open_until - NOW]
    for _ in range(4):
        now = breaker.open_until
        breaker.end_all(FAILURE, now=now)
        times.append(breaker.open_until - now)
    assert times == pytest.approx([0.3, 0.4, 0.4, 0.4, 0.4])


def test_after_a_probe_the_open_time_counts_from_when_it_was_let_through():
    breaker, now = half_open()
    probe = breaker.acquire(now)
    assert probe is not None
    probe.release(FAILURE, 0.2, now + 0.2)
    assert breaker.open_until == pytest.approx(now + 0.3)


def test_even_at_its_maximum_the_open_time_differs():
    breaker = opened(draws=[0.0], open_time_s=0.4)
    assert breaker.open_until == pytest.approx(NOW + 0.36)


def test_a_close_resets_the_growth():
    breaker = opened()
    first = breaker.open_until
    breaker.end_all(FAILURE, now=first)
    assert breaker.open_until - first == pytest.approx(0.3)
    again = breaker.open_until
    breaker.end_all(SUCCESS, SUCCESS, FAILURE, now=again)
    assert breaker.open_until - again == pytest.approx(0.2)


def test_endless_openings_stay_finite():
    breaker = opened(open_time_multiplier=1e300)
    for _ in range(10):
        breaker.end_all(FAILURE, now=breaker.open_until)
    assert breaker.open_until - NOW < 11 * 0.4


# 4. The first question


def test_asking_makes_it_half_open_and_takes_nothing():
    breaker, now = half_open(probes=1)
    assert breaker.changes[-1] == ("open", "half_open", "its open time is over")
    assert breaker.allows(now)
    assert breaker.allows(now)
    assert breaker.outstanding == 0


def test_looking_at_the_state_changes_nothing():
    breaker = opened()
    assert breaker.state_at(breaker.open_until) is State.HALF_OPEN
    assert breaker.state is State.OPEN


# 5. Permits


def test_half_open_admits_one_probe():
    breaker, now = half_open(probes=1)
    permits = [breaker.acquire(now) for _ in range(100)]
    assert sum(permit is not None for permit in permits) == 1
    assert not breaker.allows(now)


@pytest.mark.parametrize("result", [SUCCESS, IGNORED_ANSWER, IGNORED])
def test_a_permit_comes_back_with_the_end_of_its_attempt(result):
    breaker, now = half_open(probes=1)
    permit = breaker.acquire(now)
    assert permit is not None
    assert not breaker.allows(now)
    permit.release(result, QUICK, now)
    assert breaker.state is State.HALF_OPEN
    assert breaker.allows(now)


def test_a_permit_comes_back_by_itself_where_others_are_answered():
    breaker, now = half_open(probes=2, successes_to_close=9)
    assert breaker.acquire(now) is not None
    breaker.end_all(SUCCESS, now=now + 0.1)
    assert breaker.acquire(now + 0.2) is not None
    assert breaker.free_at() == now + 0.25
    assert not breaker.allows(now + 0.2499)
    assert breaker.acquire(now + 0.2499) is None
    assert breaker.allows(now + 0.25)
    assert breaker.acquire(now + 0.25) is not None
    assert breaker.acquire(now + 0.25) is None
    assert breaker.outstanding == 2
    assert breaker.state is State.HALF_OPEN


def test_a_permit_that_came_back_early_does_not_expire_for_another():
    breaker, now = half_open(probes=2)
    first, second = breaker.acquire(now), breaker.acquire(now + 0.1)
    assert first is not None
    assert second is not None
    first.release(IGNORED, QUICK, now + 0.1)
    assert breaker.acquire(now + 0.1) is not None
    assert not breaker.allows(now + 0.3)
    assert breaker.free_at() == pytest.approx(now + 0.35)


UNANSWERED = ("half_open", "open", "a probe was not answered in time")


@pytest.mark.parametrize("asks", ["allows", "acquire"])
def test_a_probe_that_hangs_opens_it_again_when_somebody_asks(asks):
    breaker, now = half_open(open_time_s=0.4, open_time_jitter=0.0)
    assert breaker.acquire(now) is not None
    assert getattr(breaker, asks)(now + 0.2499)
    assert breaker.state is State.HALF_OPEN
    assert not getattr(breaker, asks)(now + 0.25)  # one of two permits is free
    assert breaker.changes[-1] == UNANSWERED
    assert breaker.open_until == pytest.approx(now + 0.4)  # from when it was let through
    assert breaker.outstanding == 0


def test_the_open_time_grows_while_probes_hang():
    breaker, now = half_open(open_time_s=1.0, max_open_time_s=2.0, open_time_jitter=0.0)
    times = []
    for _ in range(3):
        assert breaker.acquire(now) is not None
        assert not breaker.allows(now + 0.25)
        times.append(breaker.open_until - now)
        now = breaker.open_until
        assert breaker.allows(now)
    assert times == pytest.approx([1.5, 2.0, 2.0])


def test_an_open_time_that_is_over_when_the_hang_is_found_lets_the_next_probe_through():
    breaker, now = half_open()
    assert breaker.acquire(now) is not None
    assert breaker.acquire(now + 60) is not None
    assert [change[1] for change in breaker.changes[-2:]] == ["open", "half_open"]


@pytest.mark.parametrize("answer", [SUCCESS, IGNORED_ANSWER])
@pytest.mark.parametrize(
    ("answered_after_s", "state"), [(0.0, State.HALF_OPEN), (-0.1, State.OPEN)]
)
def test_it_stays_half_open_if_a_probe_was_answered_since_the_late_one_began(
    answer, answered_after_s, state
):
    breaker, now = half_open(successes_to_close=3)
    breaker.end_all(answer, now=now + 0.1 + answered_after_s)
    assert breaker.acquire(now + 0.1) is not None
    breaker.allows(now + 0.36)
    assert breaker.state is state


def test_a_cancelled_probe_is_no_answer():
    breaker, now = half_open()
    assert breaker.acquire(now) is not None
    breaker.end_all(IGNORED, now=now + 0.1)
    assert not breaker.allows(now + 0.25)


def test_a_probe_that_ended_in_time_is_never_missed():
    breaker, now = half_open(probes=1, successes_to_close=9)
    for result in (SUCCESS, IGNORED, IGNORED_ANSWER):
        breaker.end_all(result, now=now)
    assert breaker.allows(now + 9)
    assert breaker.state is State.HALF_OPEN


def given_up(**options):
    """Return a breaker whose probe is missed, the probe, and that moment."""
    breaker, now = half_open(open_time_s=0.4, **options)
    late = breaker.acquire(now)
    assert late is not None
    assert not breaker.allows(now + 0.25)
    return breaker, late, now + 0.25


def test_a_success_that_comes_late_makes_it_half_open_at_once_and_counts():
    breaker, late, now = given_up()
    late.release(SUCCESS, 0.3, now + 0.05)
    assert breaker.changes[-1] == ("open", "half_open", "a probe was answered, late")
    breaker.end_all(SUCCESS, now=now + 0.05)
    assert breaker.state is State.CLOSED


def test_probes_of_several_rounds_close_it_together():
    breaker, first, _ = given_up()
    second = breaker.acquire(breaker.open_until)
    assert second is not None
    first.release(SUCCESS, 0.6, breaker.open_until + 0.2)
    assert breaker.allows(breaker.open_until + 0.3)  # answered since the second began
    second.release(SUCCESS, 0.6, breaker.open_until + 0.6)
    assert breaker.state is State.CLOSED


@pytest.mark.parametrize("again", [False, True], ids=["open", "half-open"])
def test_the_failure_of_a_probe_that_was_given_up_says_nothing_new(again):
    breaker, late, now = given_up()
    if again:
        now = breaker.open_until
        assert breaker.allows(now)
    before = (breaker.state, breaker.open_until, breaker.generation, breaker.consecutive_failures)
    late.release(FAILURE, 1.0, now)
    assert before == (
        breaker.state,
        breaker.open_until,
        breaker.generation,
        breaker.consecutive_failures,
    )


def test_a_failure_in_between_ends_the_say_of_probes_that_were_given_up():
    breaker, late, _ = given_up()
    breaker.end_all(FAILURE, now=breaker.open_until)
    late.release(SUCCESS, 1.0, breaker.open_until - 0.01)
    assert breaker.state is State.OPEN


def test_a_late_release_frees_no_second_permit():
    breaker, late, _ = given_up(probes=1)
    now = breaker.open_until
    assert breaker.acquire(now) is not None
    late.release(IGNORED, 0.4, now)
    assert not breaker.allows(now)


# 6. The verdict


def test_successes_close_it():
    breaker, now = half_open()
    breaker.end_all(SUCCESS, now=now)
    assert breaker.state is State.HALF_OPEN
    breaker.end_all(SUCCESS, now=now)
    assert breaker.changes[-1] == ("half_open", "closed", "its probes succeeded")


def test_one_failure_opens_it_again():
    breaker, now = half_open(successes_to_close=3)
    breaker.end_all(SUCCESS, SUCCESS, FAILURE, now=now)
    assert breaker.changes[-1] == ("half_open", "open", "a probe failed")
    assert breaker.open_until > now


@pytest.mark.parametrize(
    ("rate", "last"),
    [(0.5, ("half_open", "open", "a probe was slow")), (0, ("open", "half_open", None))],
)
def test_a_slow_probe_has_failed_where_slowness_counts(rate, last):
    breaker, now = half_open(slow_call_rate=rate)
    breaker.end_all(SUCCESS, now=now, duration_s=SLOW)
    assert breaker.changes[-1][:2] == last[:2]
    assert last[2] in (None, breaker.changes[-1][2])


# 7. Generations


@pytest.mark.parametrize("result", [SUCCESS, FAILURE, IGNORED_ANSWER, IGNORED])
def test_results_of_an_earlier_generation_are_discarded(result):
    breaker = Breaker(consecutive_failures=1)
    late = [breaker.acquire(NOW) for _ in range(100)]
    breaker.end_all(FAILURE)
    assert breaker.allows(breaker.open_until)
    half_open_now = breaker.generation
    for permit in late:
        assert permit is not None
        permit.release(result, QUICK, breaker.open_until)
    assert (breaker.state, breaker.generation) == (State.HALF_OPEN, half_open_now)
    assert breaker.window.calls == 0


def test_a_probe_of_an_earlier_half_open_says_nothing_in_the_next():
    breaker, now = half_open(probes=2, successes_to_close=1)
    late = breaker.acquire(now)
    assert late is not None
    breaker.end_all(FAILURE, now=now)
    now = breaker.open_until
    assert breaker.acquire(now) is not None
    late.release(SUCCESS, QUICK, now)
    assert breaker.state is State.HALF_OPEN
    assert breaker.outstanding == 1


def test_every_change_begins_a_generation():
    breaker = Breaker(consecutive_failures=1)
    seen = [breaker.generation]
    breaker.end_all(FAILURE)
    seen.append(breaker.generation)
    breaker.end_all(SUCCESS, now=breaker.open_until)
    seen.append(breaker.generation)
    breaker.end_all(SUCCESS, now=breaker.open_until)
    seen.append(breaker.generation)
    for mode in (Mode.FORCED_OPEN, Mode.MONITOR_ONLY, Mode.AUTOMATIC):
        breaker.force(mode, NOW)
        seen.append(breaker.generation)
    assert seen == sorted(set(seen))


# 8. Ignored answers


def test_twenty_ignored_answers_close_it():
    breaker, now = half_open()
    breaker.end_all(*[IGNORED_ANSWER] * (IGNORED_ANSWERS_TO_CLOSE - 1), now=now)
    assert breaker.state is State.HALF_OPEN
    breaker.end_all(IGNORED_ANSWER, now=now)
    assert breaker.changes[-1] == (
        "half_open",
        "closed",
        "20 answers were neither successes nor failures",
    )


def test_cancels_close_nothing():
    breaker, now = half_open()
    breaker.end_all(*[IGNORED] * 200, now=now)
    assert breaker.state is State.HALF_OPEN


def test_ignored_answers_are_counted_anew_in_each_half_open():
    breaker, now = half_open()
    breaker.end_all(*[IGNORED_ANSWER] * 19, FAILURE, now=now)
    breaker.end_all(*[IGNORED_ANSWER] * 19, now=breaker.open_until)
    assert breaker.state is State.HALF_OPEN


# 9. What an operator says


def test_forced_open_admits_nobody_ever():
    breaker = Breaker()
    breaker.force(Mode.FORCED_OPEN, NOW)
    assert breaker.changes == [("closed", "forced_open", "an operator said so")]
    assert not breaker.allows(NOW + 1e9)
    assert breaker.acquire(NOW + 1e9) is None


def test_monitor_only_admits_everybody_and_counts():
    breaker = Breaker()
    breaker.force(Mode.MONITOR_ONLY, NOW)
    breaker.end_all(*[FAILURE] * 500)
    assert breaker.state is State.MONITOR_ONLY
    assert (breaker.window.failures, breaker.consecutive_failures) == (500, 500)


def test_after_a_forced_open_it_is_tried_cautiously():
    breaker = Breaker(mode=Mode.FORCED_OPEN, probes=1)
    breaker.force(Mode.AUTOMATIC, NOW)
    assert breaker.state is State.HALF_OPEN
    assert breaker.acquire(NOW) is not None
    assert breaker.acquire(NOW) is None


def test_after_monitoring_it_is_closed_and_begins_anew():
    breaker = Breaker(mode=Mode.MONITOR_ONLY)
    breaker.end_all(*[FAILURE] * 500)
    breaker.force(Mode.AUTOMATIC, NOW)
    assert breaker.state is State.CLOSED
    breaker.end_all(*[FAILURE] * 9)
    assert breaker.state is State.CLOSED


@pytest.mark.parametrize("mode", Mode)
def test_saying_it_twice_is_saying_it_once(mode):
    breaker = Breaker(mode=mode)
    breaker.force(mode, NOW)
    assert breaker.changes == []
    assert breaker.generation == 0


def test_automatic_leaves_an_open_one_open():
    breaker = opened()
    breaker.force(Mode.AUTOMATIC, NOW)
    assert breaker.state is State.OPEN


def test_a_reset_closes_but_overrules_no_operator():
    breaker = opened()
    breaker.reset(NOW)
    assert breaker.changes[-1] == ("open", "closed", "it was reset")
    breaker.force(Mode.FORCED_OPEN, NOW)
    breaker.reset(NOW)
    assert breaker.state is State.FORCED_OPEN


# 10. What is remembered


def test_an_open_one_keeps_what_opened_it():
    breaker = Breaker()
    breaker.end_all(*[FAILURE] * 10)
    assert (breaker.window.failures, breaker.consecutive_failures) == (10, 10)
    assert breaker.why == "10 failures in a row"


def test_a_row_of_failures_goes_on_while_it_is_tried():
    breaker, now = half_open()
    breaker.end_all(FAILURE, now=now)
    assert breaker.consecutive_failures == 2
    assert breaker.window.calls == 1


def test_closed_again_it_begins_anew():
    breaker, now = half_open()
    breaker.end_all(SUCCESS, SUCCESS, now=now)
    assert (breaker.window.calls, breaker.consecutive_failures) == (0, 0)


# 11. Once


def test_a_permit_is_released_once():
    breaker = Breaker()
    permit = breaker.acquire(NOW)
    assert permit is not None
    for _ in range(20):
        permit.release(FAILURE, QUICK, NOW)
    assert breaker.window.calls == 1


def test_only_a_half_open_permit_is_a_probes():
    breaker, now = half_open()
    probe, ordinary = breaker.acquire(now), Breaker().acquire(NOW)
    assert probe is not None
    assert ordinary is not None
    assert (probe.is_probe, ordinary.is_probe) == (True, False)


# All of it together


def _closed_after_s(breaker, out_for_s, fails_after_s):
    """Return how long after an outage the breaker closes; a call arrives every 10 ms."""
    pending, now, recovers_at = [], NOW, NOW + out_for_s
    while now < recovers_at + 5:
        for entry in [entry for entry in pending if entry[0] <= now]:
            pending.remove(entry)
            entry[1].release(entry[2], QUICK, now)
        if now >= recovers_at and breaker.state is State.CLOSED:
            return now - recovers_at
        permit = breaker.acquire(now)
        if permit is not None and now < recovers_at:
            pending.append((now + fails_after_s, permit, FAILURE))
        elif permit is not None:
            pending.append((now + 0.005, permit, SUCCESS))
        now += 0.01
    return float("inf")


@pytest.mark.parametrize("fails_after_s", [0.001, 0.2, 0.3, 1.0, 2.5])
@pytest.mark.parametrize("draw", [0.0, 1 - 1e-12])
def test_a_recovered_upstream_is_in_use_again_within_half_a_second(fails_after_s, draw):
    for hundredths in range(100):  # wherever in the breaker's rounds it recovers
        breaker = Breaker(draws=[draw])
        waited_s = _closed_after_s(breaker, 3.0 + hundredths / 100, fails_after_s)
        assert breaker.changes[0][1] == "open"
        assert waited_s < 0.5
