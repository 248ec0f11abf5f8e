"""What limits say while the shared store does not answer, in this process alone.

Rules:
1. Where a limit that is no shadow is CLOSED, the call is stopped, and counted nowhere.
2. Else limits of LOCAL_SHARE count in this process, with their share of the places, rounded
   down to at least one. Limits that are OPEN, and shadows that are CLOSED, say that all places
   are free.
3. Where no limit of a call has a local share, it passes and is not counted.
4. The mode is that of the strictest: "closed", then "local_share", then "open".
"""

from collections.abc import Sequence
from typing import Final

from gateway.core.clock import Clock
from gateway.state.limits import Algorithm, Decision, Hit, Limit, StoreFailure, Verdict
from gateway.state.memory_limits import MemoryLimits, scaled

_MAX_SHARES = 1024
_CLOSED: Final = Decision(False, (), "closed")
_OPEN: Final = Decision(True, (), "open")


class Fallback:
    """Answers without waiting; see the rules of the module.

    Args:
        clock: of the counts of local shares.
    """

    def __init__(self, clock: Clock) -> None:
        self._local = MemoryLimits(clock)
        self._shares: dict[int, tuple[Limit, Limit]] = {}

    def take_now(self, hits: Sequence[Hit]) -> Decision:
        """Answer for `hits` from this process alone."""
        counted: list[Hit] = []
        for limit, key, cost in hits:
            failure = limit.on_store_failure
            if failure is StoreFailure.LOCAL_SHARE:
                counted.append(Hit(self._share(limit), key, cost))
            elif failure is StoreFailure.CLOSED and not limit.shadow:
                return _CLOSED
        if not counted:
            return _OPEN
        decision = self._local.take_now(counted)
        verdicts = decision.verdicts
        if len(counted) < len(hits):
            found = iter(verdicts)
            verdicts = [
                next(found)
                if hit.limit.on_store_failure is StoreFailure.LOCAL_SHARE
                else _free(hit.limit)
                for hit in hits
            ]
        return Decision(decision.allowed, verdicts, "local_share")

    def _share(self, limit: Limit) -> Limit:
        known = self._shares.get(id(limit))
        if known is None or known[0] is not limit:
            if len(self._shares) >= _MAX_SHARES:
                self._shares.clear()
            known = self._shares[id(limit)] = (limit, scaled(limit, limit.local_share))
        return known[1]


def _free(limit: Limit) -> Verdict:
    gcra = limit.algorithm is Algorithm.GCRA
    return Verdict(True, (limit.burst if gcra else 0) or limit.requests, 0.0, 0.0)
