"""How long a retry waits: a bound that grows, and a draw under it.

Rules:
1. The n-th retry's bound is the smaller of `max_backoff_s` and
   `initial_backoff_s * multiplier ** (n - 1)`.
2. The jitter draws under that bound. PROPORTIONAL alone may pass it, by a fifth (gRFC A6
   as amended).
3. DECORRELATED draws between the initial backoff and three times the last wait, and knows
   no other bound than `max_backoff_s`.
"""

from gateway.core.clock import Rng
from gateway.interceptors.retry.options import Jitter, RetryOptions


def backoff_s(options: RetryOptions, retry: int, last_s: float, rng: Rng) -> float:
    """Return the wait before the `retry`-th retry (from 1), in seconds.

    Args:
        options: base, bound, growth and jitter.
        retry: which retry it is.
        last_s: the wait before the one before, for DECORRELATED; 0 at first.
        rng: draws.
    """
    base, cap = options.initial_backoff_s, options.max_backoff_s
    try:
        bound = min(cap, base * options.multiplier ** (retry - 1))
    except OverflowError:
        bound = cap
    match options.jitter:
        case Jitter.FULL:
            return rng.random() * bound
        case Jitter.EQUAL:
            return bound / 2 + rng.random() * bound / 2
        case Jitter.NONE:
            return bound
        case Jitter.PROPORTIONAL:
            return bound * (0.8 + 0.4 * rng.random())
        case Jitter.DECORRELATED:
            return min(cap, base + rng.random() * max(0.0, max(last_s, base) * 3 - base))
