"""Every rule at the top of replays.py."""

from gateway.interceptors.webhook.replays import Replays, Standing


def test_a_request_is_answered_once() -> None:
    replays = Replays(10)
    assert replays.begin(b"a", 0) is Standing.NEW
    assert replays.begin(b"a", 1) is Standing.RUNNING
    replays.answered(b"a", 300)
    assert replays.begin(b"a", 300) is Standing.ANSWERED
    assert replays.begin(b"a", 301) is Standing.NEW


def test_one_that_failed_may_come_again() -> None:
    replays = Replays(10)
    replays.begin(b"a", 0)
    replays.failed(b"a")
    assert replays.begin(b"a", 0) is Standing.NEW


def test_no_more_are_remembered_than_allowed_and_the_first_is_forgotten() -> None:
    replays = Replays(3)
    for digest in (b"a", b"b", b"c", b"d"):
        assert replays.begin(digest, 0) is Standing.NEW
        replays.answered(digest, 300)
        assert len(replays) <= 3
    assert replays.begin(b"d", 1) is Standing.ANSWERED
    assert replays.begin(b"a", 1) is Standing.NEW


def test_what_is_too_old_makes_room_first() -> None:
    replays = Replays(100)
    for number in range(50):
        replays.begin(bytes([number]), 0)
        replays.answered(bytes([number]), 10)
    replays.begin(b"new", 11)
    assert len(replays) == 1


def test_where_all_are_under_way_the_next_goes_on_unremembered() -> None:
    replays = Replays(2)
    for digest in (b"a", b"b", b"c"):
        assert replays.begin(digest, 0) is Standing.NEW
    assert len(replays) == 2
    replays.answered(b"c", 300)
    assert len(replays) == 2
