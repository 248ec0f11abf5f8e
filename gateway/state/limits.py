"""Counts of rate limits: what mechanisms ask of a store, whatever keeps the counts.

Rules that every store keeps:
1. All limits of one question are one decision: where one of them that is not a shadow does
   not allow the call, none of them counts it.
2. A shadow limit counts a call that the others allow, also beyond its own bound; its
   verdict says what it would have done.
3. A count is exact under any race: of calls that ask for N places at once, N get one.
4. Everything is bounded: a key that is not used any more goes away by itself.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Algorithm(enum.Enum):
    """How calls are counted; see seawall.policy.v1.RateLimit."""

    GCRA = 1
    SLIDING_WINDOW = 2


class StoreFailure(enum.Enum):
    """What holds while the shared store does not answer."""

    OPEN = 1
    CLOSED = 2
    LOCAL_SHARE = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """One limit.

    Args:
        name: of the instance, by which it is counted: "panel.v1.AuthService/Login:logins".
        requests: calls in each `per_s`.
        per_s: seconds.
        burst: at once after a pause, for GCRA.
        algorithm: how they are counted.
        shadow: refuses nothing.
        on_store_failure: what holds without the shared store.
        local_share: of the limit, for this process alone, then.
        max_keys: counts kept in memory.
    """

    name: str
    requests: int
    per_s: float = 60.0
    burst: int = 0
    algorithm: Algorithm = Algorithm.SLIDING_WINDOW
    shadow: bool = False
    on_store_failure: StoreFailure = StoreFailure.LOCAL_SHARE
    local_share: float = 1.0
    max_keys: int = 100_000


class Hit(NamedTuple):
    """A call against one limit; `cost` places are asked for."""

    limit: Limit
    key: str
    cost: int = 1


class Verdict(NamedTuple):
    """What one limit says of a call.

    Args:
        allowed: whether it has room.
        remaining: places left now, those taken by this call off.
        reset_s: seconds until all places are back.
        retry_after_s: seconds until there is room for this call again; 0 where there is.
    """

    allowed: bool
    remaining: int
    reset_s: float
    retry_after_s: float


class Decision(NamedTuple):
    """What all limits of a call say together.

    Args:
        allowed: whether the call may go on; shadow limits have no say.
        verdicts: one for each hit, in order; empty where a failing store let the call pass
            or stopped it without counting.
        mode: "exact", or what holds without the store: "open", "closed", "local_share".
    """

    allowed: bool
    verdicts: Sequence[Verdict]
    mode: str = "exact"


class LimitStore(Protocol):
    """Counts calls."""

    async def take(self, hits: Sequence[Hit]) -> Decision:
        """Count a call against each of `hits`, or against none.

        Takes no longer than the store's own timeout, and never fails: what cannot be asked
        is answered by each limit's `on_store_failure`.
        """

    async def close(self) -> None:
        """Give back what the store holds."""
