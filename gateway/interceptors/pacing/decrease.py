"""To what a lesson lowers the rate, and how far that grows back fast; requests a second.

A quota and a trouble that passes look alike while they last. They differ in what was before:
a quota refuses when the rate has grown to it, a trouble whatever is sent.

1. The rate is two thirds of what got through. It is not below one, nor below an eighth of the
   threshold, if so much was sent: more often than that somebody must look whether the
   upstream is well.
2. The first lesson sets the threshold to two thirds of what was sent before.
3. A lesson after the rate grew by a tenth, and with fewer than a quarter of 429s, has found
   the upstream's limit: what got through, but no more than 105 % of what did in the last ten
   seconds (a quota of ten seconds lets twice of it through in five). The threshold is 90 %
   of the limit then.
4. Any other lesson is the same trouble, and keeps the threshold: what it refuses now says
   nothing of what the upstream takes when it is well. Where the rate had grown by half, the
   threshold was too high, and is halved, but not below what got through. So it is once a
   minute of the same trouble.
"""

from gateway.interceptors.pacing.growth import Growth

_DECREASE = 2 / 3
_FLOOR_PER_S = 1.0
_SLOWEST = 1 / 8
_GREW = 1.1
_GREW_FAR = 1.5
_LIMIT_SHARE = 1 / 4
_LASTING = 1.05
_NEAR_LIMIT = 0.9
_TROUBLE_S = 60.0


def lower(
    before: Growth | None,
    through_per_s: float,
    sent_per_s: float,
    share: float,
    lasting_per_s: float,
    now: float,
) -> Growth:
    """Return the rate after a lesson.

    Args:
        before: the rate of which it is; None for none.
        through_per_s: what got through, by the lesson's answers.
        sent_per_s: what was sent, or might be.
        share: of 429s among the answers.
        lasting_per_s: what got through in the last ten seconds, pauses included; 0 if unknown.
        now: monotonic seconds.
    """
    floor = min(_FLOOR_PER_S, sent_per_s)
    least = max(floor, through_per_s * _DECREASE)
    if before is None:
        least = max(min(floor, sent_per_s * _DECREASE), through_per_s * _DECREASE)
        return Growth(least, now, sent_per_s * _DECREASE)
    if share < _LIMIT_SHARE and found_growing(before, now):
        limit = min(through_per_s, lasting_per_s * _LASTING) if lasting_per_s else through_per_s
        rate_per_s = max(floor, limit * _DECREASE)
        return Growth(rate_per_s, now, max(rate_per_s, limit * _NEAR_LIMIT), limit)
    return _same_trouble(before, least, through_per_s, now)


def found_growing(before: Growth, now: float) -> bool:
    """Tell whether a lesson may be due to the growth of the rate."""
    return before.grew(_GREW, now)


def _same_trouble(before: Growth, least: float, through_per_s: float, now: float) -> Growth:
    threshold, trouble_at = before.threshold_per_s, before.trouble_at
    lasts = now - trouble_at >= _TROUBLE_S
    if lasts or before.grew(_GREW_FAR, now):
        threshold = min(threshold, max(through_per_s, threshold / 2))
    growth = before.again(max(least, threshold * _SLOWEST), now, threshold)
    if lasts:
        growth.trouble_at = now
    return growth
