import gc
import weakref

import pytest
from circuitbreaker import CircuitBreakerMonitor
from fakes.clock import FakeClock, FakeRng
from support.calls import Recorder, new_call

from gateway.core.events import BreakerChanged, Events
from gateway.interceptors.breaker import BreakerOptions, Breakers, Mode, Result
from gateway.interceptors.breaker.breakers import bounded_key, shown_key

ONE = {"consecutive_failures": 1}


class Declared:
    """A declared breaker, and what happened to it."""

    def __init__(self, *, keyed=False, on_half_open=None, key_name="", **options):
        self.clock = FakeClock()
        self.heard = Recorder()
        self.breakers = Breakers(
            BreakerOptions(**options),
            "shop",
            "shop.v1.OrderService",
            self.clock,
            FakeRng(),
            Events([self.heard]),
            (lambda call: call.peer) if keyed else None,
            on_half_open,
            key_name=key_name,
        )

    def of(self, key=""):
        return self.breakers.of(new_call(self.clock, peer=key))

    def end(self, key, result=Result.FAILURE):
        permit = self.of(key).acquire(self.clock.now())
        assert permit is not None
        permit.release(result, 0.0, self.clock.now())

    def names(self):
        return {circuit.name for circuit in self.breakers.circuits()}


def test_without_a_key_there_is_one_circuit():
    declared = Declared()
    assert declared.of("a") is declared.of("b")
    assert list(declared.breakers.circuits()) == [declared.of()]
    assert declared.of().name == "shop.v1.OrderService"


def test_with_a_key_there_is_one_for_each_value():
    declared = Declared(keyed=True, **ONE)
    assert declared.of("a") is declared.of("a")
    assert declared.of("a") is not declared.of("b")
    declared.end("a")
    assert not declared.of("a").allows(declared.clock.now())
    assert declared.of("b").allows(declared.clock.now())
    assert declared.names() == {"shop.v1.OrderService[a]", "shop.v1.OrderService[b]"}


def test_calls_without_a_value_share_one():
    declared = Declared(keyed=True)
    assert declared.of("") is declared.of("")
    assert declared.names() == {"shop.v1.OrderService[]"}


def test_the_one_unused_longest_is_forgotten():
    declared = Declared(keyed=True, max_keys=3)
    first = declared.of("a")
    for key in ("b", "c", "a", "d"):
        declared.of(key)
    assert declared.of("a") is first
    assert declared.names() == {f"shop.v1.OrderService[{key}]" for key in "acd"}


def test_an_open_one_is_forgotten_last():
    declared = Declared(keyed=True, max_keys=3, **ONE)
    declared.end("broken")
    opened = declared.of("broken")
    for number in range(50):
        declared.of(f"key {number}")
    assert len(list(declared.breakers.circuits())) == 3
    assert declared.of("broken") is opened


def test_where_all_are_open_the_one_unused_longest_is_forgotten():
    declared = Declared(keyed=True, max_keys=3, **ONE)
    for key in "abcd":
        declared.end(key)
    assert declared.names() == {f"shop.v1.OrderService[{key}]" for key in "bcd"}


def test_open_ones_that_nobody_uses_any_more_are_forgotten_before_closed_ones():
    declared = Declared(keyed=True, max_keys=3, window_s=10.0, max_open_time_s=5.0, **ONE)
    for key in "abc":
        declared.end(key)
    declared.clock.advance(14)
    assert not declared.of("a").closed  # it is in use
    declared.clock.advance(1)
    one, other = declared.of("d"), declared.of("e")
    assert declared.names() == {f"shop.v1.OrderService[{key}]" for key in "ade"}
    assert declared.of("d") is one
    assert declared.of("e") is other
    declared.of("f")
    assert not declared.of("a").closed


def test_open_ones_are_kept_until_they_are_unused_for_a_window_and_the_longest_open_time():
    declared = Declared(keyed=True, max_keys=2, window_s=10.0, max_open_time_s=5.0, **ONE)
    declared.end("a")
    declared.of("b")
    declared.clock.advance(14.9)
    declared.of("c")
    assert declared.names() == {f"shop.v1.OrderService[{key}]" for key in "ac"}


def test_what_is_forced_is_never_unused():
    declared = Declared(keyed=True, max_keys=2)
    forced = declared.of("a")
    forced.force(Mode.FORCED_OPEN)
    declared.clock.advance(1e6)
    for key in "bcd":
        declared.of(key)
    assert declared.of("a") is forced


def test_after_an_outage_of_many_keys_those_in_use_are_protected():
    declared = Declared(keyed=True, max_keys=100, consecutive_failures=5)
    for number in range(100):
        for _ in range(5):
            declared.end(f"old {number}")
    declared.clock.advance(3600)
    for _ in range(5):
        for key in "xy":
            declared.end(key)
    for key in "xy":
        assert not declared.of(key).allows(declared.clock.now())


def test_one_that_closed_again_is_forgotten_like_any_other():
    declared = Declared(keyed=True, max_keys=2, **ONE)
    declared.end("a")
    declared.clock.advance(1)
    declared.end("a", Result.SUCCESS)
    declared.of("b")
    declared.end("a", Result.SUCCESS)
    assert declared.of("a").closed
    for key in "cd":
        declared.of(key)
    assert declared.names() == {f"shop.v1.OrderService[{key}]" for key in "cd"}


def test_what_is_forced_is_not_forgotten_for_what_is_closed():
    declared = Declared(keyed=True, max_keys=2)
    forced = declared.of("a")
    forced.force(Mode.FORCED_OPEN)
    for key in "bcd":
        declared.of(key)
    assert declared.of("a") is forced


@pytest.mark.parametrize("mode", Mode)
def test_each_circuit_begins_in_the_declared_mode(mode):
    declared = Declared(keyed=True, mode=mode, max_keys=2)
    for key in "abc":
        declared.of(key)
    shown = {
        circuit.snapshot(declared.clock.now()).state.value
        for circuit in declared.breakers.circuits()
    }
    assert shown == {
        {1: "closed", 2: "forced_open", 3: "monitor_only"}[mode.value],
    }
    assert len(declared.names()) == 2
    assert declared.heard == []


def test_a_key_forgotten_and_used_again_begins_closed():
    declared = Declared(keyed=True, max_keys=1, **ONE)
    declared.end("a")
    declared.of("b")
    assert declared.of("a").closed


def test_one_that_was_forgotten_changes_unheard():
    declared = Declared(keyed=True, max_keys=1, **ONE)
    late = declared.of("a").acquire(declared.clock.now())
    assert late is not None
    declared.of("b")
    current = declared.of("a")
    late.release(Result.FAILURE, 0.0, declared.clock.now())
    assert declared.heard == []
    assert declared.of("a") is current
    assert current.closed


def test_each_change_is_an_event():
    declared = Declared(**ONE)
    declared.end("")
    declared.clock.advance(1)
    declared.end("", Result.SUCCESS)
    declared.end("", Result.SUCCESS)
    changed = [event for event in declared.heard if isinstance(event, BreakerChanged)]
    assert [(event.before, event.after) for event in changed] == [
        ("closed", "open"),
        ("open", "half_open"),
        ("half_open", "closed"),
    ]
    assert {(event.upstream, event.name) for event in changed} == {("shop", "shop.v1.OrderService")}
    assert changed[0].why == "a failure"


def test_events_of_a_keyed_one_carry_the_declared_name_and_tell_the_key():
    declared = Declared(keyed=True, **ONE)
    declared.end("tenant-7")
    assert declared.heard == [
        BreakerChanged(
            "shop",
            "shop.v1.OrderService",
            "closed",
            "open",
            "a failure (key 'tenant-7')",
        )
    ]


def test_half_open_tells_whoever_begins_slowly():
    told = []
    declared = Declared(on_half_open=lambda: told.append(1), **ONE)
    declared.end("")
    assert told == []
    declared.clock.advance(1)
    assert declared.of().allows(declared.clock.now())  # the check, before any limiter
    assert told == [1]
    declared.end("", Result.SUCCESS)
    declared.end("", Result.SUCCESS)
    assert told == [1]


def test_each_round_in_which_a_probe_hangs_is_told_to_whoever_begins_slowly():
    told = []
    declared = Declared(on_half_open=lambda: told.append(1), **ONE)
    declared.end("")
    declared.clock.advance(1)
    assert declared.of().acquire(declared.clock.now()) is not None
    assert told == [1]
    declared.clock.advance(0.25)
    assert not declared.of().allows(declared.clock.now())
    assert told == [1]
    declared.clock.advance(0.1)
    assert declared.of().allows(declared.clock.now())
    assert told == [1, 1]


def test_a_key_that_is_half_open_slows_nobody_else():
    told = []
    declared = Declared(keyed=True, on_half_open=lambda: told.append(1), **ONE)
    declared.end("a")
    declared.clock.advance(1)
    declared.end("a", Result.SUCCESS)
    assert declared.of("a").state == "half_open"
    assert declared.of("a").acquire(declared.clock.now()) is not None
    declared.clock.advance(1)
    assert declared.of("a").allows(declared.clock.now())
    assert told == []


def test_the_monitor_lists_an_unkeyed_one():
    declared = Declared(**ONE)
    assert CircuitBreakerMonitor.get("shop.v1.OrderService") is declared.of()
    assert declared.of() in CircuitBreakerMonitor.get_closed()
    declared.end("")
    assert declared.of() in CircuitBreakerMonitor.get_open()


def test_keyed_ones_do_not_stay_in_the_monitor():
    before = dict(CircuitBreakerMonitor.circuit_breakers)
    declared = Declared(keyed=True, max_keys=2, **ONE)
    forgotten = weakref.ref(declared.of("first"))
    for number in range(100):
        declared.end(f"key {number}")
    assert before == CircuitBreakerMonitor.circuit_breakers
    gc.collect()
    assert forgotten() is None


def test_long_keys_are_kept_short_and_apart():
    assert bounded_key("k" * 128) == "k" * 128
    one, other = bounded_key("k" * 1_000_000 + "a"), bounded_key("k" * 1_000_000 + "b")
    assert one != other
    assert one == bounded_key("k" * 1_000_000 + "a")
    assert len(one) <= 128
    assert bounded_key("\ud800" * 200)  # what is no text has a digest too


def test_a_long_key_is_one_circuit():
    declared = Declared(keyed=True)
    assert declared.of("k" * 1000) is declared.of("k" * 1000)
    assert declared.of("k" * 1000) is not declared.of("k" * 1001)


SECRET = "sk_live_51Hz"


@pytest.mark.parametrize(
    "name",
    ["authorization", "Cookie", "x-api-key", "refresh_token", "client_secret", "user.password"],
)
def test_of_a_key_that_may_be_a_credential_only_a_digest_is_shown(name):
    declared = Declared(keyed=True, key_name=name, **ONE)
    declared.end(SECRET)
    (changed,) = declared.heard
    shown = shown_key(SECRET, name)
    assert changed.why == f"a failure (key {shown!r})"
    assert declared.names() == {f"shop.v1.OrderService[{shown}]"}
    assert SECRET not in shown
    assert len(shown) == 9
    assert shown != shown_key(SECRET + "2", name)  # and yet they can be told apart


@pytest.mark.parametrize("scheme", ["Bearer", "basic", "Token"])
def test_what_looks_like_an_authorization_is_a_credential_wherever_it_is_from(scheme):
    assert SECRET not in shown_key(f"{scheme} {SECRET}")


@pytest.mark.parametrize("name", ["", "x-tenant", "parent"])
def test_any_other_key_is_shown_as_it_is(name):
    assert shown_key("tenant-7", name) == "tenant-7"
    assert shown_key("6a1e2b1c-6d3f-4a52-9a4c-0d7e5f3b2a10", name).endswith("2a10")


def test_a_long_key_is_shown_by_its_beginning():
    shown = shown_key("k" * 41)
    assert shown.startswith("k" * 24 + "…")
    assert len(shown) == 33
    assert shown != shown_key("k" * 42)


def test_no_key_is_shown_as_none():
    assert shown_key("", "authorization") == ""
