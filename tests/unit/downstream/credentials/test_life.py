"""How long tokens are used, and how long nobody is asked."""

import pytest

from gateway.downstream.credentials.life import (
    FORGET_INTERVAL_S,
    UNTOLD_LIFE_S,
    Life,
    Pause,
    token_of,
)

NOW = 1000.0


@pytest.mark.parametrize(
    ("life_s", "draw", "due_s", "ends_s"),
    [
        (3600, 0.0, 2520, 3570),
        (3600, 1.0, 2880, 3570),
        (300, 0.0, 210, 270),
        (100, 0.0, 70, 90),
        (1, 0.0, 0.7, 0.9),
        (None, 0.0, UNTOLD_LIFE_S * 0.7, UNTOLD_LIFE_S * 0.9),
    ],
)
def test_a_token_is_due_and_ends_before_its_own_end(life_s, draw, due_s, ends_s):
    token = token_of("t", life_s, NOW, draw)
    assert token.due_at == pytest.approx(NOW + due_s)
    assert token.ends_at == pytest.approx(NOW + ends_s)
    assert token.headers == {"authorization": "Bearer t"}


def test_no_token_shows_itself():
    assert "hunter2" not in repr(token_of("hunter2", 10, NOW, 0.0))


def test_a_token_is_never_used_once_it_has_ended():
    life = Life()
    assert life.usable(NOW) is None
    life.obtained(token_of("t", 100, NOW, 0.0))
    assert life.usable(NOW + 89.9) is life.token
    assert life.usable(NOW + 90) is None


def test_pauses_grow_up_to_half_a_minute_and_a_success_ends_them():
    pause = Pause()
    lengths = []
    for _ in range(8):
        pause.begin("answered 500", None, NOW, 0.0)
        lengths.append(pause.until - NOW)
    assert lengths == [1, 2, 4, 8, 16, 30, 30, 30]
    pause.end()
    assert pause.until < NOW
    pause.begin("answered 500", None, NOW, 1.0)
    assert pause.until - NOW == pytest.approx(0.8)


@pytest.mark.parametrize(("told_s", "pause_s"), [(0, 1), (7, 7), (3600, 60)])
def test_a_server_that_says_when_is_asked_then_within_a_minute(told_s, pause_s):
    pause = Pause()
    pause.begin("answered 429", told_s, NOW, 0.0)
    assert pause.until - NOW == pause_s


def test_a_token_that_is_not_accepted_is_forgotten_once_in_a_while():
    life = Life()
    first, second = token_of("a", 100, NOW, 0.0), token_of("b", 100, NOW, 0.0)
    life.obtained(first)
    assert life.forget(first.headers, NOW)
    assert life.usable(NOW) is None
    life.obtained(second)
    assert not life.forget(second.headers, NOW + FORGET_INTERVAL_S - 0.1)
    assert life.usable(NOW) is second
    assert life.forget(second.headers, NOW + FORGET_INTERVAL_S)


def test_a_token_that_was_replaced_meanwhile_forgets_nothing():
    life = Life()
    old, new = token_of("same", 100, NOW, 0.0), token_of("same", 100, NOW, 0.0)
    life.obtained(old)
    life.obtained(new)
    assert not life.forget(old.headers, NOW)
    assert life.usable(NOW) is new


def test_the_next_token_is_asked_for_when_it_is_due_and_no_pause_holds():
    life = Life()
    life.obtained(token_of("t", 100, NOW, 0.0))
    assert life.due_at == NOW + 70
    life.pause.begin("answered 500", 30, NOW + 70, 0.0)
    assert life.due_at == NOW + 100
    assert not life.may_ask(NOW + 99)
    assert life.may_ask(NOW + 100)
