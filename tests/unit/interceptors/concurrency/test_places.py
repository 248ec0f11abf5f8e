import pytest

from gateway.core.criticality import Criticality
from gateway.interceptors.concurrency.line import Refusal, Waiter, Why
from gateway.interceptors.concurrency.options import AdaptiveOptions, BulkheadOptions
from gateway.interceptors.concurrency.places import Places, Verdict

SHEDDABLE, PLUS, CRITICAL, _ = Criticality


class Told(Waiter):
    """A waiter that keeps what was decided."""

    __slots__ = ("decisions",)

    def decide(self, refusal: Refusal | None) -> None:
        self.decisions.append(refusal)

    @property
    def why(self) -> Why | None:
        (refusal,) = self.decisions
        return None if refusal is None else refusal.why


def bulkhead(**options) -> Places:
    return Places(BulkheadOptions(**options), None, 0.0)


def waiter(places: Places, criticality=CRITICAL, deadline_at=100.0, now=0.0) -> Told:
    told = Told(places.times_of("get"), criticality, deadline_at, now)
    told.decisions = []
    return told


def done(places: Places, now: float, duration_s: float = 0.1, verdict=Verdict.OK, ticket=0) -> None:
    places.release("get", duration_s, verdict, now, ticket)


def test_the_limit_is_the_bulkheads_or_the_adaptive_one_whichever_is_less():
    assert bulkhead(max_in_flight=3).limit == 3
    assert Places(None, AdaptiveOptions(initial_limit=7), 0.0).limit == 7
    assert Places(BulkheadOptions(max_in_flight=5), AdaptiveOptions(), 0.0).limit == 5
    assert Places(BulkheadOptions(max_in_flight=50), AdaptiveOptions(), 0.0).limit == 32


def test_as_many_are_under_way_as_there_are_places():
    places = bulkhead(max_in_flight=2)
    assert [places.try_acquire() for _ in range(3)] == [True, True, False]
    assert places.in_flight == 2
    done(places, 0.1)
    assert places.try_acquire()


def test_a_free_place_goes_to_who_waits_and_not_to_who_comes():
    places = bulkhead(max_in_flight=1)
    places.try_acquire()
    first, second = waiter(places), waiter(places)
    assert places.join(first, 0.0) is None
    assert places.join(second, 0.0) is None
    done(places, 0.1)
    assert first.why is None
    assert not places.try_acquire()
    assert second.decisions == []
    assert (places.in_flight, places.queued) == (1, 1)


def test_a_full_line_refuses_at_once():
    places = bulkhead(max_in_flight=1, max_queued=1)
    places.try_acquire()
    places.join(waiter(places), 0.0)
    refusal = places.join(waiter(places), 0.0)
    assert refusal is not None
    assert (refusal.why, refusal.in_flight, refusal.queued) == (Why.FULL, 1, 1)


def test_a_more_critical_newcomer_takes_the_room_of_the_least_critical():
    places = bulkhead(max_in_flight=1, max_queued=2)
    places.try_acquire()
    elder, younger = waiter(places, SHEDDABLE), waiter(places, SHEDDABLE)
    places.join(elder, 0.0)
    places.join(younger, 0.0)
    assert places.would_refuse(SHEDDABLE)
    assert not places.would_refuse(CRITICAL)
    assert places.join(waiter(places, CRITICAL), 0.5) is None
    assert younger.why is Why.DISPLACED
    assert elder.decisions == []
    assert places.queued == 2


def test_nothing_would_be_refused_while_there_is_a_place():
    places = bulkhead(max_in_flight=1, max_queued=0)
    assert not places.would_refuse(SHEDDABLE)
    places.try_acquire()
    assert places.would_refuse(Criticality.CRITICAL_PLUS)
    assert places.fullness().why is Why.FULL


def test_who_has_less_time_than_an_attempt_takes_does_not_wait():
    places = bulkhead(max_in_flight=1)
    places.try_acquire()
    done(places, 0.5, duration_s=0.5)
    places.try_acquire()
    assert places.join(waiter(places, deadline_at=1.5, now=1.1), 1.1).why is Why.TOO_LATE
    assert places.join(waiter(places, deadline_at=1.7, now=1.1), 1.1) is None


def test_a_method_that_was_never_seen_is_not_too_slow_for_anybody():
    places = bulkhead(max_in_flight=1)
    places.try_acquire()
    assert places.join(waiter(places, deadline_at=0.001), 0.0) is None


def test_the_wait_ends_at_the_longest_or_when_too_little_time_is_left():
    places = bulkhead(max_in_flight=1, max_wait_s=1.0)
    places.try_acquire()
    done(places, 0.5, duration_s=0.5)
    places.try_acquire()
    patient, short = waiter(places, now=1.0), waiter(places, deadline_at=2.2, now=1.0)
    places.join(patient, 1.0)
    places.join(short, 1.0)
    assert places.leaves_at(patient) == 2.0
    assert places.leaves_at(short) == pytest.approx(1.7)
    places.expire(short, 1.7)
    places.expire(patient, 2.0)
    assert (short.why, patient.why) == (Why.TOO_LATE, Why.WAITED)
    assert places.queued == 0
    places.expire(patient, 2.1)
    assert len(patient.decisions) == 1  # once is enough


def test_where_nobody_knows_how_long_it_takes_the_deadline_ends_the_wait_and_no_refusal():
    places = bulkhead(max_in_flight=1, max_wait_s=1.0)
    places.try_acquire()
    assert places.leaves_at(waiter(places, deadline_at=0.3)) == 1.0


def test_who_became_too_late_is_refused_at_its_turn_and_the_next_served():
    places = bulkhead(max_in_flight=2)
    places.try_acquire()
    places.try_acquire()
    late, next_one = waiter(places, deadline_at=0.5), waiter(places)
    places.join(late, 0.0)
    places.join(next_one, 0.0)
    done(places, 0.4, duration_s=0.4)  # an attempt takes 0.4 s, as is known now
    assert late.why is Why.TOO_LATE
    assert next_one.why is None


def test_attempts_that_were_not_answered_in_time_are_expected_to_take_longer():
    places = bulkhead(max_in_flight=1)
    times = places.times_of("get")
    for duration_s, verdict in ((0.1, Verdict.OK), (5.0, Verdict.OVERLOADED)):
        places.try_acquire()
        done(places, 1.0, duration_s, verdict)
    assert 0.1 < times.expected_s <= 0.2  # one that hung does not decide alone
    before = times.expected_s
    places.try_acquire()
    done(places, 1.0, 0.001, Verdict.OVERLOADED)  # a 503 at once
    assert times.expected_s == before


def test_what_tells_nothing_teaches_nothing():
    places = Places(None, AdaptiveOptions(), 0.0)
    for _ in range(100):
        places.try_acquire()
        done(places, 1.0, 9.0, Verdict.IGNORED)
    assert places.in_flight == 0
    assert places.times_of("get").expected_s == 0
    assert places.limit == 32


def test_who_leaves_takes_nobodys_place():
    places = bulkhead(max_in_flight=1)
    places.try_acquire()
    gone, stays = waiter(places), waiter(places)
    places.join(gone, 0.0)
    places.join(stays, 0.0)
    assert places.leave(gone)
    assert not places.leave(gone)
    done(places, 0.1)
    assert gone.decisions == []
    assert stays.why is None


def test_after_a_restart_attempts_that_hang_hold_no_place():
    places = Places(None, AdaptiveOptions(), 0.0)
    for _ in range(32):
        places.try_acquire()
    blocked = waiter(places)
    places.join(blocked, 0.0)
    old = places.generation
    places.restart(0.5)
    assert places.limit == 1
    assert blocked.why is None  # the one place there is now
    assert not places.try_acquire()
    assert places.in_flight == 33
    done(places, 1.2, 0.2, ticket=old)  # one of those that hung
    assert not places.try_acquire()
    done(places, 1.2, 0.1, ticket=blocked.ticket)
    assert places.limit == 2
    assert [places.try_acquire() for _ in range(3)] == [True, True, False]


def test_a_restart_does_not_lift_the_bulkhead():
    places = Places(BulkheadOptions(max_in_flight=4), AdaptiveOptions(), 0.0)
    for _ in range(4):
        places.try_acquire()
    places.restart(1.0)
    assert not places.try_acquire()


# Looks at an upstream that has fallen silent


def hung(bulkhead_options=None, **options) -> Places:
    """Return places that are all taken since 0.0."""
    places = Places(bulkhead_options, AdaptiveOptions(**options), 0.0)
    while places.try_acquire():
        pass
    return places


def joined(places: Places, now: float, **more) -> Told:
    told = waiter(places, now=now, **more)
    assert places.join(told, now) is None
    return told


def test_where_nothing_ends_one_more_is_let_through_each_half_second():
    places = hung(BulkheadOptions(max_wait_s=3.0), initial_limit=4)
    waiting = [joined(places, 0.0) for _ in range(4)]
    assert places.wakes_at(waiting[0]) == 0.5
    for now, through in ((0.49, 0), (0.5, 1), (0.51, 1), (0.99, 1), (1.0, 2)):
        places.wake(waiting[3], now)
        assert [bool(one.decisions) for one in waiting].count(True) == through
    assert [one.why for one in waiting[:2]] == [None, None]
    assert (places.limit, places.in_flight) == (4, 6)


def test_who_comes_may_be_the_look_where_nobody_can_wait():
    places = hung(BulkheadOptions(max_queued=0), initial_limit=4)
    assert not places.would_look("get", 1.0)  # that is when silence is first heard
    assert places.join(waiter(places, now=1.1), 1.1).why is Why.FULL
    assert not places.would_look("get", 1.49)
    assert places.would_look("get", 1.5)
    assert joined(places, 1.5).why is None
    assert places.join(waiter(places, now=1.6), 1.6).why is Why.FULL


def test_a_full_line_keeps_its_order_when_a_look_is_due():
    places = hung(BulkheadOptions(max_queued=1), initial_limit=4)
    first = joined(places, 0.0)
    second = joined(places, 0.5)
    assert first.why is None
    assert second.decisions == []
    assert places.queued == 1


def test_an_end_begins_the_silence_anew():
    places = hung(initial_limit=4)
    one, other = joined(places, 0.0), joined(places, 0.0)
    done(places, 0.4, duration_s=0.4)
    assert one.why is None
    assert places.looks_at(other.times) == pytest.approx(0.4 + 3 * 0.4)  # and it is slow


def test_a_slow_start_looks_sooner():
    places = Places(None, AdaptiveOptions(), 0.0)
    places.restart(1.0)
    assert places.try_acquire()
    waiting = joined(places, 1.0)
    places.wake(waiting, 1.25)
    assert waiting.why is None


def test_looks_never_go_beyond_a_bulkhead_or_the_highest_limit():
    for places in (
        hung(BulkheadOptions(max_in_flight=4), initial_limit=8),
        hung(initial_limit=4, max_limit=4),
    ):
        waiting = joined(places, 0.0)
        places.wake(waiting, 0.9)
        assert waiting.decisions == []
        assert places.wakes_at(waiting) == 1.0


def test_without_an_adaptive_limit_nobody_looks():
    places = bulkhead(max_in_flight=1)
    places.try_acquire()
    waiting = joined(places, 0.0)
    places.wake(waiting, 0.9)
    assert waiting.decisions == []


def test_a_look_that_is_answered_takes_their_places_from_those_that_hang():
    places = hung(initial_limit=8)
    waiting = [joined(places, 0.0) for _ in range(3)]
    places.wake(waiting[0], 0.5)
    done(places, 0.51, 0.01, ticket=waiting[0].ticket)
    assert places.limit == 1  # as after an outage
    assert waiting[1].why is None
    assert waiting[2].decisions == []
    assert places.in_flight == 9
    done(places, 0.52, 0.01, ticket=waiting[1].ticket)
    assert places.limit == 2
    for _ in range(8):  # those that hung fail at last
        done(places, 15.0, 15.0, Verdict.OVERLOADED)
    assert places.limit == 2
    assert places.in_flight == 1


def test_a_ramp_goes_on_where_it_was():
    places = Places(None, AdaptiveOptions(), 0.0)
    places.restart(0.0)
    places.try_acquire()
    waiting = joined(places, 0.0)
    places.wake(waiting, 0.25)
    done(places, 0.26, 0.01, ticket=waiting.ticket)
    assert places.limit == 2
    assert [places.try_acquire() for _ in range(3)] == [True, True, False]


def test_without_a_slow_start_the_limit_stays():
    places = hung(initial_limit=8, slow_start=False)
    waiting = joined(places, 0.0)
    places.wake(waiting, 0.5)
    done(places, 0.51, 0.01, ticket=waiting.ticket)
    assert places.limit == 8
    assert [places.try_acquire() for _ in range(9)] == [True] * 8 + [False]


def test_an_answer_from_before_the_look_shows_that_it_was_slow_and_takes_nothing():
    places = hung(initial_limit=8)
    waiting = [joined(places, 0.0) for _ in range(2)]
    places.wake(waiting[0], 0.5)
    done(places, 0.6, 0.6)  # one of the eight
    assert waiting[1].decisions == []  # the look has its place
    done(places, 0.7, 0.2, ticket=waiting[0].ticket)
    assert (places.limit, places.in_flight) == (8, 8)
    assert waiting[1].why is None


def test_who_ends_a_look_without_an_answer_leaves_it_to_the_next():
    places = hung(initial_limit=4)
    waiting = [joined(places, 0.0) for _ in range(2)]
    places.wake(waiting[0], 0.5)
    done(places, 0.5, 0.0, Verdict.IGNORED, waiting[0].ticket)  # a breaker refused it
    assert waiting[1].why is None
    for _ in range(4):  # and with those that hung, the places for looks go
        done(places, 2.0, 2.0, Verdict.IGNORED)
    done(places, 2.0, 1.0, Verdict.IGNORED, waiting[1].ticket)
    assert [places.try_acquire() for _ in range(5)] == [True] * 4 + [False]


def test_a_look_is_let_through_under_a_limit_that_fell_below_what_is_under_way():
    places = hung(initial_limit=8)
    places._adaptive._resize(4.0)
    places._fit()
    waiting = joined(places, 0.0)
    places.wake(waiting, 0.5)
    assert waiting.why is None


@pytest.mark.parametrize("adaptive", [None, AdaptiveOptions(slow_start=False)])
def test_without_a_slow_start_a_restart_changes_nothing(adaptive):
    places = Places(BulkheadOptions(max_in_flight=8), adaptive, 0.0)
    places.restart(1.0)
    assert (places.limit, places.generation) == (8, 0)


def test_the_delay_grows_with_the_line():
    places = bulkhead(max_in_flight=2, max_wait_s=0.7)
    assert places.retry_after_s() == 0.7  # nothing is known
    for _ in range(200):
        places.try_acquire()
        done(places, 1.0, 0.2)
    places.try_acquire()
    places.try_acquire()
    alone = places.retry_after_s()
    assert alone == pytest.approx(0.1, rel=0.01)
    for _ in range(3):
        places.join(waiter(places, now=1.0), 1.0)
    assert places.retry_after_s() == pytest.approx(4 * alone)
