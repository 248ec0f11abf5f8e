"""The rate that an upstream teaches by answers of 429.

Additive increase, multiplicative decrease, as TCP and the AWS SDKs' adaptive retry mode
have it, from what got through. All rates in requests a second.

1. A few 429s are their own requests' affair. At least three within ten seconds, and at
   least a tenth of the answers of three or of ten seconds, are a lesson; while a rate is
   known it takes no more than 3 %.
2. A lesson sets the rate to two thirds of what got through lately; not below a sixth of
   what was sent, because few answers tell little, and not below one in ten seconds.
3. A lesson begins a round. What was let go before is no part of it: what one overload
   refused does not lower the rate twice. Nothing is taught by less than a second of answers.
4. The longest Retry-After that a round's 429s told, up to a minute, begins with its lesson
   a pause in which nothing is sent; late answers of that round make it longer.
5. From a lesson or the end of its pause on, the rate grows by a tenth of what was taught a
   second. A 429 that is no lesson stops that for a second.
6. A rate is forgotten thirty seconds after the last time that it held anything back, or ten
   seconds after the last 429 when it has grown to twice of what is asked for, or when it
   has reached the declared rate; never while a request waits.
"""

from gateway.interceptors.pacing.tally import Tally

_LEAST_REFUSED = 3
_REFUSED_SHARE = 0.1
_REFUSED_SHARE_KNOWN = 0.03
_WINDOWS_S = (3.0, 10.0)
_DECREASE = 2 / 3
_LEAST_SHARE = 1 / 4
"""Of what was sent: so much is taken to have got through, at least."""
_FLOOR_PER_S = 0.1
_LEAST_SPAN_S = 1.0
_MAX_PAUSE_S = 60.0
_GROWTH_PER_S = 0.1
_HOLD_S = 1.0
_FORGET_UNUSED_S = 30.0
_FORGET_OUTGROWN_S = 10.0
_OUTGROWN = 2.0


class Lesson:
    """What one upstream has taught; instants are monotonic seconds."""

    __slots__ = (
        "_grows_from",
        "_held_at",
        "_increase_per_s",
        "_paused_until",
        "_rate_per_s",
        "_refused_at",
        "_tally",
        "_taught_at",
        "_told_until",
        "round",
    )

    def __init__(self) -> None:
        self._tally = Tally()
        self.round = 0
        """Goes up with each lesson; an attempt belongs to the one in which it was let go."""
        self._rate_per_s: float | None = None
        self._increase_per_s = 0.0
        self._grows_from = float("-inf")
        self._taught_at = float("-inf")
        self._refused_at = float("-inf")
        self._held_at = float("-inf")
        self._told_until = float("-inf")
        self._paused_until = float("-inf")

    @property
    def known(self) -> bool:
        """Whether a rate is taught and not forgotten."""
        return self._rate_per_s is not None

    @property
    def paused_until(self) -> float:
        """Nothing is sent before this instant."""
        return self._paused_until

    def rate_per_s(self, now: float) -> float | None:
        """Return the rate as it has grown; None where none is known."""
        if self._rate_per_s is None:
            return None
        return self._rate_per_s + self._increase_per_s * max(0.0, now - self._grows_from)

    def asked(self, now: float) -> None:
        """Take note of an attempt that wants to go."""
        self._tally.asked(now)

    def held(self, now: float) -> None:
        """Take note that an attempt could not go at once, and when it could."""
        self._held_at = now

    def through(self, let_go_in: int, now: float) -> None:
        """Take note of an answer that was not 429; see `refused` for `let_go_in`."""
        if let_go_in == self.round:
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
        told_until = now + min(retry_after_s, _MAX_PAUSE_S)
        if let_go_in != self.round:
            if let_go_in == self.round - 1 and told_until > self._paused_until:
                self._paused_until = told_until
                self._hold_until(told_until, now)
            return None
        self._tally.refused(now)
        self._told_until = max(self._told_until, told_until)
        self._refused_at = now
        why = self._teach(declared_per_s, now)
        if why is None:
            self._hold_until(now + _HOLD_S, now)
        return why

    def _teach(self, declared_per_s: float, now: float) -> str | None:
        share = _REFUSED_SHARE if self._rate_per_s is None else _REFUSED_SHARE_KNOWN
        for window_s in _WINDOWS_S:
            through, refused, _, span_s = self._tally.count(window_s, now)
            sent = through + refused
            if refused >= _LEAST_REFUSED and refused >= sent * share and span_s >= _LEAST_SPAN_S:
                taught = self.rate_per_s(now)
                most = min(sent / span_s, declared_per_s, taught or declared_per_s)
                base = min(most, max(through / span_s, most * _LEAST_SHARE))
                self._begin(max(_FLOOR_PER_S, base * _DECREASE), now)
                return f"{refused} of {sent} answers were 429"
        return None

    def _begin(self, rate_per_s: float, now: float) -> None:
        self._rate_per_s = rate_per_s
        self._increase_per_s = rate_per_s * _GROWTH_PER_S
        self._taught_at = self._held_at = now
        self._paused_until = max(self._paused_until, self._told_until)
        self._grows_from = max(now, self._paused_until)
        self._told_until = float("-inf")
        self._tally.clear()
        self.round += 1

    def _hold_until(self, until: float, now: float) -> None:
        if until > now:
            self._rate_per_s = self.rate_per_s(now)
            self._grows_from = max(self._grows_from, until)

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
        self._rate_per_s = None
        self._tally.clear()
        return why

    def _demand(self, now: float) -> float:
        return self._tally.count(_WINDOWS_S[-1], now).asked / _WINDOWS_S[-1]
