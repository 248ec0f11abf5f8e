"""Rate limits against lists of every call: nothing is forgotten, everything is added up."""

import math
from dataclasses import dataclass, field

from fakes.clock import FakeClock
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.state.gcra import NEVER, Gcra
from gateway.state.limits import Algorithm, Hit, Limit
from gateway.state.memory_limits import MemoryLimits
from gateway.state.window import Window

Calls = list[tuple[int, int]]
"""When a call came, in microseconds, and how many places it took."""

gaps = st.one_of(st.just(0), st.integers(0, 50), st.integers(0, 2_000_000))
"""Microseconds between calls; bursts, and pauses about as long as the limits."""


@dataclass
class WindowModel:
    """A sliding window without any shortcut."""

    requests: int
    per_us: int
    calls: Calls = field(default_factory=list)

    def inside(self, now_us: int) -> Calls:
        return [(at, cost) for at, cost in self.calls if at > now_us - self.per_us]

    def has_room(self, now_us: int, cost: int) -> bool:
        return sum(c for _, c in self.inside(now_us)) + cost <= self.requests

    def left(self, now_us: int) -> int:
        return max(0, self.requests - sum(c for _, c in self.inside(now_us)))

    def reset_us(self, now_us: int) -> int:
        return max((at + self.per_us - now_us for at, _ in self.inside(now_us)), default=0)


@dataclass
class GcraModel:
    """GCRA by its promise: in any stretch, a burst and what has come back in its length."""

    requests: int
    per_us: int
    burst: int
    calls: Calls = field(default_factory=list)

    @property
    def interval_ns(self) -> int:
        return math.ceil(self.per_us * 1000 / self.requests)

    def ahead_ns(self, now_us: int) -> int:
        """The worst of all stretches that end now: what it took and has not come back."""
        worst = taken = 0
        for at, cost in reversed(self.calls):
            taken += cost * self.interval_ns
            worst = max(worst, taken - (now_us - at) * 1000)
        return worst

    def has_room(self, now_us: int, cost: int) -> bool:
        return self.ahead_ns(now_us) + cost * self.interval_ns <= self.burst * self.interval_ns

    def left(self, now_us: int) -> int:
        return (self.burst * self.interval_ns - self.ahead_ns(now_us)) // self.interval_ns

    def reset_us(self, now_us: int) -> int:
        return math.ceil(self.ahead_ns(now_us) / 1000)


limits_of_both = st.tuples(st.integers(1, 60), st.integers(1_000, 1_500_000), st.integers(1, 20))
steps = st.lists(st.tuples(gaps, st.integers(1, 4)), max_size=60)


def both(requests, per_us, burst):
    return (
        (Window(requests, per_us), WindowModel(requests, per_us)),
        (Gcra(requests, per_us, burst), GcraModel(requests, per_us, burst)),
    )


@given(numbers=limits_of_both, steps=steps)
def test_both_algorithms_agree_with_a_list_of_all_calls(numbers, steps):
    for rules, model in both(*numbers):
        state, now_us = rules.new(), 10**12
        for gap_us, cost in steps:
            now_us += gap_us
            wait_us = rules.wait_us(state, now_us, cost)
            assert (wait_us == 0) == model.has_room(now_us, cost)
            if not wait_us:
                rules.count(state, now_us, cost)
                model.calls.append((now_us, cost))
            assert rules.left(state, now_us) == (model.left(now_us), model.reset_us(now_us))


@given(numbers=limits_of_both, steps=steps)
def test_whoever_comes_back_when_told_has_room_and_not_a_moment_earlier(numbers, steps):
    for rules, model in both(*numbers):
        state, now_us = rules.new(), 10**12
        for gap_us, cost in steps:
            now_us += gap_us
            wait_us = rules.wait_us(state, now_us, cost)
            if wait_us == NEVER:
                assert cost > rules.places
                continue
            if wait_us:
                assert not model.has_room(now_us + wait_us - 1, cost)
                now_us += wait_us
                assert rules.wait_us(state, now_us, cost) == 0
            rules.count(state, now_us, cost)
            model.calls.append((now_us, cost))


@given(
    requests=st.integers(61, 200),
    per_us=st.integers(1_000, 1_500_000),
    steps=st.lists(st.tuples(gaps, st.integers(1, 40)), max_size=80),
)
def test_a_large_window_never_lets_too_many_through_nor_keeps_places_for_long(
    requests, per_us, steps
):
    rules, model = Window(requests, per_us), WindowModel(requests, per_us)
    state, now_us = rules.new(), 10**12
    longer = WindowModel(requests, per_us + per_us // 60, model.calls)
    for gap_us, cost in steps:
        now_us += gap_us
        wait_us = rules.wait_us(state, now_us, cost)
        if longer.has_room(now_us, cost):
            assert wait_us == 0
        if wait_us == 0:
            assert model.has_room(now_us, cost)
            rules.count(state, now_us, cost)
            model.calls.append((now_us, cost))
        else:
            assert model.has_room(now_us + wait_us, cost)
            assert not longer.has_room(now_us + wait_us - 1, cost)
        assert rules.left(state, now_us)[0] <= model.left(now_us)
        assert len(state.entries) <= 2 * 61


@given(requests=st.integers(1, 60), per_us=st.integers(1_000, 1_500_000), steps=steps)
def test_a_shadow_says_of_each_call_what_a_list_of_all_calls_says(requests, per_us, steps):
    rules, model = Window(requests, per_us), WindowModel(requests, per_us)
    state, now_us = rules.new(), 10**12
    for gap_us, cost in steps:
        now_us += gap_us
        assert (rules.wait_us(state, now_us, cost) == 0) == model.has_room(now_us, cost)
        rules.count(state, now_us, cost)
        model.calls.append((now_us, cost))
        assert rules.left(state, now_us)[0] == model.left(now_us)
        assert len(state.entries) <= 2 * 60


LIMITS = (
    Limit(name="window", requests=3, per_s=1),
    Limit(name="evenly", requests=4, per_s=1, burst=2, algorithm=Algorithm.GCRA),
    Limit(name="shadow", requests=2, per_s=0.5, shadow=True),
)
questions = st.lists(
    st.tuples(st.sampled_from(LIMITS), st.sampled_from("ab"), st.integers(1, 3)), max_size=4
)


def model_of(limit):
    per_us = round(limit.per_s * 1_000_000)
    if limit.algorithm is Algorithm.GCRA:
        return GcraModel(limit.requests, per_us, limit.burst)
    return WindowModel(limit.requests, per_us)


@settings(max_examples=200)
@given(asked=st.lists(st.tuples(gaps, questions), max_size=40))
def test_a_question_is_decided_as_a_whole(asked):
    clock = FakeClock()
    store = MemoryLimits(clock)
    models = {(limit.name, key): model_of(limit) for limit in LIMITS for key in "ab"}
    now_us = 1_000_000_000
    for gap_us, question in asked:
        now_us += gap_us
        clock._now = now_us / 1_000_000
        rooms, wanted = [], dict.fromkeys(models, 0)
        for limit, key, cost in question:
            at = limit.name, key
            wanted[at] += cost
            rooms.append(models[at].has_room(now_us, wanted[at]))
        allowed = all(room or q[0].shadow for room, q in zip(rooms, question, strict=True))
        decision = store.take_now([Hit(*hit) for hit in question])
        assert decision.allowed is allowed
        assert [verdict.allowed for verdict in decision.verdicts] == rooms
        if allowed:
            for limit, key, cost in question:
                models[limit.name, key].calls.append((now_us, cost))
        for (limit, key, _), verdict in zip(question, decision.verdicts, strict=True):
            model = models[limit.name, key]
            assert verdict.remaining == model.left(now_us)
            assert round(verdict.reset_s * 1_000_000) == model.reset_us(now_us)


@given(
    start_s=st.floats(0, 1e7),
    requests=st.integers(1, 100),
    per_s=st.floats(0.001, 1e6),
    algorithm=st.sampled_from(Algorithm),
)
def test_seconds_are_honest_to_a_microsecond_on_any_clock(start_s, requests, per_s, algorithm):
    clock = FakeClock(start_s)
    store = MemoryLimits(clock)
    limit = Limit(name="x", requests=requests, per_s=per_s, algorithm=algorithm)
    for _ in range(requests):
        assert store.take_now([Hit(limit, "")]).allowed
    refused = store.take_now([Hit(limit, "")])
    assert not refused.allowed
    clock.advance(refused.verdicts[0].retry_after_s + 0.000_001)
    assert store.take_now([Hit(limit, "")]).allowed
