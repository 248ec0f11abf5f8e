"""Whatever happens to tokens: none is used beyond its end, and no pause is broken."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from gateway.downstream.credentials.life import FORGET_INTERVAL_S, Life, token_of

DRAWS = st.floats(0, 1, exclude_max=True)
STEPS = st.one_of(
    st.tuples(st.just("pass"), st.floats(0, 5000)),
    st.tuples(st.just("ask"), st.none() | st.floats(0.001, 1e6), DRAWS),
    st.tuples(st.just("fail"), st.none() | st.floats(0, 1e6), DRAWS),
    st.tuples(st.just("refused")),
)


@given(st.lists(STEPS, max_size=60))
def test_no_token_is_used_beyond_its_end_and_no_pause_is_broken(steps) -> None:
    now, life = 1000.0, Life()
    asked_at = life_s = 0.0
    forgotten_at: list[float] = []
    for step in steps:
        if step[0] == "pass":
            now += step[1]
        elif step[0] == "ask" and life.may_ask(now):
            asked_at, life_s = now, 60.0 if step[1] is None else step[1]
            life.obtained(token_of("t", step[1], now, step[2]))
            token = life.token
            assert token is not None
            assert now < token.due_at < token.ends_at < now + life_s
        elif step[0] == "fail" and life.may_ask(now):
            life.pause.begin("failed", step[1], now, step[2])
            assert 0.8 <= life.pause.until - now <= 60 + 1e-9  # of floating point
            assert not life.may_ask(now)
        elif step[0] == "refused" and (token := life.usable(now)) is not None:
            if not life.forget(token.headers, now):
                continue
            forgotten_at.append(now)
            assert life.usable(now) is None
        if life.usable(now) is not None:
            assert now < asked_at + life_s
    pairs = itertools.pairwise(forgotten_at)
    assert all(later - earlier >= FORGET_INTERVAL_S - 1e-6 for earlier, later in pairs)
