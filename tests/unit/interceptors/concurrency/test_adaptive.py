"""Single steps of the adaptive limit; what they add up to is in test_simulation.py."""

import pytest

from gateway.interceptors.concurrency.adaptive import AdaptiveLimit
from gateway.interceptors.concurrency.baselines import Baselines
from gateway.interceptors.concurrency.findings import Finding
from gateway.interceptors.concurrency.options import AdaptiveOptions
from gateway.interceptors.concurrency.phases import TRANSITIONS, Phase

OPTIONS = AdaptiveOptions(min_limit=4, max_limit=200, initial_limit=32)
USUAL_S = 0.1


class Told:
    """An adaptive limit, and what attempts tell it at a rate of 400 a second."""

    def __init__(self, options: AdaptiveOptions = OPTIONS) -> None:
        self.baselines = Baselines()
        self.limit = AdaptiveLimit(options, self.baselines, 0.0)
        self.now = 0.0

    def answers(self, count: int, duration_s: float = USUAL_S, in_flight: int | None = None):
        for _ in range(count):
            self.now += 0.0025
            under_way = self.limit.limit if in_flight is None else in_flight
            self.limit.answered(self.baselines.of("get"), duration_s, under_way, self.now)

    def drops(self, count: int, duration_s: float = 0.5):
        for _ in range(count):
            self.now += 0.0025
            self.limit.dropped(duration_s, self.limit.limit, self.now)

    def knows(self) -> "Told":
        """Let the usual time be known, without use for the limit."""
        self.now += 1
        self.answers(150, in_flight=1)
        self.now += 3  # what comes is another window
        return self


def test_it_begins_as_the_options_say():
    assert Told().limit.limit == 32
    assert Told(AdaptiveOptions(initial_limit=500, max_limit=64)).limit.limit == 64


def test_it_doubles_while_it_is_used_and_answers_are_as_fast_as_usual():
    told = Told().knows()
    told.answers(50)
    assert told.limit.limit == 64
    told.answers(400)
    assert told.limit.limit == 200  # and no further


def test_an_unused_limit_neither_grows_nor_falls():
    told = Told().knows()
    told.answers(500, duration_s=5 * USUAL_S, in_flight=20)
    told.answers(500, in_flight=20)
    assert told.limit.limit == 32


def test_late_answers_under_a_limit_that_binds_cut_it_in_proportion():
    told = Told().knows()
    told.answers(50, duration_s=3 * USUAL_S)
    assert told.limit.phase is Phase.LOWERED
    assert 20 <= told.limit.limit <= 26


def test_one_window_never_costs_more_than_half():
    told = Told().knows()
    told.answers(50, duration_s=50 * USUAL_S)
    assert told.limit.limit == 16


def test_it_never_falls_below_the_least():
    told = Told().knows()
    for _ in range(200):
        told.answers(20, duration_s=USUAL_S * told.limit.limit)  # a queue: latency follows
    assert told.limit.limit in range(4, 9)
    assert min(told.limit.limit, 4) == 4


def test_latency_that_does_not_follow_the_limit_becomes_the_usual():
    told = Told().knows()
    for _ in range(60):
        told.answers(40, duration_s=3 * USUAL_S)
    assert told.limit.limit >= 128
    assert told.limit.phase in (Phase.DOUBLING, Phase.STEADY)


def test_one_window_after_a_change_is_left_out():
    told = Told().knows()
    told.answers(50, duration_s=5 * USUAL_S)
    lowered = told.limit.limit
    told.answers(150, duration_s=9 * USUAL_S)  # they began before the cut
    assert told.limit.limit == lowered


def test_many_drops_cut_by_a_third_and_few_do_not():
    told = Told().knows()
    for _ in range(30):
        told.drops(1)
        told.answers(9, in_flight=told.limit.limit)
    assert told.limit.limit >= 32
    told = Told().knows()
    for _ in range(5):
        told.drops(3)
        told.answers(7)
    assert (told.limit.limit, told.limit.phase) == (22, Phase.LOWERED)


def test_most_attempts_dropped_halve_it_down_to_the_least_and_it_comes_back():
    told = Told().knows()
    told.drops(300, duration_s=0.001)
    assert told.limit.limit == 4
    told.answers(3000)
    assert told.limit.limit >= 32


def test_drops_alone_never_let_it_grow():
    told = Told()
    told.drops(2000)
    assert told.limit.limit == 4


def test_after_a_restart_each_limit_full_of_answers_doubles_it():
    told = Told().knows()
    told.limit.restart(told.now)
    limits = []
    for _ in range(6):
        limits.append(told.limit.limit)
        told.now += 2 * USUAL_S
        told.answers(told.limit.limit)
    assert limits == [1, 2, 4, 8, 16, 32]
    assert told.limit.phase is Phase.DOUBLING


def test_answers_to_attempts_from_before_the_restart_do_not_count():
    told = Told().knows()
    told.limit.restart(told.now)
    told.answers(20, duration_s=1.0)
    assert told.limit.limit == 1


def test_a_queue_ends_the_ramp():
    told = Told().knows()
    told.limit.restart(told.now)
    for _ in range(3):
        told.now += 1
        told.answers(told.limit.limit)
    assert told.limit.limit == 8
    told.now += 5
    told.answers(8, duration_s=8 * USUAL_S)
    assert (told.limit.limit, told.limit.phase) == (4, Phase.STEADY)


def test_drops_on_the_ramp_step_back_and_under_the_least_only_there():
    told = Told().knows()
    told.limit.restart(told.now)
    told.now += 1
    told.answers(1)
    assert told.limit.limit == 2
    told.now += 1
    told.drops(2)
    assert told.limit.limit == 1
    told.drops(3)
    assert told.limit.limit == 1


def test_a_restart_on_the_ramp_remembers_what_the_limit_was():
    told = Told().knows()
    told.limit.restart(told.now)
    told.now += 1
    told.limit.restart(told.now)
    for _ in range(6):
        told.now += 1
        told.answers(told.limit.limit)
    assert told.limit.limit >= 32


def test_a_pause_is_no_part_of_a_window():
    told = Told().knows()
    told.answers(15, duration_s=5 * USUAL_S)
    told.now += 60
    told.answers(15, duration_s=5 * USUAL_S)
    assert told.limit.limit == 32


def test_a_question_that_nobody_answers_is_given_up():
    told = Told().knows()
    told.answers(50, duration_s=3 * USUAL_S)
    assert told.limit.phase is Phase.LOWERED
    told.now += 10
    told.answers(1)
    told.now += 10
    told.answers(1)
    assert (told.limit.limit, told.limit.phase) == (32, Phase.STEADY)


@pytest.mark.parametrize("tolerance", [1.0, 0.0])
def test_a_tolerance_of_nothing_is_read_as_a_small_one(tolerance):
    told = Told(AdaptiveOptions(latency_tolerance=tolerance)).knows()
    told.answers(2000)
    assert told.limit.limit > 32


REACHABLE = {
    Phase.RAMPING: {Finding.ROOM, Finding.ARRIVED, Finding.DROPPING, Finding.CROWDED},
    Phase.LOWERED: {
        Finding.UNUSED,
        Finding.OURS,
        Finding.OPEN,
        Finding.NOT_OURS,
        Finding.FAILING,
    },
    Phase.DIPPED: {
        Finding.UNUSED,
        Finding.OURS,
        Finding.OPEN,
        Finding.NOT_OURS,
        Finding.FASTER,
        Finding.CROWDED,
        Finding.FAILING,
    },
    Phase.RAISED: {Finding.UNUSED, Finding.OURS, Finding.NOT_OURS, Finding.FAILING},
    Phase.CONFIRMED: {Finding.UNUSED, Finding.OURS, Finding.NOT_OURS, Finding.FAILING},
}
FREE = set(Finding) - {
    Finding.OURS,
    Finding.NOT_OURS,
    Finding.OPEN,
    Finding.FASTER,
    Finding.ARRIVED,
}


@pytest.mark.parametrize("phase", list(Phase))
def test_each_phase_knows_what_to_do_about_everything_it_may_find(phase):
    known = {finding for before, finding in TRANSITIONS if before is phase}
    assert known == REACHABLE.get(phase, FREE)


def test_every_phase_can_be_left_and_reached():
    assert {before for before, _ in TRANSITIONS} == set(Phase)
    assert {after for after, _ in TRANSITIONS.values()} == set(Phase)
