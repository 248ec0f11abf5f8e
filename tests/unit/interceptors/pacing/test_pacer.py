import pytest

from gateway.core.criticality import Criticality
from gateway.interceptors.pacing.pacer import Pacer, PacingOptions
from gateway.interceptors.pacing.refusal import Refusal
from gateway.interceptors.pacing.ticket import Ticket

NEVER = float("inf")


def paced(**options) -> Pacer:
    return Pacer(PacingOptions(**options), "shop")


def waiting(
    pacer: Pacer,
    now: float,
    deadline_at: float = NEVER,
    criticality: Criticality = Criticality.CRITICAL,
) -> Ticket:
    ticket = pacer.enter(now, deadline_at, criticality)
    assert isinstance(ticket, Ticket)
    return ticket


def taught(pacer: Pacer, now: float = 1000.0, retry_after_s: float | None = None) -> float:
    """Let answers teach a rate until `now`, with a pause where they tell one; return it."""
    for n in range(120):
        pacer.through(pacer.round, now - (1.5 if retry_after_s is None else 3) + n / 100)
    if retry_after_s is not None:
        pacer.refused(pacer.round, 0.1, now - 1.1)  # all of the last second
    while not pacer.learned:
        pacer.refused(pacer.round, retry_after_s, now)
    assert pacer.rate_per_s is not None
    return pacer.rate_per_s


def test_without_a_rate_everything_goes_at_once_and_nothing_is_kept():
    pacer = paced()
    assert not pacer.active
    assert [pacer.enter(0.0, NEVER) for _ in range(1000)] == [None] * 1000
    assert (pacer.rate_per_s, pacer.queued, pacer.learned) == (None, 0, False)


@pytest.mark.parametrize(
    ("options", "rate_per_s"),
    [({"requests": 5}, 5), ({"requests": 90, "per_s": 60.0}, 1.5), ({"requests": 1}, 1)],
)
def test_the_declared_rate_is_requests_in_a_time(options, rate_per_s):
    pacer = paced(**options)
    assert pacer.active
    assert pacer.rate_per_s == rate_per_s
    assert pacer.enter(0.0, NEVER) is None
    assert pacer.turn(waiting(pacer, 0.0), 0.0) == pytest.approx(1 / rate_per_s)


def test_a_burst_goes_at_once():
    pacer = paced(requests=10, burst=3)
    assert [pacer.enter(0.0, NEVER) for _ in range(3)] == [None] * 3
    assert pacer.turn(waiting(pacer, 0.0), 0.0) == pytest.approx(0.1)


def test_nobody_comes_before_those_that_wait():
    pacer = paced(requests=1, burst=2)
    pacer.enter(0.0, NEVER)
    pacer.enter(0.0, NEVER)
    first = waiting(pacer, 0.1)
    second = waiting(pacer, 5.0)  # the schedule would let both go
    assert pacer.is_first(first)
    assert not pacer.is_first(second)
    assert pacer.turn(first, 5.0) == 0
    assert pacer.is_first(second)
    assert pacer.queued == 1


def test_one_that_cannot_go_before_its_deadline_is_refused_with_the_delay():
    pacer = paced(requests=1)
    pacer.enter(0.0, NEVER)
    waiting(pacer, 0.0)
    refusal = pacer.enter(0.5, deadline_at=2.0)
    assert refusal == Refusal(1.5, "its turn would come after its deadline")
    assert isinstance(pacer.enter(0.5, deadline_at=2.01), Ticket)


def test_a_full_line_is_refused_with_the_delay():
    pacer = paced(requests=1, max_queued=2)
    pacer.enter(0.0, NEVER)
    waiting(pacer, 0.0)
    waiting(pacer, 0.0)
    assert pacer.enter(0.0, NEVER) == Refusal(3.0, "2 requests wait already")


def test_a_refusal_consumes_nothing():
    pacer = paced(requests=1, max_queued=1)
    pacer.enter(0.0, NEVER)
    for _ in range(100):
        assert isinstance(pacer.enter(0.2, 0.3), Refusal)
    ticket = waiting(pacer, 0.2)
    for _ in range(100):
        assert isinstance(pacer.enter(0.2, NEVER), Refusal)
    assert pacer.turn(ticket, 0.2) == pytest.approx(0.8)


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_who_leaves_the_line_makes_everybody_behind_it_earlier(gone):
    pacer = paced(requests=1)
    pacer.enter(0.0, NEVER)
    tickets = [waiting(pacer, 0.0) for _ in range(3)]
    pacer.leave(tickets.pop(gone))
    assert pacer.queued == 2
    for at, ticket in enumerate(tickets, start=1):
        assert pacer.is_first(ticket)
        assert pacer.turn(ticket, float(at)) == 0
    assert isinstance(pacer.enter(2.0, 3.0), Refusal)
    assert pacer.enter(3.0, NEVER) is None


def test_leaving_wakes_who_is_the_first_then():
    pacer = paced(requests=1)
    pacer.enter(0.0, NEVER)
    first, second, third = (waiting(pacer, 0.0) for _ in range(3))
    woken = []
    second.wake = lambda: woken.append("second")
    third.wake = lambda: woken.append("third")
    pacer.leave(first)
    assert woken == ["second"]
    pacer.leave(second)
    assert woken == ["second", "third"]
    pacer.leave(third)
    pacer.leave(third)  # harmless
    assert pacer.queued == 0


def test_a_taught_rate_holds_without_a_declared_one():
    pacer = paced()
    rate = taught(pacer)
    assert pacer.active
    assert pacer.news is not None
    assert pacer.news.rate_per_s == rate
    assert pacer.enter(1000.0, NEVER) is None
    assert pacer.turn(waiting(pacer, 1000.0), 1000.0) == pytest.approx(1 / rate)


def test_the_rate_is_the_smaller_of_the_declared_and_the_taught_one():
    assert taught(paced(requests=10_000)) < 100
    slow = paced(requests=1)
    assert taught(slow) == pytest.approx(2 / 3)


def test_a_taught_rate_allows_no_burst():
    pacer = paced(requests=1000, burst=100)
    taught(pacer)
    assert pacer.enter(1000.0, NEVER) is None
    assert isinstance(pacer.enter(1000.0, NEVER), Ticket)


def test_nothing_is_sent_before_the_longest_retry_after_is_over():
    pacer = paced()
    rate = taught(pacer, retry_after_s=20)
    assert pacer.news is not None
    assert "nothing is sent for 20 s" in pacer.news.why
    refusal = pacer.enter(1001.0, deadline_at=1015.0)
    assert isinstance(refusal, Refusal)
    assert refusal.retry_after_s == 19
    first, second = waiting(pacer, 1001.0), waiting(pacer, 1001.0)
    assert pacer.turn(first, 1019.0) == 1
    assert pacer.turn(first, 1020.0) == 0
    assert pacer.turn(second, 1020.0) == pytest.approx(1 / rate)


def test_a_pause_holds_up_those_that_wait_already():
    pacer = paced(requests=1)
    pacer.enter(1000.0, NEVER)
    ticket = waiting(pacer, 1000.0)
    taught(pacer, now=1000.5, retry_after_s=20)
    assert pacer.turn(ticket, 1001.0) == 19.5


def test_who_is_too_late_because_of_a_lesson_is_refused_then():
    pacer = paced(requests=100)
    pacer.enter(1000.0, NEVER)
    deadlines = [1000.5, 1021.0, 1002.0, NEVER, 1003.0]
    tickets = [waiting(pacer, 1000.0, deadline_at) for deadline_at in deadlines]
    woken = []
    for ticket in tickets:
        ticket.wake = lambda ticket=ticket: woken.append(ticket)
    taught(pacer, now=1000.1, retry_after_s=20)
    pacer.refuse_late(1000.1)
    assert set(woken) == {tickets[0], tickets[1], tickets[2], tickets[4]}  # 1 is the first now
    assert [ticket.refusal is None for ticket in tickets] == [False, True, False, True, False]
    assert tickets[2].refusal is not None
    assert tickets[2].refusal.retry_after_s >= 20
    assert pacer.queued == 2
    assert pacer.is_first(tickets[1])


def test_one_that_was_never_sent_gives_its_request_back():
    pacer = paced(requests=1)
    assert pacer.enter(0.0, NEVER) is None
    pacer.take_back(pacer.went)
    assert pacer.enter(0.0, NEVER) is None
    first = pacer.went
    assert pacer.enter(1.0, NEVER) is None
    pacer.take_back(first)  # another one went since
    assert isinstance(pacer.enter(1.0, NEVER), Ticket)


def test_a_rate_is_not_forgotten_while_a_request_waits_and_is_once_none_does():
    pacer = paced()
    taught(pacer)
    pacer.news = None
    pacer.enter(1000.0, NEVER)
    ticket = waiting(pacer, 1000.0)
    waiting(pacer, 1000.0)
    assert pacer.turn(ticket, 1100.0) == 0
    assert pacer.learned
    pacer.leave(next(iter(pacer._line)))
    assert pacer.enter(1200.0, NEVER) is None
    assert not pacer.learned
    assert not pacer.active
    assert pacer.news is not None
    assert pacer.news.rate_per_s is None


def test_the_state_without_traffic_is_brought_up_to_date_by_refresh():
    pacer = paced(requests=1000)
    rate = taught(pacer)
    pacer.refresh(1001.0)
    assert pacer.rate_per_s is not None
    assert rate * 1.1 < pacer.rate_per_s < rate * 1.3
    pacer.refresh(1100.0)
    assert (pacer.rate_per_s, pacer.learned) == (1000, False)


PLUS, SHED = Criticality.CRITICAL_PLUS, Criticality.SHEDDABLE


def test_the_more_critical_goes_first_and_its_like_in_the_order_of_arrival():
    pacer = paced(requests=1)
    pacer.enter(0.0, NEVER)
    came = [SHED, Criticality.CRITICAL, PLUS, SHED, PLUS, Criticality.SHEDDABLE_PLUS]
    tickets = [waiting(pacer, 0.0, criticality=criticality) for criticality in came]
    for at, number in enumerate([2, 4, 1, 5, 0, 3], start=1):
        assert pacer.is_first(tickets[number])
        assert pacer.turn(tickets[number], float(at)) == 0


def test_the_delay_counts_those_ahead_only():
    pacer = paced(requests=1)
    pacer.enter(0.0, NEVER)
    for _ in range(5):
        waiting(pacer, 0.0, criticality=SHED)
    assert isinstance(pacer.enter(0.0, 5.9, SHED), Refusal)
    assert isinstance(pacer.enter(0.0, 1.1, PLUS), Ticket)
    assert pacer.enter(0.0, 1.1, PLUS) == Refusal(2.0, "its turn would come after its deadline")


def test_a_full_line_displaces_the_youngest_of_the_least_critical():
    pacer = paced(requests=1, max_queued=3)
    pacer.enter(0.0, NEVER)
    old, young = (waiting(pacer, 0.0, criticality=SHED) for _ in range(2))
    waiting(pacer, 0.0)
    woken = []
    young.wake = lambda: woken.append(young)
    waiting(pacer, 0.0, criticality=PLUS)
    assert woken == [young]
    assert young.refusal == Refusal(4.0, "a more critical one took its place in the line")
    assert old.refusal is None
    assert pacer.queued == 3
    assert isinstance(pacer.enter(0.0, NEVER, SHED), Refusal)
    waiting(pacer, 0.0, criticality=PLUS)
    assert old.refusal is not None


def test_nobody_is_displaced_by_its_like():
    pacer = paced(requests=1, max_queued=1)
    pacer.enter(0.0, NEVER)
    ticket = waiting(pacer, 0.0, criticality=PLUS)
    assert pacer.enter(0.0, NEVER, PLUS) == Refusal(2.0, "1 requests wait already")
    assert ticket.refusal is None


def test_who_cannot_be_in_time_displaces_nobody():
    pacer = paced(requests=1, max_queued=1)
    pacer.enter(0.0, NEVER)
    ticket = waiting(pacer, 0.0, criticality=SHED)
    assert isinstance(pacer.enter(0.0, 0.5, PLUS), Refusal)
    assert ticket.refusal is None


def test_who_is_too_late_because_a_more_critical_one_came_is_refused_then():
    pacer = paced(requests=1)
    pacer.enter(0.0, NEVER)
    late = waiting(pacer, 0.0, 1.5, SHED)
    behind = waiting(pacer, 0.0, 2.5, SHED)  # its turn stays where it was
    waiting(pacer, 0.0, criticality=PLUS)
    assert late.refusal == Refusal(2.0, "its turn would come after its deadline")
    assert behind.refusal is None
    assert pacer.queued == 2


def test_who_is_more_critical_than_all_that_wait_goes_at_once_when_it_is_time():
    pacer = paced(requests=1)
    pacer.enter(0.0, NEVER)
    late, patient = waiting(pacer, 0.0, 1.5, SHED), waiting(pacer, 0.0, criticality=SHED)
    assert pacer.enter(1.0, NEVER, PLUS) is None
    assert late.refusal is not None
    assert pacer.turn(patient, 1.0) == 1.0
