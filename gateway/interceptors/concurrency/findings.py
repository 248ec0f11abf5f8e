"""What a window says about the limit it was seen under: questions without memory.

It knows neither time nor what is done about a finding; adaptive.py has both, and the rules.
"""

import enum
from math import log, sqrt
from typing import NamedTuple

from gateway.interceptors.concurrency.window import Level, Window

DROP_SHARE = 0.2
"""More drops than usual, as a share of the window, that speak of overload."""
FAILING_SHARE = 0.5
"""Drops, as a share of the window, from which on it does not matter whose fault they are."""
DECISIVE_SAMPLES = 160
"""A question that so many have not answered is answered by what is more likely."""
_RAMP_DROP_SHARE = 0.3
_USED = 0.25
_BINDS = 0.5
_OURS = 0.5
"""Share of a change of the limit that latency must show to be of its making."""

_SERVICE_SPREAD = 2.0
"""Variance of a service time over the square of its mean; 1 if it is exponential. All that
wait see the same queue: what it holds is one draw, however many look at it."""


class Finding(enum.Enum):
    """What a window says."""

    UNUSED = "unused"
    """Nothing: the limit was not needed, or it cannot be said."""
    ROOM = "room"
    """It was needed, and answers came as fast as usual."""
    CROWDED = "crowded"
    """It was reached, and answers were late."""
    DROPPING = "dropping"
    """It was reached, and many attempts ended in what speaks of overload."""
    FAILING = "failing"
    """It was reached, and most attempts ended so: whatever is cut costs little."""
    UNSURE = "unsure"
    """Answers have been late for so long that usual times may be wrong."""
    CORNERED = "cornered"
    """The same, under a limit that cannot fall."""
    ARRIVED = "arrived"
    """There was room on the last step of a ramp."""
    OURS = "ours"
    """Latency, or the share of drops, followed the limit."""
    FASTER = "faster"
    """Under a limit lowered to look, answers came faster than is usual."""
    NOT_OURS = "not ours"
    """It did not."""
    OPEN = "open"
    """More has to be seen to tell."""


class Reference(NamedTuple):
    """What was seen at another limit; `dropping` if `level` is a share of drops."""

    limit: float
    level: Level
    dropping: bool


def used(window: Window) -> bool:
    """Tell whether the limit was needed."""
    return window.near >= window.count * _USED


def binds(window: Window) -> bool:
    """Tell whether the limit held attempts back most of the time."""
    return window.near >= window.count * _BINDS


def on_ramp(window: Window, tolerated: float) -> Finding:
    """Return what a step of the slow start says: ROOM, CROWDED or DROPPING."""
    if window.drop_share > _RAMP_DROP_SHARE:
        return Finding.DROPPING
    level = window.crowding()
    return Finding.CROWDED if level is not None and surely_above(level, tolerated) else Finding.ROOM


def surely_above(level: Level, bound: float) -> bool:
    """Tell whether a level is above `bound` by more than what is not known of it."""
    return level.value - sqrt(level.variance) > bound


def surely_below(level: Level, bound: float) -> bool:
    """Tell whether a level is below `bound` by twice what is not known of it."""
    return level.value + 2 * sqrt(level.variance) < bound


def seen(window: Window, limit: float, *, dropping: bool) -> Level | None:
    """Return what a window shows for a comparison, with all that is not known of it."""
    if dropping:
        return window.dropping()
    level = window.crowding()
    if level is None:
        return None
    return Level(level.value, level.variance + _SERVICE_SPREAD / (window.count + limit))


def followed(window: Window, limit: float, reference: Reference) -> Finding:
    """Return whether what was seen changed with the limit.

    Behind a queue latency goes as the limit does; where there is none, it stays.

    Args:
        window: what was seen under `limit`.
        limit: under which it was.
        reference: what was seen before, under another limit.
    """
    level = seen(window, limit, dropping=reference.dropping)
    if level is None or not binds(window) or limit == reference.limit:
        return Finding.UNUSED
    change = log(reference.limit / limit)
    effect = (reference.level.value - level.value) / change
    doubt = sqrt(reference.level.variance + level.variance) / abs(change)
    if window.count >= DECISIVE_SAMPLES:
        doubt = 0.0
    if effect - doubt / 2 > _OURS:  # it has to prove itself once more before it falls further
        return Finding.OURS
    return Finding.NOT_OURS if effect + doubt <= _OURS else Finding.OPEN
