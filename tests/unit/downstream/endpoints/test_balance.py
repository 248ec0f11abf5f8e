import random
from collections import Counter
from itertools import pairwise

import pytest
from fakes.clock import FakeRng

from gateway.downstream.endpoints.balance import Balancer, Load
from gateway.downstream.endpoints.options import Balancing

ZERO = FakeRng([0.0])  # compares the first with the second


def loads(count: int) -> list[Load]:
    return [Load(0.0) for _ in range(count)]


def spread(balancer: Balancer, usable: list[Load], draws: int = 2_000, now: float = 0.0) -> Counter:
    """Return how often each is chosen while nothing changes."""
    rng = random.Random(1)
    return Counter(usable.index(balancer.pick(usable, (), now, rng)) for _ in range(draws))


@pytest.mark.parametrize("balancing", Balancing)
def test_the_one_with_fewer_attempts_under_way_is_chosen(balancing):
    usable = loads(2)
    usable[0].in_flight = 3
    usable[1].in_flight = 2
    assert spread(Balancer(balancing), usable).keys() == {1}


def test_the_busiest_of_three_is_never_the_better_of_two():
    usable = loads(3)
    usable[2].in_flight = 1
    assert spread(Balancer(Balancing.LEAST_REQUEST), usable).keys() == {0, 1}


@pytest.mark.parametrize("balancing", Balancing)
def test_two_are_compared_and_not_all(balancing):
    usable = loads(4)
    for count, load in enumerate(usable):
        load.in_flight = count
    chosen = spread(Balancer(balancing), usable, draws=6_000)
    # Of six pairs the n-th of four is the better one in 3, 2, 1 and 0.
    assert [chosen[at] for at in range(4)] == [
        pytest.approx(3_000, rel=0.1),
        pytest.approx(2_000, rel=0.1),
        pytest.approx(1_000, rel=0.1),
        0,
    ]


@pytest.mark.parametrize("balancing", Balancing)
@pytest.mark.parametrize("count", [2, 3, 10])
def test_equals_are_chosen_alike(balancing, count):
    chosen = spread(Balancer(balancing), loads(count))
    assert min(chosen.values()) > 0.8 * 2_000 / count
    assert len(chosen) == count


def test_the_faster_one_is_chosen_until_it_has_more_to_do():
    balancer, (fast, slow) = Balancer(Balancing.PEAK_EWMA), loads(2)
    balancer.succeeded(fast, 0.01, 0.0)
    balancer.succeeded(slow, 0.05, 0.0)
    picked = []
    for _ in range(7):
        one = balancer.pick([fast, slow], (), 0.0, ZERO)
        one.in_flight += 1
        picked.append(one)
    assert [one is fast for one in picked] == [True] * 5 + [False, True]


def test_least_request_knows_no_latency():
    balancer, (fast, slow) = Balancer(Balancing.LEAST_REQUEST), loads(2)
    balancer.succeeded(fast, 0.01, 0.0)
    balancer.succeeded(slow, 5.0, 0.0)
    fast.in_flight = 1
    assert balancer.pick([fast, slow], (), 0.0, ZERO) is slow


def test_a_peak_counts_at_once_and_fades_slowly():
    balancer, (one,) = Balancer(Balancing.PEAK_EWMA), loads(1)
    balancer.succeeded(one, 0.01, 0.0)
    balancer.succeeded(one, 1.0, 0.0)
    assert one.latency_s == 1.0
    balancer.succeeded(one, 0.01, 0.5)
    assert 0.89 < one.latency_s < 0.92
    balancer.succeeded(one, 0.01, 20.0)
    assert one.latency_s < 0.04


def test_who_was_never_measured_costs_as_the_others_do_in_the_mean():
    balancer, (fast, slow, new) = Balancer(Balancing.PEAK_EWMA), loads(3)
    for _ in range(50):
        balancer.succeeded(fast, 0.01, 0.0)
        balancer.succeeded(slow, 0.1, 0.0)
    assert balancer.pick([fast, new], (), 0.0, ZERO) is fast
    assert balancer.pick([slow, new], (), 0.0, ZERO) is new


def test_who_was_never_measured_is_tried_although_calls_come_one_by_one():
    balancer, (old, new) = Balancer(Balancing.PEAK_EWMA), loads(2)
    rng, now = random.Random(1), 0.0
    for _ in range(30):
        chosen = balancer.pick([old, new], (), now, rng)
        chosen.chosen_at = now
        if chosen is new:
            return
        now += 0.01
        balancer.succeeded(old, 0.01, now)
    raise AssertionError("the new endpoint was never tried")


def test_who_fails_fast_does_not_look_fast():
    balancer, (well, broken) = Balancer(Balancing.PEAK_EWMA), loads(2)
    balancer.succeeded(well, 0.1, 0.0)
    balancer.succeeded(broken, 0.1, 0.0)
    balancer.failed(broken, 0.001, 0.0)
    assert broken.latency_s == 0.1
    assert balancer.pick([broken, well], (), 0.0, ZERO) is well
    for _ in range(4):
        balancer.failed(broken, 0.001, 0.0)
    well.in_flight = 20  # and failing fast it never has anything under way
    assert balancer.pick([broken, well], (), 0.0, ZERO) is well


def test_a_failure_before_anything_was_measured_is_no_latency():
    balancer, (broken,) = Balancer(Balancing.PEAK_EWMA), loads(1)
    balancer.failed(broken, 0.001, 0.0)
    assert broken.latency_s == 0.0


def test_the_penalty_is_bounded_and_ends_with_a_success():
    balancer, (one, other) = Balancer(Balancing.PEAK_EWMA), loads(2)
    for _ in range(5_000):
        balancer.failed(one, 0.001, 0.0)
    other.in_flight = 64
    assert balancer.pick([one, other], (), 0.0, ZERO) is one
    other.in_flight = 1
    assert balancer.pick([one, other], (), 0.0, ZERO) is other
    balancer.succeeded(one, 0.001, 0.0)
    assert balancer.pick([one, other], (), 0.0, ZERO) is one


@pytest.mark.parametrize("how", ["failed", "lasted"])
def test_what_ends_late_without_an_answer_raises_the_latency(how):
    balancer, (one,) = Balancer(Balancing.PEAK_EWMA), loads(1)
    balancer.succeeded(one, 0.01, 0.0)
    getattr(balancer, how)(one, 2.0, 0.0)
    assert one.latency_s == 2.0
    balancer.lasted(one, 0.5, 0.0)
    assert one.latency_s == 2.0


def test_a_duration_of_zero_is_not_measured():
    balancer, (one,) = Balancer(Balancing.PEAK_EWMA), loads(1)
    balancer.succeeded(one, 0.0, 0.0)
    assert one.latency_s == 0.0
    balancer.succeeded(one, 0.2, 0.0)
    balancer.succeeded(one, 0.0, 10.0)
    assert one.latency_s == 0.2


def test_a_slow_endpoint_is_looked_at_now_and_then_by_one_attempt():
    balancer, (fast, slow) = Balancer(Balancing.PEAK_EWMA), loads(2)
    rng, now = random.Random(1), 0.0
    balancer.succeeded(fast, 0.01, now)
    balancer.succeeded(slow, 1.0, now)
    at = []
    for _ in range(6_000):  # a minute of a hundred calls a second
        now += 0.01
        chosen = balancer.pick([fast, slow], (), now, rng)
        chosen.chosen_at = now
        if chosen is slow:  # whose answer takes longer than the next calls
            at.append(now)
        else:
            balancer.succeeded(fast, 0.01, now)
    assert 1 <= len(at) <= 3
    assert all(later - sooner > 15 for sooner, later in pairwise(at))


def test_silence_counts_as_latency_while_attempts_are_under_way():
    balancer, (slow, well) = Balancer(Balancing.PEAK_EWMA), loads(2)
    balancer.succeeded(slow, 0.1, 0.0)
    balancer.succeeded(well, 0.1, 0.0)
    slow.take(0.0)
    for _ in range(4):
        well.take(0.0)
    assert balancer.pick([slow, well], (), 0.1, ZERO) is slow  # two at 0.1 s each
    well.give_back(0.29)
    well.take(0.29)
    assert balancer.pick([slow, well], (), 0.3, ZERO) is well  # five at 0.1 s, two at 0.3 s
    slow.give_back(0.3)
    slow.chosen_at = well.chosen_at
    assert balancer.pick([slow, well], (), 5.0, ZERO) is slow  # silent because nothing is asked


def test_an_end_breaks_the_silence():
    (one,) = loads(1)
    one.take(0.0)
    one.take(1.0)
    assert one.silence_s(3.0) == 3.0
    one.give_back(3.0)
    assert one.silence_s(3.5) == 0.5
    one.give_back(4.0)
    assert one.silence_s(9.0) == 0.0
    one.take(10.0)
    assert one.silence_s(10.5) == 0.5


def test_a_long_stream_is_no_silence():
    (one,) = loads(1)
    one.take(0.0, timed=False)
    assert (one.in_flight, one.silence_s(60.0)) == (1, 0.0)
    one.take(60.0)
    one.give_back(70.0, timed=False)
    assert (one.in_flight, one.silence_s(70.0)) == (1, 10.0)


def test_who_was_tried_is_avoided_while_there_is_another():
    balancer, usable = Balancer(Balancing.PEAK_EWMA), loads(3)
    usable[2].in_flight = 100
    for draw in (0.0, 0.4, 0.9):
        rng = FakeRng([draw])
        assert balancer.pick(usable, usable[:2], 0.0, rng) is usable[2]
        assert balancer.pick(usable, usable, 0.0, rng) in usable


def test_who_was_away_counts_as_never_measured():
    balancer, (one,) = Balancer(Balancing.PEAK_EWMA), loads(1)
    balancer.succeeded(one, 1.0, 0.0)
    balancer.failed(one, 1.0, 0.0)
    one.forget()
    assert (one.latency_s, one.penalty) == (0.0, 1.0)
