"""Sending a failed attempt again, and a slow one twice (gRFC A6, AIP-194).

`decision.py` and `backoff.py` say whether and when an attempt is repeated, `budget.py` how
many repetitions an upstream is sent; `interceptor.py` puts them on the way of a call.
`race.py`, `share.py` and `latency.py` are the same for hedges, which `hedge.py` sends.
"""

from gateway.interceptors.retry.budget import RetryBudget
from gateway.interceptors.retry.hedge import HedgeInterceptor
from gateway.interceptors.retry.interceptor import RetryInterceptor
from gateway.interceptors.retry.options import (
    HedgeOptions,
    Jitter,
    RetryBudgetOptions,
    RetryOptions,
)

__all__ = [
    "HedgeInterceptor",
    "HedgeOptions",
    "Jitter",
    "RetryBudget",
    "RetryBudgetOptions",
    "RetryInterceptor",
    "RetryOptions",
]
