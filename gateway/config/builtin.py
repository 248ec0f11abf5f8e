"""What is promised where nobody says anything: the lowest level of every policy.

Written as the messages themselves, so that `explain`, the documentation and the
code show one text.
"""

from google.protobuf import json_format
from seawall.policy.v1.policy_pb2 import MethodPolicy, UpstreamPolicy

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
    },
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
}

METHOD: MethodPolicy = json_format.ParseDict(_METHOD, MethodPolicy())
"""For methods of one message each way."""
STREAM: MethodPolicy = json_format.ParseDict(_STREAM, MethodPolicy())
"""For methods of which anything streams."""
UPSTREAM: UpstreamPolicy = json_format.ParseDict(_UPSTREAM, UpstreamPolicy())
"""For every upstream."""
