"""Bounds of single values: durations, numbers, enums, and what no version knows."""

import re
from collections.abc import Iterator
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.unknown_fields import UnknownFieldSet

Mistake = tuple[str, str]
"""The path of a field, and a sentence."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
KEYS = re.compile(r"[^.\s]+(\.[^.\s]+)*")
"""A field path: names joined by dots."""
_MAY_BE_ZERO = frozenset(
    (
        *("deadline.margin", "retry.initial_backoff", "retry.max_retry_after", "wait", "grace"),
        *("hedge.min_delay", "bulkhead.max_wait", "fan_out.reserve", "scatter.reserve"),
        "providers.*.jwt.leeway",
        *("cache.ttl", "cache.ttl_by.*", "cache.stale_while_revalidate", "cache.stale_if_error"),
        *("cache.negative_ttl", "coalescing.window", "batch.window", "deduplication.window"),
    )
)
"""Durations that may be 0s; no duration may be less."""
_BOUNDS: dict[str, tuple[float, float]] = {
    "retry.max_attempts": (1, 20),
    "retry.backoff_multiplier": (1, 100),
    "sizes.max_request_bytes": (1, 2**31 - 1),
    "sizes.max_response_bytes": (1, 2**31 - 1),
    "sizes.max_error_bytes": (1, 2**31 - 1),
    "sizes.max_json_depth": (1, 250),
    "sizes.max_url_bytes": (64, 64 * 1024),
    "pool.max_connections": (1, 65535),
    "pool.max_header_bytes": (1024, 1024 * 1024),
    "redirects.max_redirects": (0, 20),
    "hedge.quantile": (0.5, 0.9999),
    "hedge.max_hedges": (1, 5),
    "hedge.max_share": (0, 1),
    "breaker.consecutive_failures": (0, 100_000),
    "breaker.failure_rate": (0, 1),
    "breaker.slow_call_rate": (0, 1),
    "breaker.minimum_calls": (1, 100_000),
    "breaker.window_calls": (0, 100_000),
    "breaker.open_time_multiplier": (1, 100),
    "breaker.open_time_jitter": (0, 1),
    "breaker.probes": (1, 1000),
    "breaker.successes_to_close": (1, 1000),
    "breaker.max_keys": (1, 100_000),
    "serialize.max_queued": (1, 100_000),
    "serialize.max_keys": (1, 1_000_000),
    "scatter.max_parallel": (1, 1000),
    "scatter.max_items": (1, 100_000),
    "load_balancing.panic_threshold": (0, 1),
    "outlier_detection.consecutive_failures": (0, 100_000),
    "outlier_detection.failure_rate": (0, 1),
    "outlier_detection.minimum_calls": (1, 100_000),
    "outlier_detection.minimum_endpoints": (1, 256),
    "outlier_detection.max_ejected_share": (0, 1),
    "health_check.unhealthy_threshold": (1, 1000),
    "health_check.healthy_threshold": (1, 1000),
    "reachability.consecutive_failures": (1, 1000),
    "retry_budget.share": (0, 10),
    "retry_budget.min_per_second": (0, 100_000),
    "bulkhead.max_in_flight": (1, 65535),
    "bulkhead.max_queued": (0, 100_000),
    "adaptive_concurrency.min_limit": (1, 65535),
    "adaptive_concurrency.max_limit": (1, 65535),
    "adaptive_concurrency.initial_limit": (1, 65535),
    "adaptive_concurrency.latency_tolerance": (1.1, 100),
    "pacing.requests": (1, 1_000_000),
    "pacing.burst": (1, 1_000_000),
    "pacing.max_queued": (0, 1_000_000),
    "cache.jitter": (0, 0.5),
    "cache.max_answer_bytes": (1, 2**31 - 1),
    "coalescing.max_flights": (1, 1_000_000),
    "batch.max_keys": (2, 10_000),
    "polling.max_failures": (1, 1000),
    "polling.max_polls": (1, 100_000),
    "operation.max_attempts": (1, 10_000),
    "operation.delay_multiplier": (1, 100),
    "operation.max_pending": (1, 100_000_000),
    "max_memory_share": (0.1, 1),
}
_NOT_MORE_THAN = (
    ("deadline", "default", "maximum"),
    ("retry", "initial_backoff", "max_backoff"),
    ("breaker", "open_time", "max_open_time"),
    ("outlier_detection", "base_ejection_time", "max_ejection_time"),
    ("adaptive_concurrency", "min_limit", "max_limit"),
    ("adaptive_concurrency", "initial_limit", "max_limit"),
    ("operation", "initial_delay", "max_delay"),
    ("operation", "attempt_timeout", "total_timeout"),
)
"""Group of a policy; field of it that may not be more than another one."""
_INDEX = re.compile(r"\[\d+\]")
_MAX_DURATION_S = 315_576_000_000  # google/protobuf/duration.proto: ten thousand years


def seconds(duration: Duration) -> float:
    """Return a Duration in seconds."""
    return duration.seconds + duration.nanos / 1e9


def in_order(policy: Any) -> Iterator[Mistake]:
    """Yield what is more than another field that bounds it."""
    for group, less, more in _NOT_MORE_THAN:
        said = getattr(policy, group, None)
        if said is not None and said.HasField(less) and said.HasField(more):
            low, high = getattr(said, less), getattr(said, more)
            if isinstance(low, Duration):
                if seconds(low) > seconds(high):
                    bound = seconds(high)
                    yield f"{group}.{less}", f"is longer than {group}.{more}, which is {bound:g}s"
            elif low > high:
                yield f"{group}.{less}", f"is more than {group}.{more}, which is {high}"


def under(at: str, mistakes: Iterator[Mistake]) -> Iterator[Mistake]:
    """Yield mistakes with `at` before their paths."""
    return ((f"{at}.{path}", text) for path, text in mistakes)


def name_mistakes(path: str, name: str) -> Iterator[Mistake]:
    """Yield why a name cannot be one."""
    if not _NAME.fullmatch(name):
        yield path, f"{name!r} is not a name of letters, digits, '-' and '_'"


def walk(message: Any, at: str, shape: str | None = None) -> Iterator[Mistake]:
    """Yield what is wrong wherever it stands: durations, enums, bounds, unknown fields.

    YAML is read by the gateway's own descriptors; proto options were written by
    whatever version compiled them, so they can hold what this one does not know.

    Args:
        message: whose fields are looked at.
        at: its path, with a dot behind it, or "".
        shape: the same with "*" for every key of a map; `at` where there is none.
    """
    shape = at if shape is None else shape
    unknown: Any = UnknownFieldSet(message)
    for field in unknown:
        yield (
            at.rstrip(".") or message.DESCRIPTOR.name,
            f"holds field {field.field_number}, which this version of seawall does not know",
        )
    for field, value in message.ListFields():
        path, form = f"{at}{field.name}", f"{shape}{field.name}"
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            if kind.fields_by_name["value"].message_type is not None:
                for key in sorted(value):
                    yield from walk(value[key], f"{path}.{key}.", f"{form}.*.")
        elif kind is not None and field.is_repeated:
            for i, one in enumerate(value):
                yield from walk(one, f"{path}[{i}].", f"{form}[{i}].")
        elif kind is not None and kind.full_name == "google.protobuf.Duration":
            yield from _duration(path, form, value)
        elif kind is not None:
            yield from walk(value, f"{path}.", f"{form}.")
        elif field.enum_type is not None and not field.is_repeated:
            if not value or value not in field.enum_type.values_by_number:
                names = ", ".join(v.name for v in field.enum_type.values if v.number)
                yield path, f"must be one of {names}, found {value}"
        elif form in _BOUNDS:
            low, high = _BOUNDS[form]
            if not low <= value <= high:  # nor is a number that is none
                yield path, f"must be {low} to {high}, found {value:g}"


def _duration(path: str, form: str, value: Duration) -> Iterator[Mistake]:
    value_s = seconds(value)
    zero = _INDEX.sub("", form) in _MAY_BE_ZERO
    if abs(value.nanos) > 999_999_999 or abs(value.seconds) > _MAX_DURATION_S:
        yield path, "is not a valid duration"
    elif value_s < 0 and zero:
        yield path, f"must be 0s or more, found {value_s:g}s"
    elif value_s <= 0 and not zero:
        yield path, f"must be more than 0s, found {value_s:g}s"
