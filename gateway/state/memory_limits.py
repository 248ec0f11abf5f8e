"""Counts of rate limits in the memory of one process.

Rules, beside those of `limits.py`, which a shared store keeps too:
1. `now` = floor(seconds * 1_000_000 + 0.5) of the store's clock, read once a question;
   per_us = floor(per_s * 1_000_000 + 0.5), at least 1. How places are counted from there on
   is in `gcra.py` and `window.py`; a GCRA limit whose `burst` is 0 has one of `requests`.
2. Hits are weighed first, all of them, and counted then: all where every limit that is no
   shadow has room, else none, shadows included. Two hits on one count (the same limit and
   key) are weighed together: the second one asks for the places of the first as well.
3. A verdict's `remaining` and `reset_s` are as after the question was decided: with the
   call's places taken off where it was counted, without them where it was not.
   `retry_after_s` is the wait found when weighing; infinity where a call asks for more
   places than there are. Times in seconds are microseconds / 1_000_000.
4. A key longer than 128 characters is kept as a digest (`bounded_key`), which no shorter key
   can look like.
5. A limit has at most `max_keys` keys. For one more, the one unused longest goes, of those
   that rule 6 has left. Refused calls are uses.
6. Keys whose places are all back go away by themselves, a few with each question; none of
   the limit that is asked outlives its last use by more than twice the time in which all
   places come back, as long as there are questions.
7. A count is known by the limit's name and algorithm: one that comes back with other numbers
   goes on from what was counted.
"""

import hashlib
import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from gateway.core.clock import Clock
from gateway.state.gcra import NEVER, Gcra
from gateway.state.limits import Algorithm, Decision, Hit, Limit, Verdict
from gateway.state.window import Window

_GCRA = Algorithm.GCRA
_US = 1_000_000
MAX_KEY = 128
"""Characters of a key that is kept as it is."""
_SWEPT_AT_ONCE = 8
_LOOK_AROUND_US = 10_000
"""So often one of the limits that are not asked is swept, and so many of its keys:"""
_SWEPT_AROUND = 32


def bounded_key(key: str) -> str:
    """Return `key`, or where it is long a digest of it that is longer than any short key."""
    if len(key) <= MAX_KEY:
        return key
    return "~" + hashlib.blake2b(key.encode("utf-8", "surrogatepass")).hexdigest()


def machine(limit: Limit) -> Gcra | Window:
    """Return the rules by which a limit is counted."""
    per_us = max(1, math.floor(limit.per_s * _US + 0.5))
    if limit.algorithm is _GCRA:
        return Gcra(limit.requests, per_us, limit.burst or limit.requests)
    return Window(limit.requests, per_us)


def scaled(limit: Limit, share: float) -> Limit:
    """Return `limit` with a share of its places, rounded down to at least one."""
    if share == 1:
        return limit
    return replace(
        limit,
        requests=_part(limit.requests, share),
        burst=_part(limit.burst, share) if limit.burst else 0,
    )


def _part(places: int, share: float) -> int:
    return max(1, math.floor(places * share + 1e-9))  # 0.29 of 100 is 29


class _Counts:
    """The keys of one limit, the one unused longest first."""

    __slots__ = ("keys", "limit", "rules", "sweep_at_us")

    def __init__(self, limit: Limit) -> None:
        self.keys: OrderedDict[str, Any] = OrderedDict()
        self.sweep_at_us = 0
        self.use(limit)

    def use(self, limit: Limit) -> None:
        self.limit = limit
        self.rules: Any = machine(limit)

    def keep(self, key: str, state: Any) -> None:
        keys = self.keys
        if key not in keys:
            while len(keys) >= self.limit.max_keys:
                keys.popitem(last=False)
        keys[key] = state

    def sweep(self, now_us: int, most: int) -> None:
        keys = self.keys
        for _ in range(most):
            if not keys:
                self.sweep_at_us = now_us + _US
                return
            key = next(iter(keys))
            _, reset_us = self.rules.left(keys[key], now_us)
            if reset_us:
                self.sweep_at_us = now_us + reset_us
                return
            del keys[key]
        self.sweep_at_us = now_us


_Weighed = tuple[_Counts, str, Any, int, int]
"""Where a hit is counted, its key and state there, how long it has to wait, and its cost."""


class MemoryLimits:
    """A `LimitStore` for one event loop; nothing in it waits.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Clock) -> None:
        self._now = clock.now
        self._gcra: dict[str, _Counts] = {}
        self._windows: dict[str, _Counts] = {}
        self._around: Iterator[_Counts] = iter(())
        self._look_around_at_us = 0

    def take_now(self, hits: Sequence[Hit]) -> Decision:
        """Count a call against each of `hits`, or against none."""
        now_us = int(self._now() * _US + 0.5)
        if now_us >= self._look_around_at_us:
            self._look_around(now_us)
        if len(hits) == 1:
            return self._take_one(hits[0], now_us)
        weighed: list[_Weighed] = []
        allowed = True
        for hit in hits:
            found = self._weigh(hit, weighed, now_us)
            weighed.append(found)
            if found[3] and not hit.limit.shadow:
                allowed = False
        for counts, key, state, _, cost in weighed if allowed else ():
            counts.rules.count(state, now_us, cost)
            counts.keep(key, state)
        return Decision(
            allowed,
            [
                _verdict(wait_us, counts.rules.left(state, now_us))
                for counts, _, state, wait_us, _ in weighed
            ],
        )

    async def take(self, hits: Sequence[Hit]) -> Decision:
        """Count a call against each of `hits`, or against none; see `LimitStore`."""
        return self.take_now(hits)

    async def close(self) -> None:
        """Forget all counts."""
        self._gcra.clear()
        self._windows.clear()
        self._around = iter(())

    def __len__(self) -> int:
        """Return how many keys are in memory, of all limits."""
        known = (*self._gcra.values(), *self._windows.values())
        return sum(len(counts.keys) for counts in known)

    def _take_one(self, hit: Hit, now_us: int) -> Decision:
        """Do what `take_now` does, for the most frequent case."""
        limit, key, cost = hit
        counts = self._counts_of(limit, now_us)
        if len(key) > MAX_KEY:
            key = bounded_key(key)
        rules = counts.rules
        state = known = counts.keys.get(key)
        if known is None:
            state = rules.new()
        else:
            counts.keys.move_to_end(key)
        wait_us = rules.wait_us(state, now_us, cost)
        allowed = not wait_us or limit.shadow
        if allowed:
            rules.count(state, now_us, cost)
            if known is None:
                counts.keep(key, state)
        return Decision(allowed, (_verdict(wait_us, rules.left(state, now_us)),))

    def _weigh(self, hit: Hit, before: Sequence[_Weighed], now_us: int) -> _Weighed:
        limit, key, cost = hit
        counts = self._counts_of(limit, now_us)
        key = bounded_key(key)
        state = counts.keys.get(key)
        if state is not None:
            counts.keys.move_to_end(key)
        asked = cost
        for other, other_key, other_state, _, other_cost in before:
            if other is counts and other_key == key:
                state = other_state
                asked += other_cost
        if state is None:
            state = counts.rules.new()
        return counts, key, state, counts.rules.wait_us(state, now_us, asked), cost

    def _counts_of(self, limit: Limit, now_us: int) -> _Counts:
        known = self._gcra if limit.algorithm is _GCRA else self._windows
        counts = known.get(limit.name)
        if counts is None:
            counts = known[limit.name] = _Counts(limit)
        elif counts.limit is not limit and counts.limit != limit:
            counts.use(limit)
        if now_us >= counts.sweep_at_us:
            counts.sweep(now_us, _SWEPT_AT_ONCE)
        return counts

    def _look_around(self, now_us: int) -> None:
        self._look_around_at_us = now_us + _LOOK_AROUND_US
        counts = next(self._around, None)
        if counts is None:
            self._around = iter((*self._gcra.values(), *self._windows.values()))
        else:
            counts.sweep(now_us, _SWEPT_AROUND)


def _verdict(wait_us: int, left: tuple[int, int]) -> Verdict:
    wait_s = math.inf if wait_us == NEVER else wait_us / _US
    return Verdict(not wait_us, left[0], left[1] / _US, wait_s)
