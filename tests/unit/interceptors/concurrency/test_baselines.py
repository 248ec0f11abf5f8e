from math import exp, log

import pytest

from gateway.interceptors.concurrency.baselines import SLACK_S, Baselines, MethodTimes


def usual_s(times: MethodTimes) -> float:
    return exp(times.usual) - SLACK_S


def met(duration_s: float) -> MethodTimes:
    """A method that is known to take `duration_s`."""
    times = MethodTimes()
    now = 0.0
    while not times.weight:
        now += 10.0
        times.excess(duration_s, 0.0, now)
    return times


def test_the_first_attempts_make_the_usual_time_and_tell_nothing_else():
    times = MethodTimes()
    assert [times.excess(0.1, 0.0, float(now)) for now in range(1, 6)] == [0.0] * 5
    assert usual_s(times) == pytest.approx(0.1)
    assert times.weight > 0


def test_later_attempts_are_compared_with_it():
    assert met(0.1).excess(0.22, 0.0, 100.0) == pytest.approx(log(2.0))


def test_the_first_answers_of_many_at_once_are_not_taken_for_all():
    # Ten begin together; the shortest are answered first, and they are not the usual time.
    times = MethodTimes()
    durations = [0.01 * n for n in range(1, 11)]
    for duration_s in durations:
        assert not times.weight
        times.excess(duration_s, 0.0, duration_s)
    times.excess(0.5, 0.0, 0.7)  # it began later, and shows that time has gone by
    assert times.weight > 0
    mean = sum(log(duration_s + SLACK_S) for duration_s in durations) / len(durations)
    assert times.usual == pytest.approx(mean)


def test_what_a_queue_accounts_for_is_taken_off_a_newcomer():
    times = MethodTimes()
    for now in range(1, 6):
        times.excess(0.2, log(2.0), float(now))
    assert usual_s(times) == pytest.approx(0.22 / 2 - SLACK_S)


def test_less_than_twenty_milliseconds_are_hardly_late():
    assert met(0.001).excess(0.010, 0.0, 100.0) < log(1.5)


def test_usual_times_follow_what_is_seen_as_far_as_they_may():
    times = met(0.1)
    for _ in range(500):
        times.excess(0.3, 0.0, 100.0)
    times.learn(100, 0.0)
    assert usual_s(times) == pytest.approx(0.1)
    for _ in range(500):
        times.excess(0.3, 0.0, 100.0)
    times.learn(2, 1.0)
    assert usual_s(times) == pytest.approx(0.3, rel=0.05)


def test_learning_without_samples_changes_nothing():
    times = met(0.1)
    times.learn(2, 1.0)
    assert usual_s(times) == pytest.approx(0.1)


def test_slow_methods_weigh_more_but_not_in_proportion():
    assert 1.5 < met(0.4).weight / met(0.085).weight < 2.5


def test_the_number_of_methods_is_bounded():
    baselines = Baselines()
    for n in range(1000):
        baselines.of(f"shop.v1.S/M{n}")
    assert len(baselines) == 257
    assert baselines.of("shop.v1.S/M999") is baselines.of("shop.v1.S/M998")
    assert baselines.of("shop.v1.S/M0") is not baselines.of("shop.v1.S/M1")


def test_what_is_expected_follows_the_last_attempts():
    times = MethodTimes()
    times.expect(0.1)
    assert times.expected_s == 0.1
    for _ in range(100):
        times.expect(0.4)
    assert times.expected_s == pytest.approx(0.4, rel=0.01)
