"""The rate that an upstream teaches by answers of 429.

Additive increase, multiplicative decrease, as TCP and the AWS SDKs' adaptive retry mode
have it, from what got through. All rates in requests a second.

1. A few 429s are their own requests' affair. At least three within ten seconds, and at
   least a tenth of the answers of three or of ten seconds, are a lesson; while a rate is
   known it takes no more than 3 %. So are six one after the other, nothing else for a
   second.
2. A lesson lowers the rate (`decrease.py`). At least a quarter of what was sent is taken to
   have got through, because few answers tell little. While fewer than half are refused it
   does not fall below a quarter of what got through at the first lesson: that much is known
   to be possible.
3. A lesson begins a round. What was let go before is no part of it, and neither teaches nor
   pauses: what one overload refused does not lower the rate twice. Nothing is taught by less
   than a second of answers.
4. The upstream as a whole refuses where half of a lesson's answers are 429, or all of the
   last second; six at least. Then nothing is sent before the longest Retry-After that its
   429s told lately, up to a minute. Of fewer 429s each is waited for by its own request only:
   others are being answered, and one tenant's quota must not stop everybody.
5. Where all are refused and were before the last lesson, there is a pause and no lower rate.
6. Where a lower rate does not make 429s fewer it is not to blame (`blame.py`): it goes up to
   twice of what was sent before, and that share of 429s is no lesson.
7. From a lesson or the end of its pause on, once two requests had time to be answered, the
   rate grows by itself (`growth.py`), whatever is asked for: doubling at first, then slowly.
   A 429 that is no lesson stops that for a second, and for the time of three requests,
   unless it is excused.
8. A rate is forgotten thirty seconds after the last time that it held anything back, or ten
   seconds after the last 429 when it has grown to twice of what is asked for, or when it
   has reached the declared rate; never while a request waits.
"""

from gateway.interceptors.pacing.blame import Blame, Finding
from gateway.interceptors.pacing.decrease import found_growing, lower
from gateway.interceptors.pacing.growth import Growth
from gateway.interceptors.pacing.tally import Count, Tally

_LEAST_REFUSED = 3
_REFUSED_SHARE = 0.1
_REFUSED_SHARE_KNOWN = 0.03
_WINDOWS_S = (3.0, 10.0)
_DECREASE = 2 / 3
_LEAST_SHARE = 1 / 4
"""Of what was sent: so much is taken to have got through, at least."""
_LEAST_SPAN_S = 1.0
_WHOLE_SHARE = 0.5
_WHOLE_REFUSED = 6
_KEPT_SHARE = 1 / 4
"""Of what has got through: so much is left while most answers are not 429."""
_LATELY_S = 3.0
_MAX_PAUSE_S = 60.0
_RESTORED = 2.0
"""Of what was sent before: those that were held up meanwhile go too, but not all at once."""
_HOLD_S = 1.0
_HOLD_REQUESTS = 3
_FIRST_REQUESTS = 2
_FORGET_UNUSED_S = 30.0
_FORGET_OUTGROWN_S = 10.0
_OUTGROWN = 2.0


class Lesson:
    """What one upstream has taught; instants are monotonic seconds."""

    __slots__ = (
        "_blame",
        "_growth",
        "_held_at",
        "_kept_per_s",
        "_paused_until",
        "_refused_at",
        "_run",
        "_run_since",
        "_tally",
        "_taught_at",
        "_told_at",
        "_told_until",
        "round",
    )

    def __init__(self) -> None:
        self._tally = Tally()
        self._blame = Blame()
        self.round = 0
        """Goes up with each lesson; an attempt belongs to the one in which it was let go."""
        self._growth: Growth | None = None
        self._kept_per_s = 0.0
        self._taught_at = float("-inf")
        self._refused_at = float("-inf")
        self._held_at = float("-inf")
        self._run = 0
        self._run_since = float("-inf")
        self._told_at = float("-inf")
        self._told_until = float("-inf")
        self._paused_until = float("-inf")

    @property
    def known(self) -> bool:
        """Whether a rate is taught and not forgotten."""
        return self._growth is not None

    @property
    def paused_until(self) -> float:
        """Nothing is sent before this instant."""
        return self._paused_until

    def rate_per_s(self, now: float) -> float | None:
        """Return the rate as it has grown; None where none is known."""
        return None if self._growth is None else self._growth.rate_per_s(now)

    def asked(self, now: float) -> None:
        """Take note of an attempt that wants to go."""
        self._tally.asked(now)

    def held(self, now: float) -> None:
        """Take note that an attempt could not go at once, and when it could."""
        self._held_at = now

    def through(self, let_go_in: int, now: float) -> None:
        """Take note of an answer that was not 429; see `refused` for `let_go_in`."""
        if let_go_in == self.round:
            self._run = 0
            self._tally.through(now)

    def refused(
        self, let_go_in: int, retry_after_s: float, declared_per_s: float, now: float
    ) -> str | None:
        """Take note of a 429.

        Args:
            let_go_in: the round in which its request was let go.
            retry_after_s: what it told; 0 for nothing.
            declared_per_s: the rate that holds without any lesson; may be infinite.
            now: monotonic seconds.

        Returns:
            Why there is a new rate now, or None where there is not.
        """
        if let_go_in != self.round:
            return None
        self._tally.refused(now)
        self._take_note(retry_after_s, now)
        why = self._teach(declared_per_s, now)
        if why is None and not self._blame.excuses(now):
            self._refused_at = now
            self._hold(now)
        return why

    def _take_note(self, retry_after_s: float, now: float) -> None:
        if not self._run:
            self._run_since = now
        self._run += 1
        told_until = now + min(retry_after_s, _MAX_PAUSE_S)
        if now - self._told_at > _LATELY_S or told_until > self._told_until:
            self._told_until = told_until
        self._told_at = now

    def _teach(self, declared_per_s: float, now: float) -> str | None:
        taught = self.rate_per_s(now)
        all_refused = self._run >= _WHOLE_REFUSED and now - self._run_since >= _LEAST_SPAN_S
        growth = self._growth
        if all_refused and growth and self._run_since <= self._taught_at < now < self._told_until:
            self._begin(growth.again(growth.rate_per_s(now), now), now, pause=True)
            return "all answers since the last lesson were 429"
        least = _REFUSED_SHARE if taught is None else _REFUSED_SHARE_KNOWN
        least = self._blame.least_share(least, now)
        for window_s in _WINDOWS_S:
            count = self._tally.count(window_s, now)
            if count.refused < _LEAST_REFUSED or count.span_s < _LEAST_SPAN_S:
                continue
            share = count.refused / (count.refused + count.through)
            if all_refused or share >= least:
                return self._draw(count, declared_per_s, now, whole=all_refused)
        return None

    def _draw(self, count: Count, declared_per_s: float, now: float, *, whole: bool) -> str:
        sent = count.through + count.refused
        sent_per_s = sent / count.span_s
        share = count.refused / sent
        taught = self.rate_per_s(now)
        whole = whole or (share >= _WHOLE_SHARE and count.refused >= _WHOLE_REFUSED)
        why = f"{count.refused} of {sent} answers were 429"
        most = min(sent_per_s, declared_per_s, taught or declared_per_s)
        base = min(most, max(count.through / count.span_s, most * _LEAST_SHARE))
        if taught is None or whole:
            self._kept_per_s = base * _KEPT_SHARE
        lowest = base * _DECREASE < self._kept_per_s and not (
            self._growth and found_growing(self._growth, now)
        )
        found = self._blame.find(1.0 if whole else share, sent_per_s, taught, now, lowest=lowest)
        if found is Finding.OTHERS:
            rate_per_s = self._blame.sent_per_s * _RESTORED
            self._begin(Growth(rate_per_s, now, rate_per_s), now, pause=False)
            return why + ", at a lower rate too"
        lasting = self._tally.lasting(now)
        growth = lower(self._growth, base, most, share, lasting, now)
        if growth.began_per_s < self._kept_per_s:
            growth = growth.again(self._kept_per_s, now)
        self._begin(growth, now, pause=whole)
        return why

    def _begin(self, growth: Growth, now: float, *, pause: bool) -> None:
        self._growth = growth
        self._taught_at = self._held_at = now
        if pause:
            self._paused_until = max(self._paused_until, self._told_until)
        growth.hold(max(now, self._paused_until) + _FIRST_REQUESTS / growth.began_per_s, now)
        self._told_until = float("-inf")
        self._tally.turn_over(now)
        self.round += 1

    def _hold(self, now: float) -> None:
        if self._growth is not None:
            hold_s = max(_HOLD_S, _HOLD_REQUESTS / self._growth.rate_per_s(now))
            self._growth.hold(now + hold_s, now)

    def forget(self, declared_per_s: float, now: float) -> str | None:
        """Return why the rate is forgotten now; None where it is not.

        Call it while no request waits.
        """
        rate_per_s = self.rate_per_s(now)
        if rate_per_s is None or now < self._paused_until:
            return None
        last_at = max(self._taught_at, self._refused_at, self._paused_until)
        if rate_per_s >= declared_per_s:
            why = "it has reached the declared rate"
        elif now - max(last_at, self._held_at) >= _FORGET_UNUSED_S:
            why = f"it held nothing back for {_FORGET_UNUSED_S:.0f} s"
        elif now - last_at >= _FORGET_OUTGROWN_S and rate_per_s > _OUTGROWN * self._demand(now):
            why = "it has grown to twice of what is asked for"
        else:
            return None
        self._growth = None
        self._tally.clear()
        return why

    def _demand(self, now: float) -> float:
        return self._tally.count(_WINDOWS_S[-1], now).asked / _WINDOWS_S[-1]
