"""Calls that must not happen twice."""

from gateway.interceptors.deduplicate.interceptor import DeduplicateInterceptor
from gateway.interceptors.deduplicate.options import (
    CallKey,
    DeduplicationOptions,
    InFlight,
    KeyOf,
    Lookup,
    OnUnknown,
)

__all__ = [
    "CallKey",
    "DeduplicateInterceptor",
    "DeduplicationOptions",
    "InFlight",
    "KeyOf",
    "Lookup",
    "OnUnknown",
]
