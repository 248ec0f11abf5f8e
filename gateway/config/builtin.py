"""What is promised where nobody says anything: the lowest level of every policy.

Written as the messages themselves, so that `explain`, the documentation and the
code show one text. What stands beside `disabled` is what a mechanism begins from where
a level turns it on.
"""

from google.protobuf import json_format
from seawall.policy.v1.policy_pb2 import MethodPolicy, UpstreamPolicy

_BREAKER = {
    "consecutive_failures": 20,
    "failure_rate": 0.8,
    "slow_call_rate": 0,
    "slow_call_duration": "5s",
    "minimum_calls": 20,
    "window": "10s",
    "window_calls": 0,
    "failure_http_statuses": [502, 503, 504],
    "open_time": "0.200s",
    "open_time_multiplier": 1.5,
    "max_open_time": "0.400s",
    "open_time_jitter": 0.1,
    "probes": 2,
    "successes_to_close": 2,
    "probe_timeout": "0.250s",
    "mode": "AUTOMATIC",
    "max_keys": 1000,
}

_METHOD = {
    "deadline": {"default": "15s", "maximum": "60s", "margin": "0.020s"},
    "retry": {
        "max_attempts": 3,
        "initial_backoff": "0.100s",
        "max_backoff": "2s",
        "backoff_multiplier": 2,
        "jitter": "FULL",
        "retryable_http_statuses": [429, 502, 503, 504],
        "max_retry_after": "10s",
        "pushback": True,
    },
    "criticality": "CRITICAL",
    "hedge": {
        "quantile": 0.99,
        "min_delay": "0.010s",
        "max_hedges": 1,
        "max_share": 0.02,
    },
    "breaker": {"disabled": True, **_BREAKER},
    "serialize": {
        "disabled": True,
        "max_queued": 100,
        "max_keys": 10_000,
        "across_processes": False,
    },
    "fallback": {
        "disabled": True,
        "on": ["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "INTERNAL"],
    },
    "rate_limits": {
        "": {
            "per": "60s",
            "algorithm": "SLIDING_WINDOW",
            "shadow": False,
            "on_store_failure": "LOCAL_SHARE",
            "local_share": 1,
            "max_keys": 100_000,
        }
    },
    "validation": {"disabled": False},
    "webhook": {
        "disabled": True,
        "scheme": "HMAC_SHA256",
        "tolerance": "300s",
        "encoding": "HEX",
        "max_remembered": 100_000,
    },
    "deduplication": {
        "metadata": "idempotency-key",
        "required": False,
        "across_callers": False,
        "retention": "86400s",
        "replay": True,
        "on_unknown": "HOLD",
        "header": "idempotency-key",
        "max_completion": "120s",
    },
    "cache": {
        "stale_while_revalidate": "0s",
        "stale_if_error": "0s",
        "negative_ttl": "0s",
        "shared": False,
        "respect_headers": True,
        "jitter": 0.1,
        "max_answer_bytes": 1024 * 1024,
    },
    "coalescing": {"window": "0s", "shared": False, "max_flights": 10_000},
    "polling": {"interval": "10s", "on_change": True, "max_failures": 5, "max_polls": 1000},
    "operation": {
        "max_attempts": 10,
        "initial_delay": "5s",
        "delay_multiplier": 2,
        "max_delay": "300s",
        "attempt_timeout": "120s",
        "retention": "604800s",
        "max_pending": 100_000,
        "total_timeout": "604800s",
    },
    "batch": {"window": "0.005s", "max_keys": 100, "shared": False},
    "headers": {
        "forward_request": [
            "authorization",
            "traceparent",
            "tracestate",
            "baggage",
            "x-request-id",
        ]
    },
    "json": {
        "field_names": "JSON_NAME",
        "values": {"enum_case": "AS_DECLARED", "timestamps": "RFC3339"},
    },
    "request": {"body_format": "JSON"},
    "sizes": {
        "max_request_bytes": 4 * 1024 * 1024,
        "max_response_bytes": 4 * 1024 * 1024,
        "max_error_bytes": 64 * 1024,
        "max_json_depth": 100,
        "max_url_bytes": 16 * 1024,
    },
}

_STREAM = {
    **_METHOD,
    "deadline": {"default": "3600s", "maximum": "86400s", "margin": "0.020s"},
    "stream": {"format": "DETECT", "end_of_stream": "[DONE]", "requests": "ONE_EACH"},
}

_UPSTREAM = {
    "pool": {
        "max_connections": 256,
        "connect_timeout": "2s",
        "idle_timeout": "30s",
        "max_age": "300s",
        "max_header_bytes": 64 * 1024,
    },
    "redirects": {"max_redirects": 0},
    "discovery": {"mode": "LOGICAL", "refresh_interval": "10s"},
    "load_balancing": {"policy": "PEAK_EWMA", "panic_threshold": 0.5},
    "outlier_detection": {
        "consecutive_failures": 5,
        "failure_rate": 0.5,
        "minimum_calls": 10,
        "minimum_endpoints": 2,
        "interval": "1s",
        "base_ejection_time": "1s",
        "max_ejection_time": "30s",
        "max_ejected_share": 0.5,
    },
    "health_check": {
        "disabled": True,
        "interval": "5s",
        "timeout": "1s",
        "unhealthy_threshold": 3,
        "healthy_threshold": 1,
    },
    "reachability": {"consecutive_failures": 2, "probe_interval": "0.200s"},
    "breaker": _BREAKER,
    "retry_budget": {"share": 0.2, "min_per_second": 3, "window": "10s"},
    "bulkhead": {"max_queued": 64, "max_wait": "1s"},
    "adaptive_concurrency": {
        "min_limit": 4,
        "max_limit": 200,
        "initial_limit": 32,
        "latency_tolerance": 2,
        "slow_start": True,
    },
    "tls": {"min_version": "TLS_1_2"},
    "pacing": {"per": "1s", "burst": 1, "max_queued": 1000, "learn": True},
}

METHOD: MethodPolicy = json_format.ParseDict(_METHOD, MethodPolicy())
"""For methods of one message each way."""
STREAM: MethodPolicy = json_format.ParseDict(_STREAM, MethodPolicy())
"""For methods of which anything streams."""
UPSTREAM: UpstreamPolicy = json_format.ParseDict(_UPSTREAM, UpstreamPolicy())
"""For every upstream."""
