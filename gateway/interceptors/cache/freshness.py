"""How long an answer is kept, and what may be done with one that is. Pure.

Rules (RFC 9111, 4.2; RFC 5861):
1. An answer is FRESH for its ttl: as the method says, by a field of the request where it says
   so; shorter where the upstream says so, never longer. What it was old on arrival counts.
   A random share is taken off, so that answers of one moment do not all end at one moment.
2. Then it is served STALE for `stale_while_revalidate_s` while it is asked for anew, and kept
   for `stale_if_error_s`, to be served where asking fails. Both begin where the ttl ends; the
   upstream may shorten both. `must-revalidate` forbids both.
3. `no-store` is never kept, nor is `private` for all callers. An answer that can be asked for
   by its etag or date is kept for another ttl, to be asked for so; `no-cache` is kept for
   nothing else.
4. NOT_FOUND is kept for `negative_ttl_s` and never served stale; other failures are not kept.
5. Time that goes backwards makes an entry no younger than it was: its age is 0 at least, and
   an entry from more than `MAX_AHEAD_S` ahead of now is of no use.
"""

import enum
from dataclasses import dataclass
from typing import Final

from gateway.core.clock import Rng
from gateway.interceptors.cache.directives import Directives
from gateway.state.answers import Entry

MAX_AHEAD_S: Final = 60.0


class Use(enum.Enum):
    """What may be done with an entry now."""

    SERVE = "serve"
    SERVE_AND_REFRESH = "serve and refresh"
    ON_ERROR = "on error"
    ASK = "ask"
    """Whether it still holds has to be asked for."""
    NONE = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheOptions:
    """See seawall.policy.v1.CachePolicy. Seconds and bytes.

    Args:
        stale_while_revalidate_s: from the end of the ttl.
        stale_if_error_s: from the end of the ttl.
        negative_ttl_s: of NOT_FOUND.
        shared: the answer does not depend on who asks.
        respect_headers: what the upstream says of keeping counts; `no-store` always does.
        jitter: the share of a ttl that may be taken off.
        max_answer_bytes: what is larger is not kept.
        refresh_timeout_s: for asking anew where nobody waits.
    """

    stale_while_revalidate_s: float = 0.0
    stale_if_error_s: float = 0.0
    negative_ttl_s: float = 0.0
    shared: bool = False
    respect_headers: bool = True
    jitter: float = 0.1
    max_answer_bytes: int = 1024 * 1024
    refresh_timeout_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Life:
    """How long an answer is kept: fresh, then stale, then to be asked for; seconds."""

    fresh_s: float
    revalidate_s: float = 0.0
    error_s: float = 0.0
    ask_s: float = 0.0


def life_of(
    options: CacheOptions, ttl_s: float, said: Directives, rng: Rng, *, can_ask: bool
) -> Life | None:
    """Return how long an answer is kept; None for one that is not.

    Args:
        options: of the method.
        ttl_s: of the request.
        said: by the upstream.
        rng: draws the jitter.
        can_ask: whether the answer can be asked for anew by what it is called.
    """
    if said.no_store or (options.respect_headers and said.private and options.shared):
        return None
    revalidate_s, error_s = options.stale_while_revalidate_s, options.stale_if_error_s
    fresh_s = ttl_s
    if options.respect_headers:
        if said.max_age_s is not None:
            fresh_s = min(fresh_s, max(0.0, said.max_age_s - said.age_s))
        if said.stale_while_revalidate_s is not None:
            revalidate_s = min(revalidate_s, said.stale_while_revalidate_s)
        if said.stale_if_error_s is not None:
            error_s = min(error_s, said.stale_if_error_s)
        if said.must_revalidate or said.no_cache:
            revalidate_s = error_s = 0.0
        if said.no_cache:
            fresh_s = 0.0
    fresh_s *= 1.0 - options.jitter * rng.random()
    life = Life(fresh_s, revalidate_s, error_s, ttl_s if can_ask else 0.0)
    return life if max(fresh_s, revalidate_s, error_s, life.ask_s) > 0 else None


def use_of(entry: Entry, now_wall: float) -> Use:
    """Return what may be done with `entry` at `now_wall`."""
    age_s = now_wall - entry.given_at
    if age_s < -MAX_AHEAD_S:
        return Use.NONE
    age_s = max(0.0, age_s)
    if age_s < entry.fresh_s:
        return Use.SERVE
    if age_s < entry.fresh_s + entry.revalidate_s:
        return Use.SERVE_AND_REFRESH
    if age_s < entry.fresh_s + entry.error_s:
        return Use.ON_ERROR
    return Use.ASK if age_s < entry.fresh_s + entry.ask_s else Use.NONE


def age_s(entry: Entry, now_wall: float) -> int:
    """Return the age of an answer in whole seconds."""
    return max(0, int(now_wall - entry.given_at))
