"""What is set of retries, their budget and hedges; defaults are those of policy.proto."""

import enum
from dataclasses import dataclass

RETRYABLE_HTTP_STATUSES = frozenset((429, 502, 503, 504))
"""Built-in; 429 only where its answer says when to come back."""


class Jitter(enum.Enum):
    """How a wait is drawn under its bound; see seawall.policy.v1.RetryPolicy.Jitter."""

    FULL = 1
    EQUAL = 2
    NONE = 3
    PROPORTIONAL = 4
    DECORRELATED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryOptions:
    """Seconds and counts; see seawall.policy.v1.RetryPolicy.

    `idempotent` is the method's: whether a request whose effect is unknown may be
    sent again. `pushback` tells callers that retry by themselves when to, or not to.
    """

    max_attempts: int = 3
    initial_backoff_s: float = 0.1
    max_backoff_s: float = 2.0
    multiplier: float = 2.0
    jitter: Jitter = Jitter.FULL
    retryable_http_statuses: frozenset[int] = RETRYABLE_HTTP_STATUSES
    max_retry_after_s: float = 10.0
    idempotent: bool = False
    pushback: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryBudgetOptions:
    """See seawall.policy.v1.RetryBudgetPolicy; the names are Finagle's and Envoy's.

    Args:
        share: retries and hedges as a share of the calls in the window.
        min_per_s: so many a second on top.
        window_s: how far back the window reaches, in seconds.
    """

    share: float = 0.2
    min_per_s: float = 3.0
    window_s: float = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class HedgeOptions:
    """See seawall.policy.v1.HedgePolicy.

    Args:
        delay_s: how long an attempt is waited for, in seconds; None takes `quantile`.
        quantile: of what the method's first attempts took lately.
        min_delay_s: no shorter delay is taken from the quantile.
        max_hedges: attempts beside one that is slow.
        max_share: hedges as a share of the method's calls, at most.
        max_attempts: the retry's; hedges count.
        retryable_http_statuses: the retry's; any other answer is fatal.
        reads_only: the method has no side effects, so that no attempt can see what another did.
    """

    delay_s: float | None = None
    quantile: float = 0.99
    min_delay_s: float = 0.010
    max_hedges: int = 1
    max_share: float = 0.02
    max_attempts: int = 3
    retryable_http_statuses: frozenset[int] = RETRYABLE_HTTP_STATUSES
    reads_only: bool = False
