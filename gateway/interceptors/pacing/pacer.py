"""The line of those that wait for their turn to be sent to one upstream.

1. The rate is the smaller of the declared and the taught one. Without either everything
   goes at once and nothing is kept. Each attempt spends one request of it: first attempts,
   retries and hedges alike.
2. The more critical goes before the less, those of one criticality in the order in which
   they came (`core/line.py`). Hedges are sheddable: nothing waits for them. Who would be the
   first goes at once where the schedule allows it; everybody else joins the line, and only
   its first may go.
3. Nobody joins who could not go before its deadline. Once `max_queued` wait, a newcomer
   displaces the youngest of the least critical, or is refused where nobody is less critical.
   A refusal spends nothing and tells the delay, which counts everybody ahead.
4. Waiting spends nothing either. Who leaves the line (cancelled) makes everybody behind it
   earlier, and never holds anybody up.
5. A lesson may move turns to later, and so does who comes before others. Who can no longer go
   before its deadline is refused then, not when its deadline comes: after a lesson everybody,
   after a newcomer the first of each criticality below it. The refusal of one gives its turn
   to those behind.
6. A taught rate allows no burst: a burst may be what was refused.
7. An attempt that was never sent after all (a breaker, no connection) gives back its
   request if no other went since.
"""

from dataclasses import dataclass

from gateway.core.criticality import Criticality
from gateway.core.line import Line
from gateway.interceptors.pacing.lesson import Lesson
from gateway.interceptors.pacing.refusal import Refusal, too_late
from gateway.interceptors.pacing.schedule import Schedule
from gateway.interceptors.pacing.ticket import News, Ticket

_FORGET_EVERY_S = 1.0
_UNLIMITED = float("inf")


@dataclass(frozen=True, kw_only=True, slots=True)
class PacingOptions:
    """See seawall.policy.v1.PacingPolicy.

    Args:
        requests: so many in each `per_s`; None declares no rate.
        per_s: seconds.
        burst: so many at once after a pause, under the declared rate.
        max_queued: attempts that wait.
        learn: whether answers of 429 teach a rate.
    """

    requests: int | None = None
    per_s: float = 1.0
    burst: int = 1
    max_queued: int = 1000
    learn: bool = True


class Pacer:
    """Whose turn it is; one an upstream. All instants are monotonic seconds.

    Args:
        options: rate and bounds.
        upstream: its name, for people.
    """

    __slots__ = (
        "_check_at",
        "_declared_per_s",
        "_lesson",
        "_line",
        "_options",
        "_rate_per_s",
        "_schedule",
        "active",
        "learns",
        "news",
        "upstream",
    )

    def __init__(self, options: PacingOptions, upstream: str) -> None:
        self._options = options
        self._declared_per_s = options.requests / options.per_s if options.requests else _UNLIMITED
        self._rate_per_s = self._declared_per_s
        self._schedule = Schedule()
        self._lesson = Lesson()
        self._line: Line[Ticket] = Line(options.max_queued)
        self._check_at = float("-inf")
        self.upstream = upstream
        self.active = self._rate_per_s < _UNLIMITED
        """Whether there is any rate; where not, attempts need not `enter`."""
        self.learns = options.learn
        """Whether answers are of interest."""
        self.news: News | None = None
        """The last change that nobody was told of yet."""

    @property
    def rate_per_s(self) -> float | None:
        """Requests a second, as of the last attempt; None where there is no rate."""
        return self._rate_per_s if self.active else None

    @property
    def queued(self) -> int:
        """Attempts that wait."""
        return len(self._line)

    @property
    def learned(self) -> bool:
        """Whether the rate is one that was taught."""
        return self._lesson.known

    @property
    def round(self) -> int:
        """Names what was taught so far; an answer belongs to the round of its request."""
        return self._lesson.round

    @property
    def went(self) -> int:
        """Names the request that went last, for `take_back`."""
        return self._schedule.went

    def enter(
        self, now: float, deadline_at: float, criticality: Criticality = Criticality.CRITICAL
    ) -> Ticket | Refusal | None:
        """Ask to be sent.

        Returns:
            None to go now, a ticket to wait with, or a refusal.
        """
        if self._lesson.known:
            self._lesson.asked(now)
            self.refresh(now)
        if not self.active:
            return None
        ahead = self._line.ahead(criticality)
        due_at = self._due_at(ahead, now)
        if not ahead and due_at <= now:
            self._schedule.go(now, now, self._rate_per_s)
            self._refuse_behind(criticality, now)
            return None
        self._lesson.held(now)
        if due_at >= deadline_at:
            return too_late(due_at - now)
        if not self._line.has_room(criticality):
            return Refusal(due_at - now, f"{len(self._line)} requests wait already")
        return self._join(Ticket(deadline_at, criticality), now)

    def _join(self, ticket: Ticket, now: float) -> Ticket:
        displaced = self._line.displace(ticket.criticality)
        self._line.append(ticket)
        if displaced is not None:
            due_at = self._due_at(self._line.ahead(displaced.criticality), now)
            displaced.refuse(
                Refusal(due_at - now, "a more critical one took its place in the line")
            )
        self._refuse_behind(ticket.criticality, now)
        return ticket

    def _refuse_behind(self, criticality: Criticality, now: float) -> None:
        line = self._line
        ahead = line.ahead(criticality)
        if ahead == len(line):
            return
        for less in range(criticality - 1, 0, -1):
            less_critical = Criticality(less)
            while (ticket := line.first_of(less_critical)) is not None:
                due_at = self._due_at(ahead, now)
                if due_at < ticket.deadline_at:
                    break
                self._put_out(ticket, due_at - now)
            ahead = line.ahead(less_critical)

    def turn(self, ticket: Ticket, now: float) -> float | Refusal:
        """Let the first of the line go, if it is time.

        Returns:
            0 if it went and is out of the line; else seconds until it may, or a refusal.
        """
        self.refresh(now)
        due_at = self._due_at(0, float("-inf"))
        if due_at >= ticket.deadline_at:
            return too_late(due_at - now)
        if due_at > now:
            return due_at - now
        self._schedule.go(now, due_at, self._rate_per_s)
        self._lesson.held(now)
        self.leave(ticket)
        return 0.0

    def leave(self, ticket: Ticket) -> None:
        """Take `ticket` out of the line if it is there, and wake who is the first then."""
        was_first = self.is_first(ticket)
        self._line.remove(ticket)
        if was_first:
            first = self._line.first()
            if first is not None and first.wake is not None:
                first.wake()

    def is_first(self, ticket: Ticket) -> bool:
        """Tell whether it is this ticket's turn next."""
        return self._line.first() is ticket

    def take_back(self, which: int) -> None:
        """Undo request number `which`, which was not sent, if it was the last to go."""
        self._schedule.take_back(which)

    def through(self, let_go_in: int, now: float) -> None:
        """Take note of an answer other than 429; see `refused`."""
        self._lesson.through(let_go_in, now)

    def refused(self, let_go_in: int, retry_after_s: float | None, now: float) -> None:
        """Learn from an answer of 429.

        Args:
            let_go_in: the `round` in which its request was let go.
            retry_after_s: what it told.
            now: when it came.
        """
        why = self._lesson.refused(let_go_in, retry_after_s or 0.0, self._declared_per_s, now)
        if why is not None:
            self._take_rate(now)
            pause_s = self._lesson.paused_until - now
            if pause_s > 0:
                why += f"; nothing is sent for {pause_s:.3g} s"
            self.news = News(self._rate_per_s, why)

    def refuse_late(self, now: float) -> None:
        """Put out of the line who can no longer go before its deadline."""
        ahead = 0
        for ticket in list(self._line):
            due_at = self._due_at(ahead, now)
            if due_at < ticket.deadline_at:
                ahead += 1
            else:
                self._put_out(ticket, due_at - now)

    def _put_out(self, ticket: Ticket, delay_s: float) -> None:
        self.leave(ticket)
        ticket.refuse(too_late(delay_s))

    def refresh(self, now: float) -> None:
        """Bring a taught rate up to date: it grows, and is forgotten in the end."""
        if not self._lesson.known:
            return
        if now >= self._check_at and not self._line:
            self._check_at = now + _FORGET_EVERY_S
            why = self._lesson.forget(self._declared_per_s, now)
            if why is not None:
                self.news = News(None, why)
        self._take_rate(now)

    def _take_rate(self, now: float) -> None:
        taught = self._lesson.rate_per_s(now)
        declared = self._declared_per_s
        self._rate_per_s = declared if taught is None else min(declared, taught)
        self.active = self._rate_per_s < _UNLIMITED

    def _due_at(self, ahead: int, base: float) -> float:
        lesson = self._lesson
        burst = 1 if lesson.known else self._options.burst
        base = max(base, lesson.paused_until)
        return self._schedule.due_at(ahead, self._rate_per_s, burst, base)
