import pytest

from gateway.core.criticality import Criticality
from gateway.interceptors.concurrency.baselines import MethodTimes
from gateway.interceptors.concurrency.line import Line, Waiter

SHEDDABLE, PLUS, CRITICAL, CRITICAL_PLUS = Criticality


def waiter(criticality: Criticality = CRITICAL, since: float = 0.0) -> Waiter:
    return Waiter(MethodTimes(), criticality, 100.0, since)


def line_of(*waiters: Waiter, max_queued: int = 64) -> Line:
    line = Line(max_queued, 1.0)
    for one in waiters:
        line.append(one)
    return line


def test_the_more_critical_goes_first_and_equals_in_the_order_of_arrival():
    low, first, second, high = (
        waiter(SHEDDABLE),
        waiter(CRITICAL),
        waiter(CRITICAL),
        waiter(CRITICAL_PLUS),
    )
    line = line_of(low, first, second, high)
    assert [line.next() for _ in range(4)] == [high, first, second, low]
    assert len(line) == 0
    with pytest.raises(LookupError):
        line.next()


def test_a_full_line_gives_up_the_youngest_of_the_least_critical():
    elder, younger = waiter(SHEDDABLE), waiter(SHEDDABLE)
    line = line_of(elder, waiter(PLUS), younger, max_queued=3)
    assert line.has_room(CRITICAL)
    assert line.displace() is younger
    assert line.displace() is None  # there is room again


@pytest.mark.parametrize(
    ("waits", "comes", "room"),
    [
        (CRITICAL, CRITICAL, False),
        (CRITICAL, PLUS, False),
        (PLUS, CRITICAL, True),
        (SHEDDABLE, PLUS, True),
        (CRITICAL_PLUS, CRITICAL_PLUS, False),
    ],
)
def test_only_a_more_critical_newcomer_finds_room_in_a_full_line(waits, comes, room):
    assert line_of(waiter(waits), max_queued=1).has_room(comes) is room


def test_a_line_for_nobody_has_room_for_nobody():
    assert not line_of(max_queued=0).has_room(CRITICAL_PLUS)


def test_who_leaves_is_gone_once():
    one, other = waiter(), waiter()
    line = line_of(one, other)
    assert line.remove(one)
    assert not line.remove(one)
    assert line.next() is other


@pytest.mark.parametrize(
    ("now", "too_long"),
    [
        (4.9, False),  # the line is not standing yet
        (5.0, True),
        (4.6, False),
    ],
)
def test_a_standing_line_gives_up_who_waited_a_quarter(now, too_long):
    line = line_of(waiter(since=0.0))
    line.append(waiter(since=4.5))
    line.append(waiter(since=4.6))
    line.next()  # the first is served; the line was never empty
    turn = line.next()
    assert line.waited_too_long(turn, now) is too_long


def test_the_last_of_a_standing_line_is_not_given_up():
    line = line_of(waiter(since=0.0))
    line.append(waiter(since=4.5))
    line.next()
    assert not line.waited_too_long(line.next(), 5.1)


def test_a_line_that_was_empty_is_not_standing():
    line = line_of(waiter(since=0.0))
    line.next()
    line.append(waiter(since=4.5))
    line.append(waiter(since=4.5))
    assert not line.waited_too_long(line.next(), 5.1)


def test_a_line_of_the_less_critical_stands_by_itself():
    line = line_of(waiter(SHEDDABLE, since=0.0))
    line.append(waiter(CRITICAL, since=4.5))
    line.append(waiter(CRITICAL, since=4.5))
    assert not line.waited_too_long(line.next(), 5.1)


def test_nobody_is_served_after_the_longest_wait():
    line = line_of(waiter(since=0.0))
    assert line.waited_too_long(line.next(), 1.0)
