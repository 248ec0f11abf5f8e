"""What becomes of the calls to an upstream that refuses for a while, and of one with a quota."""

from collections import Counter
from collections.abc import Callable

import pytest
from fakes.clock import FakeClock

from gateway.interceptors.pacing.pacer import Pacer, PacingOptions
from gateway.interceptors.pacing.refusal import Refusal
from gateway.interceptors.pacing.ticket import Ticket

RETRY_AFTER_S = 1.0
DEADLINE_S = 2.0
RTT_S = 0.02

Takes = Callable[[float], bool]
"""Whether the upstream takes a request, by the time since the beginning."""


class Traffic:
    """So many calls a second to one upstream, in equal steps, over the real pacer."""

    def __init__(self, per_s: float, takes: Takes, retry_after_s: float | None = RETRY_AFTER_S):
        self.clock = FakeClock()
        self.pacer = Pacer(PacingOptions(), "shop")
        self.per_s = per_s
        self.takes = takes
        self.retry_after_s = retry_after_s
        self.answers: Counter[tuple[int, str]] = Counter()
        """By the second in which the call came, or was sent, and what became of it."""
        self.rates: list[tuple[float, float | None]] = []

    def run(self, seconds: float) -> "Traffic":
        for n in range(round(self.per_s * seconds)):
            self.clock.call_at(1000 + n / self.per_s, self._come)
        self.clock.advance(seconds)
        return self

    def share(self, what: str, began: int, end: int) -> float:
        """Return the share of the calls that came in these seconds."""
        seconds = range(began, end)
        came = sum(self.answers[second, "came"] for second in seconds)
        return sum(self.answers[second, what] for second in seconds) / came

    def count(self, what: str, began: int, end: int) -> int:
        return sum(self.answers[second, what] for second in range(began, end))

    def _come(self) -> None:
        now = self.clock.now()
        second = int(now - 1000)
        self.answers[second, "came"] += 1
        entered = self.pacer.enter(now, now + DEADLINE_S) if self.pacer.active else None
        self._told()
        if entered is None:
            self._send(second)
        elif isinstance(entered, Ticket):
            entered.wake = lambda: self._look(entered, second)
            if self.pacer.is_first(entered):
                self._look(entered, second)

    def _look(self, ticket: Ticket, second: int) -> None:
        if ticket.refusal is not None or not self.pacer.is_first(ticket):
            return
        now = self.clock.now()
        left = self.pacer.turn(ticket, now)
        if isinstance(left, Refusal):
            self.pacer.leave(ticket)
        elif left:
            self.clock.call_at(now + min(left, 1.0), lambda: self._look(ticket, second))
        else:
            self._send(second)

    def _send(self, second: int) -> None:
        round_ = self.pacer.round
        now = self.clock.now()
        taken = self.takes(now - 1000)
        self.answers[int(now - 1000), "sent"] += 1
        self.answers[int(now - 1000), "200" if taken else "429"] += 1
        self.answers[second, "ok" if taken else "refused"] += 1
        self.clock.call_at(now + RTT_S, lambda: self._answer(round_, taken=taken))

    def _answer(self, round_: int, *, taken: bool) -> None:
        now = self.clock.now()
        if taken:
            self.pacer.through(round_, now)
        else:
            self.pacer.refused(round_, self.retry_after_s, now)
            self._told()

    def _told(self) -> None:
        news, self.pacer.news = self.pacer.news, None
        if news is not None:
            self.rates.append((self.clock.now() - 1000, news.rate_per_s))
            self.pacer.refuse_late(self.clock.now())


def out_between(began: float, end: float, every: int = 1) -> Takes:
    """Refuse everything then, or one of so many."""
    seen = Counter[str]()

    def takes(now: float) -> bool:
        if not began <= now < end:
            return True
        seen["now"] += 1
        return seen["now"] % every != 0

    return takes


def bucket(per_s: float, size: int) -> Takes:
    left, last = float(size), 0.0

    def takes(now: float) -> bool:
        nonlocal left, last
        left, last = min(size, left + (now - last) * per_s), now
        if left < 1:
            return False
        left -= 1
        return True

    return takes


def window(requests: int, span_s: float) -> Takes:
    used = Counter[int]()

    def takes(now: float) -> bool:
        number = int(now / span_s)
        if used[number] >= requests:
            return False
        used[number] += 1
        return True

    return takes


@pytest.mark.parametrize("retry_after_s", [RETRY_AFTER_S, None])
@pytest.mark.parametrize("every", [1, 2], ids=["all refused", "half refused"])
@pytest.mark.parametrize("lasts_s", [4, 10])
@pytest.mark.parametrize("per_s", [3, 40, 200])
def test_ten_seconds_after_a_trouble_everything_is_answered_again(
    per_s, lasts_s, every, retry_after_s
):
    well_at = 10 + lasts_s
    traffic = Traffic(per_s, out_between(10, well_at, every), retry_after_s).run(well_at + 60)
    assert traffic.rates, "nothing was taught"
    assert traffic.share("ok", well_at + 7, well_at + 10) >= 0.95
    assert traffic.share("ok", well_at + 10, well_at + 60) >= 0.99


def test_an_upstream_that_refuses_everything_is_left_alone_meanwhile():
    traffic = Traffic(40, out_between(10, 70)).run(70)
    assert traffic.count("sent", 12, 70) <= 2 * 58
    assert min(rate for _, rate in traffic.rates if rate) > 20  # it pauses, and falls no further


def test_a_rate_is_no_longer_known_once_the_trouble_is_half_a_minute_over():
    traffic = Traffic(40, out_between(10, 20)).run(50)
    assert not traffic.pacer.active


def test_a_minute_of_trouble_delays_by_less_than_half_a_minute():
    traffic = Traffic(40, out_between(10, 70, 2)).run(130)
    assert traffic.share("ok", 97, 130) >= 0.95


QUOTAS = {
    "bucket of 5": lambda: bucket(20, 5),
    "bucket of 20": lambda: bucket(20, 20),
    "a second": lambda: window(20, 1),
    "ten seconds": lambda: window(200, 10),
}


@pytest.mark.parametrize("demand_per_s", [24, 40, 200])
@pytest.mark.parametrize("quota", QUOTAS)
def test_a_quota_of_twenty_a_second_is_used_and_not_hammered(quota, demand_per_s):
    traffic = Traffic(demand_per_s, QUOTAS[quota]()).run(330)
    sent, through = traffic.count("sent", 30, 330), traffic.count("200", 30, 330)
    assert through >= 0.85 * 20 * 300
    assert traffic.count("429", 30, 330) <= 0.06 * sent
    assert traffic.pacer.learned
    last = [at for at, _ in traffic.rates if at > 300]
    assert last, "nothing tests whether the quota is larger now"


def test_a_larger_quota_is_found():
    small, large = bucket(20, 5), bucket(100, 5)
    traffic = Traffic(90, lambda now: (large if now > 60 else small)(now)).run(150)
    assert traffic.share("ok", 50, 60) < 0.3
    assert traffic.share("ok", 120, 150) >= 0.95


def test_nobody_keeps_a_rate_that_is_too_low_for_its_deadline():
    traffic = Traffic(3, out_between(10, 40)).run(60)
    assert traffic.share("ok", 50, 60) >= 0.95
