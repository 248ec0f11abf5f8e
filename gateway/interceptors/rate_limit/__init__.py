"""Calls in a time: what has a count of its own, and what callers are told of it."""

from gateway.interceptors.rate_limit.arrival import ArrivalLimitInterceptor
from gateway.interceptors.rate_limit.interceptor import (
    LimitOf,
    LocalRateLimitInterceptor,
    RateLimitInterceptor,
)
from gateway.interceptors.rate_limit.keys import KeyOf, Part, Source, key_of

__all__ = [
    "ArrivalLimitInterceptor",
    "KeyOf",
    "LimitOf",
    "LocalRateLimitInterceptor",
    "Part",
    "RateLimitInterceptor",
    "Source",
    "key_of",
]
