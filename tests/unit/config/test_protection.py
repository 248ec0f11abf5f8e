"""Every value of a policy that protects an upstream reaches the option it is for."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from seawall.policy.v1.policy_pb2 import MethodPolicy, SerializePolicy, UpstreamPolicy

from gateway.config import builtin
from gateway.config.merge import Level, merge
from gateway.config.protection import (
    UpstreamOptions,
    hedge_options,
    serialize_options,
    upstream_options,
)
from gateway.downstream.endpoints import (
    Balancing,
    Discovery,
    EndpointOptions,
    HealthOptions,
    OutlierOptions,
    ReachabilityOptions,
)
from gateway.downstream.options import ClientOptions
from gateway.interceptors.breaker import BreakerOptions, Mode
from gateway.interceptors.concurrency import AdaptiveOptions, BulkheadOptions
from gateway.interceptors.pacing.pacer import PacingOptions
from gateway.interceptors.retry import HedgeOptions, RetryBudgetOptions
from gateway.interceptors.serialize import SerializeOptions

CLIENT = ClientOptions(name="shop", url="http://shop")

BREAKER = {
    "consecutive_failures": 7,
    "failure_rate": 0.75,
    "slow_call_rate": 0.25,
    "slow_call_duration": "3s",
    "minimum_calls": 9,
    "window": "4s",
    "window_calls": 11,
    "failure_http_statuses": [500, 599],
    "open_time": "60s",
    "open_time_multiplier": 1.25,
    "max_open_time": "90s",
    "open_time_jitter": 0.5,
    "probes": 5,
    "successes_to_close": 6,
    "probe_timeout": "0.5s",
    "mode": "FORCED_OPEN",
    "max_keys": 8,
}
OUTLIER = {
    "consecutive_failures": 7,
    "failure_rate": 0.75,
    "minimum_calls": 9,
    "minimum_endpoints": 3,
    "interval": "2s",
    "base_ejection_time": "4s",
    "max_ejection_time": "8s",
    "max_ejected_share": 0.25,
}
HEALTH = {
    "path": "/up",
    "interval": "2s",
    "timeout": "3s",
    "unhealthy_threshold": 4,
    "healthy_threshold": 5,
}
BULKHEAD = {"max_in_flight": 7, "max_queued": 8, "max_wait": "9s"}
ADAPTIVE = {
    "min_limit": 2,
    "max_limit": 50,
    "initial_limit": 9,
    "latency_tolerance": 1.5,
    "slow_start": False,
}
PACING = {"requests": 3, "per": "4s", "burst": 5, "max_queued": 6, "learn": False}
BUDGET = {"share": 0.25, "min_per_second": 1.5, "window": "7s"}
REACHABILITY = {"consecutive_failures": 5, "probe_interval": "3s"}
DISCOVERY = {"mode": "ADDRESSES", "refresh_interval": "7s"}
BALANCING = {"policy": "LEAST_REQUEST", "panic_threshold": 0.25}

CASES: list[tuple[str, dict[str, Any], Callable[[UpstreamOptions], Any], Any]] = [
    (
        "breaker",
        BREAKER,
        lambda made: made.breaker,
        BreakerOptions(
            consecutive_failures=7,
            failure_rate=0.75,
            slow_call_rate=0.25,
            slow_call_duration_s=3,
            minimum_calls=9,
            window_s=4,
            window_calls=11,
            failure_http_statuses=frozenset((500, 599)),
            open_time_s=60,
            open_time_multiplier=1.25,
            max_open_time_s=90,
            open_time_jitter=0.5,
            probes=5,
            successes_to_close=6,
            probe_timeout_s=0.5,
            mode=Mode.FORCED_OPEN,
            max_keys=8,
        ),
    ),
    (
        "outlier_detection",
        OUTLIER,
        lambda made: made.endpoints.outlier,
        OutlierOptions(
            consecutive_failures=7,
            failure_rate=0.75,
            minimum_calls=9,
            minimum_endpoints=3,
            interval_s=2,
            base_ejection_s=4,
            max_ejection_s=8,
            max_ejected_share=0.25,
        ),
    ),
    (
        "health_check",
        HEALTH,
        lambda made: made.endpoints.health,
        HealthOptions(
            path="/up", interval_s=2, timeout_s=3, unhealthy_threshold=4, healthy_threshold=5
        ),
    ),
    (
        "bulkhead",
        BULKHEAD,
        lambda made: made.bulkhead,
        BulkheadOptions(max_in_flight=7, max_queued=8, max_wait_s=9),
    ),
    (
        "adaptive_concurrency",
        ADAPTIVE,
        lambda made: made.adaptive,
        AdaptiveOptions(
            min_limit=2, max_limit=50, initial_limit=9, latency_tolerance=1.5, slow_start=False
        ),
    ),
    (
        "pacing",
        PACING,
        lambda made: made.pacing,
        PacingOptions(requests=3, per_s=4, burst=5, max_queued=6, learn=False),
    ),
    (
        "retry_budget",
        BUDGET,
        lambda made: made.budget,
        RetryBudgetOptions(share=0.25, min_per_s=1.5, window_s=7),
    ),
    (
        "reachability",
        REACHABILITY,
        lambda made: made.endpoints.reachability,
        ReachabilityOptions(consecutive_failures=5, probe_interval_s=3),
    ),
]
OF_ANOTHER_LEVEL = {"breaker": {"key_metadata", "key_field"}}
"""A key is a method's: the breaker of an upstream has none."""
FIXED = {"reachability": {"probe_timeout_s"}, "health_check": {"credential"}}
"""What no policy says."""


def made_of(policy: dict[str, Any]) -> UpstreamOptions:
    return upstream_options(parsed(policy), CLIENT)


def parsed(policy: dict[str, Any]) -> UpstreamPolicy:
    """Return a merged policy: as what is built in leaves nothing out, what counts is there."""
    whole = {
        "breaker": {"disabled": True},
        "outlier_detection": {"disabled": True},
        "retry_budget": {"disabled": True},
        "reachability": {"disabled": True},
        "adaptive_concurrency": {"disabled": True},
    }
    return json_format.ParseDict(whole | policy, UpstreamPolicy())


@pytest.mark.parametrize(("name", "said", "pick", "expected"), CASES, ids=[c[0] for c in CASES])
def test_each_value_reaches_its_option(name, said, pick, expected):
    message: Message = getattr(UpstreamPolicy(), name)
    fields = {field.name for field in message.DESCRIPTOR.fields}
    assert set(said) == fields - {"disabled"} - OF_ANOTHER_LEVEL.get(name, set())
    assert pick(made_of({name: said})) == expected


@pytest.mark.parametrize(("name", "said", "pick", "expected"), CASES, ids=[c[0] for c in CASES])
def test_none_of_these_values_is_an_options_default(name, said, pick, expected):
    fixed = FIXED.get(name, set())
    for option in dataclasses.fields(expected):
        if option.name not in fixed and option.name != "credential":  # of another policy
            assert getattr(expected, option.name) != option.default, option.name


@pytest.mark.parametrize(("name", "said", "pick", "expected"), CASES, ids=[c[0] for c in CASES])
def test_what_is_disabled_is_off_whatever_else_is_said(name, said, pick, expected):
    assert pick(made_of({name: said | {"disabled": True}})) is None


def test_endpoints_and_how_they_are_chosen():
    made = made_of(
        {
            "endpoints": ["10.0.0.1:80", "shop.example:81"],
            "discovery": DISCOVERY,
            "load_balancing": BALANCING,
        }
    )
    assert made.endpoints == EndpointOptions(
        client=CLIENT,
        addresses=(("10.0.0.1", 80), ("shop.example", 81)),
        mode=Discovery.ADDRESSES,
        refresh_interval_s=7,
        balancing=Balancing.LEAST_REQUEST,
        panic_threshold=0.25,
        outlier=None,
        health=None,
        reachability=None,
    )


def test_a_health_check_without_a_path_asks_nothing():
    assert made_of({"health_check": HEALTH | {"path": ""}}).endpoints.health is None


def test_pacing_that_neither_says_a_rate_nor_learns_one_is_off():
    assert made_of({"pacing": PACING | {"requests": 0}}).pacing is None


def test_serializing_has_bounds_and_needs_a_field():
    said = SerializePolicy(field="order_id", max_queued=3, max_keys=4)
    method, service = {"serialize.field": "method a.yaml:1"}, {"serialize.field": "service a.yaml"}
    given = {"max_queued": 3, "max_keys": 4}
    assert serialize_options(said, method, "a.B/C") == SerializeOptions(**given, name="a.B/C")
    assert serialize_options(said, service, "a.B/C") == SerializeOptions(**given, name="a.B")
    said.across_processes = True
    options = serialize_options(said, service, "a.B/C")
    assert options == SerializeOptions(**given, name="a.B", across_processes=True)
    assert serialize_options(SerializePolicy(**given), {}, "a.B/C") is None
    said.disabled = True
    assert serialize_options(said, service, "a.B/C") is None


# Hedges

OFF, ON = {"disabled": True}, {"disabled": False}


def hedges(*said: dict[str, Any], reads_only: bool, idempotent: bool = True) -> HedgeOptions | None:
    """Return the hedges of a unary method under the built-in level and those given."""
    names = ("defaults", "upstream", "service", "method")
    levels = [Level("built-in", "", builtin.METHOD)]
    for name, policy in zip(names, said, strict=False):
        levels.append(Level(name, "x.yaml:1", json_format.ParseDict(policy, MethodPolicy())))
    policy, origins = merge(levels)
    return hedge_options(policy, origins, idempotent=idempotent, unary=True, reads_only=reads_only)


@pytest.mark.parametrize(
    ("said", "reading", "writing"),
    [
        ((), True, False),
        (({"retry": {"max_attempts": 4}},), True, False),
        (({"hedge": {"delay": "1s"}},), True, True),
        (({}, {"hedge": {"max_share": 0.1}}), True, True),
        (({}, {}, {}, {"hedge": ON}), True, True),
        (({"hedge": OFF},), False, False),
        (({"hedge": OFF}, {}, {}, {"hedge": {"max_hedges": 2}}), True, True),
        (({"hedge": {"delay": "1s"}}, {}, {"hedge": OFF}), False, False),
        (({"hedge": {"delay": "1s"}, "retry": OFF},), False, False),
    ],
)
def test_a_method_with_side_effects_is_hedged_only_where_a_level_says_so(said, reading, writing):
    for reads_only, hedged in ((True, reading), (False, writing)):
        options = hedges(*said, reads_only=reads_only)
        assert (options is not None) is hedged
        assert options is None or options.reads_only is reads_only
    assert hedges(*said, reads_only=False, idempotent=False) is None


def test_every_value_of_a_hedge_reaches_its_option():
    said = {
        "hedge": {
            "delay": "0.3s",
            "quantile": 0.75,
            "min_delay": "0.02s",
            "max_hedges": 3,
            "max_share": 0.5,
        },
        "retry": {"max_attempts": 7, "retryable_http_statuses": [500]},
    }
    assert hedges(said, reads_only=True) == HedgeOptions(
        delay_s=0.3,
        quantile=0.75,
        min_delay_s=0.02,
        max_hedges=3,
        max_share=0.5,
        max_attempts=7,
        retryable_http_statuses=frozenset((500,)),
        reads_only=True,
    )


def test_the_hedges_of_an_upstream_begin_from_the_built_in_values():
    assert hedges(reads_only=True) == HedgeOptions(reads_only=True)
