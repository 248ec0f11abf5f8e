from dataclasses import dataclass

import pytest

from gateway.core.criticality import Criticality
from gateway.core.line import Line

PLUS, CRITICAL, SHED = Criticality.CRITICAL_PLUS, Criticality.CRITICAL, Criticality.SHEDDABLE


@dataclass(frozen=True, eq=False)
class One:
    criticality: Criticality


def line_of(*criticalities: Criticality, max_waiting: int = 10) -> tuple[Line[One], list[One]]:
    line: Line[One] = Line(max_waiting)
    ones = [One(criticality) for criticality in criticalities]
    for one in ones:
        line.append(one)
    return line, ones


def test_the_more_critical_goes_first_and_its_like_in_the_order_they_came():
    line, (a, b, c, d) = line_of(SHED, PLUS, SHED, PLUS)
    assert list(line) == [b, d, a, c]
    assert line.first() is b
    assert line.first_of(SHED) is a
    assert line.first_of(CRITICAL) is None


def test_ahead_counts_the_more_critical_and_its_like():
    line, _ = line_of(SHED, PLUS, CRITICAL, PLUS)
    assert [line.ahead(one) for one in (PLUS, CRITICAL, SHED)] == [2, 3, 4]


def test_an_empty_line_has_nobody_first():
    line, (one,) = line_of(CRITICAL)
    assert line.remove(one)
    assert not line.remove(one)
    assert (len(line), line.first(), line.ahead(SHED)) == (0, None, 0)


def test_a_full_line_gives_up_the_youngest_of_the_least_critical():
    line, (a, b, c) = line_of(SHED, CRITICAL, SHED, max_waiting=3)
    assert line.displace(PLUS) is c
    assert line.displace(PLUS) is None  # there is room now
    line.append(One(PLUS))
    assert line.displace(CRITICAL) is a
    line.append(One(CRITICAL))
    assert line.displace(CRITICAL) is None
    assert b in list(line)


@pytest.mark.parametrize(("criticality", "room"), [(PLUS, True), (CRITICAL, False), (SHED, False)])
def test_a_full_line_has_room_for_the_more_critical_only(criticality, room):
    line, _ = line_of(CRITICAL, max_waiting=1)
    assert line.has_room(criticality) == room
    assert line_of(CRITICAL)[0].has_room(criticality)
