import math
import tracemalloc
from dataclasses import replace

import pytest
from fakes.clock import FakeClock

from gateway.state.limits import Algorithm, Hit, Limit, LimitStore, Verdict
from gateway.state.memory_limits import MAX_KEY, MemoryLimits, bounded_key, scaled

LOGINS = Limit(name="Login:logins", requests=2, per_s=60)
SIGNUPS = Limit(name="Signup:signups", requests=1, per_s=900)
EVENLY = Limit(name="evenly", requests=10, per_s=10, burst=2, algorithm=Algorithm.GCRA)
SHADOW = Limit(name="shadow", requests=1, per_s=60, shadow=True)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def store(clock):
    return MemoryLimits(clock)


def test_each_key_has_a_count_of_its_own(store):
    assert [store.take_now([Hit(LOGINS, "ann")]).allowed for _ in range(3)] == [True, True, False]
    assert store.take_now([Hit(LOGINS, "bob")]).allowed
    assert store.take_now([Hit(SIGNUPS, "ann")]).allowed


def test_a_verdict_says_what_is_left_when_all_is_back_and_when_to_come_again(clock, store):
    assert store.take_now([Hit(LOGINS, "ann")]).verdicts[0] == Verdict(True, 1, 60, 0)
    clock.advance(20)
    assert store.take_now([Hit(LOGINS, "ann")]).verdicts[0] == Verdict(True, 0, 60, 0)
    clock.advance(5)
    assert store.take_now([Hit(LOGINS, "ann")]).verdicts[0] == Verdict(False, 0, 55, 35)
    clock.advance(35)
    assert store.take_now([Hit(LOGINS, "ann")]).verdicts[0] == Verdict(True, 0, 60, 0)


def test_gcra_has_a_burst_or_as_many_as_its_requests(clock, store):
    none = Limit(name="none", requests=3, per_s=3, algorithm=Algorithm.GCRA)
    assert [store.take_now([Hit(none, "")]).allowed for _ in range(4)] == [True] * 3 + [False]
    assert [store.take_now([Hit(EVENLY, "")]).allowed for _ in range(3)] == [True] * 2 + [False]
    assert store.take_now([Hit(EVENLY, "")]).verdicts[0] == Verdict(False, 0, 2, 1)
    clock.advance(1)
    assert store.take_now([Hit(EVENLY, "")]).allowed


def test_all_limits_of_a_call_count_it_or_none_does(store):
    both = [Hit(LOGINS, "ann"), Hit(SIGNUPS, "ann")]
    assert store.take_now(both).allowed
    refused = store.take_now(both)
    assert not refused.allowed
    # The one with room says so, and has not counted the call.
    assert [v.allowed for v in refused.verdicts] == [True, False]
    assert refused.verdicts[0] == Verdict(True, 1, 60, 0)
    assert refused.verdicts[1] == Verdict(False, 0, 900, 900)
    assert store.take_now([Hit(LOGINS, "ann")]).allowed


def test_a_refused_call_leaves_no_key_behind(store):
    assert store.take_now([Hit(SIGNUPS, "")]).allowed
    for name in range(100):
        assert not store.take_now([Hit(LOGINS, str(name)), Hit(SIGNUPS, "")]).allowed
    assert len(store) == 1


@pytest.mark.parametrize("others", [[], [Hit(LOGINS, "ann")]])
def test_a_shadow_counts_what_the_others_allow_and_refuses_nothing(store, others):
    hits = [Hit(SHADOW, "ann"), *others]
    assert store.take_now(hits).verdicts[0] == Verdict(True, 0, 60, 0)
    beyond = store.take_now(hits)
    assert beyond.allowed
    assert beyond.verdicts[0] == Verdict(False, 0, 60, 60)


def test_a_shadow_does_not_count_what_another_limit_refuses(clock, store):
    once = Limit(name="once", requests=1, per_s=900)
    assert store.take_now([Hit(once, ""), Hit(SHADOW, "")]).allowed
    clock.advance(50)
    assert not store.take_now([Hit(once, ""), Hit(SHADOW, "")]).allowed
    clock.advance(10)
    assert store.take_now([Hit(SHADOW, "")]).verdicts[0].allowed


def test_a_shadow_counts_beyond_its_bound(clock, store):
    store.take_now([Hit(SHADOW, "")])
    clock.advance(50)
    assert store.take_now([Hit(SHADOW, "")]).verdicts[0].retry_after_s == 10
    clock.advance(10)  # the first has left, the second has not
    assert store.take_now([Hit(SHADOW, "")]).verdicts[0].retry_after_s == 50


def test_a_call_may_ask_for_several_places(store):
    assert store.take_now([Hit(LOGINS, "", 2)]).verdicts[0].remaining == 0
    assert not store.take_now([Hit(LOGINS, "", 1)]).allowed


@pytest.mark.parametrize("limit", [LOGINS, EVENLY])
def test_more_places_than_there_are_are_refused_for_ever(store, limit):
    refused = store.take_now([Hit(limit, "", 3)])
    assert not refused.allowed
    assert refused.verdicts[0].retry_after_s == math.inf
    assert refused.verdicts[0].remaining == 2


@pytest.mark.parametrize("limit", [LOGINS, EVENLY])
def test_two_hits_on_one_count_are_weighed_together(store, limit):
    assert store.take_now([Hit(limit, "new"), Hit(limit, "new")]).allowed
    assert not store.take_now([Hit(limit, "new"), Hit(SHADOW, "")]).allowed
    assert store.take_now([Hit(limit, "old")]).allowed
    decision = store.take_now([Hit(limit, "old"), Hit(limit, "old")])
    assert not decision.allowed
    assert [v.allowed for v in decision.verdicts] == [True, False]
    assert store.take_now([Hit(limit, "old")]).allowed


def test_no_hits_are_no_reason_to_refuse(store):
    assert store.take_now([]).allowed


async def test_it_is_a_store_of_limits(store):
    shared: LimitStore = store
    assert (await shared.take([Hit(SIGNUPS, "ann")])).mode == "exact"
    assert not (await shared.take([Hit(SIGNUPS, "ann")])).allowed
    await shared.close()
    assert len(store) == 0
    assert (await shared.take([Hit(SIGNUPS, "ann")])).allowed


def test_a_count_goes_on_where_its_limit_has_other_numbers(store):
    assert store.take_now([Hit(LOGINS, "ann", 2)]).allowed
    more = scaled(LOGINS, 1.5)
    assert store.take_now([Hit(more, "ann")]).verdicts[0] == Verdict(True, 0, 60, 0)
    assert not store.take_now([Hit(LOGINS, "ann")]).allowed
    fewer = scaled(LOGINS, 0.5)
    assert store.take_now([Hit(fewer, "ann")]).verdicts[0] == Verdict(False, 0, 60, 60)


def test_fewer_places_than_were_taken_are_none_left(store):
    assert store.take_now([Hit(EVENLY, "", 2)]).allowed
    fewer = scaled(EVENLY, 0.5)  # 5 in 10 s, and no burst
    assert store.take_now([Hit(fewer, "")]).verdicts[0] == Verdict(False, 0, 2, 2)
    faster = replace(EVENLY, requests=1000)  # one in 10 ms; what was taken needs 2 s
    assert store.take_now([Hit(faster, "")]).verdicts[0] == Verdict(False, 0, 2, 1.99)


@pytest.mark.parametrize("start_s", [0.000_001, 1000.000_057])
def test_what_a_clock_says_is_rounded_to_microseconds(start_s):
    clock = FakeClock(start_s)
    store = MemoryLimits(clock)
    twice = Limit(name="x", requests=1, per_s=0.25)
    assert store.take_now([Hit(twice, "")]).allowed
    clock._now = round(start_s + 0.25, 6)
    assert store.take_now([Hit(twice, "")]).allowed


@pytest.mark.parametrize(
    ("algorithm", "offered"), [(Algorithm.SLIDING_WINDOW, 1_000_000), (Algorithm.GCRA, 50_000)]
)
def test_a_million_keys_take_bounded_memory(store, algorithm, offered):
    limit = Limit(name="many", requests=5, per_s=3600, max_keys=1000, algorithm=algorithm)
    for name in range(10_000):  # what is allocated once
        store.take_now([Hit(limit, str(name))])
    tracemalloc.start()
    try:
        for name in range(30_000):
            store.take_now([Hit(limit, f"traced {name}")])
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1_000_000
    for name in range(offered):
        store.take_now((Hit(limit, str(name)),))
    assert len(store) == 1000


@pytest.mark.parametrize("others", [[], [Hit(SHADOW, "")]])
def test_the_key_unused_longest_is_forgotten_first(store, others):
    limit = Limit(name="few", requests=1, per_s=60, max_keys=2)
    for key in ("ann", "bob"):
        assert store.take_now([Hit(limit, key), *others]).allowed
    # A refused call is a use too.
    assert not store.take_now([Hit(limit, "ann"), *others]).allowed
    assert store.take_now([Hit(limit, "cid"), *others]).allowed
    assert not store.take_now([Hit(limit, "ann"), *others]).allowed
    assert store.take_now([Hit(limit, "bob"), *others]).allowed  # forgotten


def test_keys_whose_places_are_all_back_are_forgotten_before_others(clock, store):
    limit = Limit(name="few", requests=2, per_s=60, max_keys=3)
    store.take_now([Hit(limit, "ann")])
    clock.advance(59)
    store.take_now([Hit(limit, "bob")])
    store.take_now([Hit(limit, "cid")])
    clock.advance(2)
    store.take_now([Hit(limit, "dan")])
    assert [v.remaining for v in (store.take_now([Hit(limit, "bob")]).verdicts)] == [0]
    assert len(store) == 3


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_idle_keys_go_away_by_themselves(clock, store, algorithm):
    limit = Limit(name="many", requests=5, per_s=60, algorithm=algorithm)
    for name in range(5000):
        store.take_now([Hit(limit, str(name))])
    assert len(store) == 5000
    clock.advance(61)
    for _ in range(5000 // 8 + 2):
        store.take_now([Hit(limit, "still here")])
    assert len(store) == 1


def test_keys_of_a_limit_that_nobody_asks_go_away_too(clock, store):
    for name in range(1000):
        store.take_now([Hit(LOGINS, str(name))])
    clock.advance(61)
    for _ in range(200):
        store.take_now([Hit(SIGNUPS, "")])
        clock.advance(0.02)
    assert len(store) == 1


def test_a_long_key_is_kept_as_a_digest_that_no_short_key_looks_like(store):
    long, other = "a" * 100_000, "a" * 99_999 + "b"
    assert bounded_key("a" * MAX_KEY) == "a" * MAX_KEY
    assert MAX_KEY < len(bounded_key(long)) < MAX_KEY + 10
    assert bounded_key(long) != bounded_key(other)
    assert bounded_key("\ud800" * 200) != bounded_key("\ud801" * 200)  # no valid text
    assert store.take_now([Hit(SIGNUPS, long)]).allowed
    assert not store.take_now([Hit(SIGNUPS, long)]).allowed
    assert not store.take_now([Hit(LOGINS, ""), Hit(SIGNUPS, long)]).allowed
    assert store.take_now([Hit(SIGNUPS, other)]).allowed


@pytest.mark.parametrize(
    ("requests", "burst", "share", "scaled_to"),
    [
        (100, 0, 1, (100, 0)),
        (100, 20, 0.5, (50, 10)),
        (100, 0, 0.29, (29, 0)),  # not 28: 0.29 * 100 is a little less than 29
        (3, 1, 0.5, (1, 1)),
        (1, 0, 0.001, (1, 0)),
    ],
)
def test_a_share_of_a_limit_is_at_least_one_call(requests, burst, share, scaled_to):
    limit = Limit(name="x", requests=requests, burst=burst, per_s=7, shadow=True)
    part = scaled(limit, share)
    assert (part.requests, part.burst) == scaled_to
    assert (part.name, part.per_s, part.shadow) == ("x", 7, True)
