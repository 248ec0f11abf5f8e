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
