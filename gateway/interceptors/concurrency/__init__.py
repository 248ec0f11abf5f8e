"""Attempts under way at one upstream: bulkhead, adaptive limit, slow start, criticality.

options → places (line) ← adaptive (findings, window, baselines); limiter adds tasks that
wait, interceptor the way of a call. Everything but these two is pure.
"""

from gateway.interceptors.concurrency.interceptor import ConcurrencyInterceptor, ShedInterceptor
from gateway.interceptors.concurrency.limiter import ConcurrencyLimiter
from gateway.interceptors.concurrency.options import AdaptiveOptions, BulkheadOptions

__all__ = [
    "AdaptiveOptions",
    "BulkheadOptions",
    "ConcurrencyInterceptor",
    "ConcurrencyLimiter",
    "ShedInterceptor",
]
