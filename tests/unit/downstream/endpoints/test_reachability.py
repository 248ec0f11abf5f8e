import itertools

import pytest
from support.calls import answered, refused, reset

from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.status import Code
from gateway.downstream.endpoints.reachability import (
    TRANSITIONS,
    Reachability,
    Sign,
    State,
    failed_to_connect,
)


def test_the_table_says_what_follows_from_every_sign_in_every_state():
    assert TRANSITIONS.keys() == set(itertools.product(State, Sign))


def test_so_many_failures_in_a_row_make_it_unreachable():
    one = Reachability(3)
    assert [one.failed(0.0) for _ in range(4)] == [False, False, True, False]
    assert not one.reachable


def test_an_attempt_that_had_a_connection_breaks_the_row():
    one = Reachability(2)
    for _ in range(10):
        assert not one.failed(0.0)
        one.got_through()
    assert one.reachable


def test_only_a_probe_brings_it_back():
    one = Reachability(1)
    one.failed(0.0)
    one.got_through()
    assert not one.reachable
    assert one.probed(5.0)
    assert one.reachable
    assert not one.probed(6.0)


def test_failures_from_before_the_probe_count_for_nothing():
    one = Reachability(2)
    one.failed(0.0)
    one.failed(0.0)
    one.probed(5.0)
    assert [one.failed(4.9) for _ in range(10)] == [False] * 10
    assert [one.failed(5.0), one.failed(5.1)] == [False, True]


def test_zero_failures_are_never_enough():
    one = Reachability(0)
    assert not any(one.failed(0.0) for _ in range(100))
    assert one.reachable


def error(reason: Reason, sent: Sent) -> CallError:
    return CallError(Code.UNAVAILABLE, reason, "x", origin=Origin.UPSTREAM, sent=sent)


@pytest.mark.parametrize(
    ("end", "counts"),
    [
        (refused(), True),
        (error(Reason.UPSTREAM_UNRESOLVED, Sent.NOT_SENT), True),
        (error(Reason.UPSTREAM_TLS, Sent.NOT_SENT), True),
        (error(Reason.UPSTREAM_UNREACHABLE, Sent.UNKNOWN), False),
        (error(Reason.DRAINING, Sent.NOT_SENT), False),
        (error(Reason.BREAKER_OPEN, Sent.NOT_SENT), False),
        (error(Reason.CONCURRENCY_LIMIT, Sent.NOT_SENT), False),
        (error(Reason.ATTEMPT_TIMEOUT, Sent.NOT_SENT), False),
        (error(Reason.ATTEMPT_TIMEOUT, Sent.UNKNOWN), False),
        (reset(), False),
        (answered(503), False),
        (answered(404), False),
    ],
)
def test_what_counts_as_a_connection_that_failed(end, counts):
    assert failed_to_connect(end) is counts
